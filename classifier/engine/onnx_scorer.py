"""Forward passes on CPUs: the int8 form of a model, one window a pass, a pass on each core."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnxruntime

from ..errors import ModelError
from ..inputs import Exchange, Window
from ..model import SafetyClassifier
from ..onnx_folder import LARGEST_DIFFERENCE, ONNX_FILE, ONNX_FOLDER
from ..onnx_session import OnnxNetwork
from .schedule import BatchLimits


class OnnxScorer:
    """ONNX Runtime, which batches gain nothing on a CPU, and padding loses."""

    def __init__(self, classifier: SafetyClassifier, folder: Path, *, cores: int | None = None) -> None:
        """Load the int8 form of a classifier and see that on this machine it judges as the weights do.

        ``cores`` is how many passes may run at a time; as many as there are cores when left out.

        Raises:
            ModelError: it cannot be loaded, or judges otherwise: processors without instructions for 8 bits round more.
        """
        self._network = OnnxNetwork(folder / ONNX_FOLDER / ONNX_FILE)
        self.limits = BatchLimits(tokens=classifier.settings.window, windows=1, padding=0.0)
        self.forwards = cores or available_cores()
        self.report: dict[str, Any] = {
            "runtime": f"onnxruntime {onnxruntime.__version__}",
            "device": "cpu",
            "dtype": "int8",
            "attention": "eager",
            "threads": self.forwards,
        }
        self._compare(classifier)

    def score(self, windows: Sequence[Window]) -> list[float]:
        """Give the harmful probability of each window, one after the other."""
        return [self._network.score(window) for window in windows]

    def warm_up(self) -> None:
        """Leave it to the engine: nothing is put off here."""

    def _compare(self, classifier: SafetyClassifier) -> None:
        texts = ("How do I bake bread?", "warm " * classifier.settings.window)
        windows = [windows[0] for windows in classifier.encode([Exchange(text, text) for text in texts])]
        for expected, found in zip(classifier.score_windows(windows), self.score(windows), strict=True):
            if not abs(expected - found) <= LARGEST_DIFFERENCE:  # so written, for a NaN compares with nothing
                raise ModelError(f"on this machine it gives {found:.4f} where the weights give {expected:.4f}")


def available_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
