"""The control without attacks: the classifier is trained on as before, and as long."""

from collections.abc import Sequence

from ...progress import Advance
from ..attack import Candidate, Seed
from . import Generator


class NoAttacks(Generator):
    """Writes nothing."""

    def propose(
        self, seeds: Sequence[Seed], texts_a_seed: int, *, round_seed: int, advance: Advance
    ) -> list[Candidate]:
        """Give no candidates."""
        return []
