"""What an engine has done so far, for metrics and benchmarks."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass
class Counts:
    """Totals since the start.

    Attributes:
        requests: texts brought, the refused ones included.
        remembered: answered from memory.
        shared: joined to a request for the same text.
        refused: turned away because the queue was full, or because they would have been judged too late.
        batches: forward passes begun.
        windows: windows in them.
        tokens: their tokens without padding.
        padding: tokens of padding.
    """

    requests: int = 0
    remembered: int = 0
    shared: int = 0
    refused: int = 0
    batches: int = 0
    windows: int = 0
    tokens: int = 0
    padding: int = 0

    def note_batch(self, lengths: Sequence[int]) -> None:
        """Count a forward pass over windows of these lengths."""
        self.batches += 1
        self.windows += len(lengths)
        self.tokens += sum(lengths)
        self.padding += max(lengths) * len(lengths) - sum(lengths)

    @property
    def padding_share(self) -> float:
        """Give the share of padding in all forward passes, in [0, 1)."""
        return self.padding / max(1, self.tokens + self.padding)
