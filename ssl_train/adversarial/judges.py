"""Who says whether an attack still is what its seed is: judges other than the classifier under attack."""

from collections.abc import Sequence
from typing import Protocol

from .attack import Candidate


class Judges(Protocol):
    """A bench of judges; ``needed`` of ``asked`` must find the seed's label."""

    @property
    def asked(self) -> int:
        """Count the judges."""
        ...

    @property
    def needed(self) -> int:
        """Say how many of them must agree with the seed's label."""
        ...

    def agreeing(self, candidates: Sequence[Candidate]) -> list[int]:
        """Count for each candidate the judges that find its seed's label."""
        ...
