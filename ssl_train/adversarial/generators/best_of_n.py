"""The control: a causal language model sampled again and again, and no learning; the harvest keeps the best.

It has the same instructions, budget and reward as reinforcement learning has, so only what goes beyond it may be
credited to that.
"""

from collections.abc import Sequence

from ...progress import Advance
from ..attack import Author, Candidate, Seed
from ..instructions import Instructions
from ..recipe import GeneratorSettings
from . import Generator
from .causal import CausalWriter


class BestOfN(Generator):
    """Samples a model as it is."""

    def __init__(
        self, writer: CausalWriter, instructions: Instructions, settings: GeneratorSettings, name: str = "best_of_n"
    ) -> None:
        """Take the model, what it is told, how it is sampled, and under which name its texts are kept."""
        self.writer = writer
        self.instructions = instructions
        self._settings = settings
        self._name = name

    def propose(
        self, seeds: Sequence[Seed], texts_a_seed: int, *, round_seed: int, advance: Advance
    ) -> list[Candidate]:
        """Sample ``texts_a_seed`` answers for each seed."""
        asked = [seed for seed in seeds for _ in range(texts_a_seed)]
        written = self.writer.write(
            [self.writer.prompt(self.instructions.messages(seed)) for seed in asked],
            temperature=self._settings.temperature,
            top_p=self._settings.top_p,
            max_tokens=self._settings.max_tokens,
            seed=round_seed,
        )
        candidates = []
        for seed, answer in zip(asked, written, strict=True):
            author = Author(self._name, self._settings.model or "", self.instructions.version(seed))
            candidates.append(Candidate(seed, answer, author))
            advance(1)
        return candidates
