"""What happened while training: losses and the share of pool texts kept, averaged over blocks of steps."""

from dataclasses import dataclass, field
from typing import Any

HISTORY_BLOCK = 20
"""Steps over which the history averages."""


@dataclass(slots=True)
class History:
    """The losses (nats an example) and the share of pool texts kept, averaged over each block of steps.

    ``step`` is the number of steps done at the end of a block; ``block`` holds the steps that are not averaged yet.
    """

    step: list[int] = field(default_factory=list)
    supervised: list[float] = field(default_factory=list)
    unsupervised: list[float] = field(default_factory=list)
    kept: list[float] = field(default_factory=list)
    block: list[list[float]] = field(default_factory=list)

    def add(self, step: int, supervised: float, unsupervised: float, kept: float) -> None:
        """Note one step, counted from 0; a full block is averaged."""
        self.block.append([supervised, unsupervised, kept])
        if len(self.block) == HISTORY_BLOCK:
            self.close(step + 1)

    def close(self, done: int) -> None:
        """Average the block, however short, that ends after ``done`` steps; an empty one leaves nothing."""
        if not self.block:
            return
        supervised, unsupervised, kept = (sum(column) / len(self.block) for column in zip(*self.block, strict=True))
        self.step.append(done)
        self.supervised.append(supervised)
        self.unsupervised.append(unsupervised)
        self.kept.append(kept)
        self.block = []

    def as_dict(self) -> dict[str, list[Any]]:
        """Give the averaged columns, for a report."""
        return {name: list(getattr(self, name)) for name in ("step", "supervised", "unsupervised", "kept")}

    def state_dict(self) -> dict[str, list[Any]]:
        """Give everything, for a checkpoint."""
        return self.as_dict() | {"block": list(self.block)}

    def load_state_dict(self, state: dict[str, list[Any]]) -> None:
        """Take the state of a checkpoint back."""
        for name, values in state.items():
            setattr(self, name, list(values))
