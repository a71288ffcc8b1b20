"""Who writes attacks: one generator a module, all of them with the same two methods."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ...progress import Advance
from ..attack import Candidate, Seed
from ..rewards import Reward

__all__ = ["Generator", "Learned"]


@dataclass(frozen=True, slots=True)
class Learned:
    """What a generator's learning took and showed: texts it wrote for it, and curves by name, a value a step.

    Curves that the report knows: ``reward``, ``fool``, ``kl`` (nats), ``diversity``.
    """

    texts: int = 0
    curves: dict[str, list[float]] = field(default_factory=dict)


class Generator(Protocol):
    """Writes candidates for seeds."""

    def learn(
        self, seeds: Sequence[Seed], reward: Reward, *, texts_a_seed: int, folder: Path, advance: Advance
    ) -> Learned:
        """Get better at fooling the classifier that ``reward`` scores against; most generators do not learn.

        Args:
            seeds: what to practise on, as many harmful as unharmful ones.
            reward: scores batches of candidates; those of one seed in a batch are a group.
            texts_a_seed: the budget: no more texts may be written for learning than so many times the seeds.
            folder: of this generator in this round; what is learnt is kept there, and found there again when the
                round is resumed, so that ``learn`` is then over at once.
            advance: called with the number of texts written since the last call.
        """
        return Learned()

    def propose(
        self, seeds: Sequence[Seed], texts_a_seed: int, *, round_seed: int, advance: Advance
    ) -> list[Candidate]:
        """Write at most ``texts_a_seed`` candidates for each seed, in the order of the seeds.

        ``round_seed`` decides all chance; ``advance`` is called with the number of texts written since the last call.
        """
        ...
