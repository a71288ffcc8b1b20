"""What the engine asks of whoever runs the forward passes, and the plainest of them: PyTorch as it is."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch

from ..inputs import Window
from .attention import attention_kernel
from .schedule import BatchLimits

if TYPE_CHECKING:
    from ..model import SafetyClassifier


class Scorer(Protocol):
    """Runs forward passes; several threads may call ``score`` at once.

    Attributes:
        limits: what one forward pass may hold.
        forwards: how many forward passes may run at a time.
        report: what runs where, as plain values.
    """

    limits: BatchLimits
    forwards: int
    report: dict[str, Any]

    def score(self, windows: Sequence[Window]) -> list[float]:
        """Give the harmful probability of each window; NaN where the weights are damaged."""

    def warm_up(self) -> None:
        """Do once what would make the first callers wait."""


class TorchScorer:
    """PyTorch on the device where the classifier is; a pass uses all its cores, so there is one at a time."""

    def __init__(self, classifier: "SafetyClassifier") -> None:
        """Take the classifier; on a CPU padding costs as much as text and large batches gain nothing."""
        self.classifier = classifier
        self.limits = BatchLimits(tokens=1024, windows=64, padding=0.05)
        self.forwards = 1
        self.report: dict[str, Any] = {
            "runtime": "torch",
            "device": str(classifier.device),
            "dtype": str(classifier.dtype).removeprefix("torch."),
            "attention": attention_kernel(classifier.network, columns=classifier.settings.window),
            "threads": torch.get_num_threads(),
        }

    def score(self, windows: Sequence[Window]) -> list[float]:
        """Give the harmful probability of each window, in one padded pass."""
        return self.classifier.score_windows(windows)

    def warm_up(self) -> None:
        """Leave it to the engine, which judges two texts."""
