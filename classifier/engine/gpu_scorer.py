"""Forward passes on a GPU: bfloat16, large batches of like lengths, and recorded passes for small ones."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..families import run_network
from ..heads import harmful_probability
from ..inputs import Exchange, Window
from ..padding import INPUTS, padded
from .attention import attention_kernel
from .graphs import Batch, Graphs
from .schedule import BatchLimits
from .shapes import Shape, fixed_shape, fixed_shapes

if TYPE_CHECKING:
    from ..model import SafetyClassifier

LARGEST_DIFFERENCE = 0.02
"""How far a recorded pass may be from an ordinary one: in bfloat16 other shapes round a little differently."""

RECORDING_SECONDS = 60.0
"""After these no further pass is recorded, so that a network that is slow to record keeps no app from starting."""

RECORDING_BYTES = 2**30
"""Bytes of the GPU after which none is: others may share it, and what is not recorded gives its memory back."""

_log = logging.getLogger(__name__)


class GpuScorer:
    """PyTorch on a GPU; one batch is prepared while another one runs."""

    def __init__(
        self,
        classifier: "SafetyClassifier",
        *,
        record: bool = True,
        recording_seconds: float = RECORDING_SECONDS,
        recording_bytes: int = RECORDING_BYTES,
    ) -> None:
        """Take a classifier on a GPU.

        Args:
            classifier: judges.
            record: whether small batches run as CUDA graphs.
            recording_seconds: after these no further pass is recorded; batches of its shape take the ordinary way.
            recording_bytes: the same once the graphs hold so many of the GPU's memory.
        """
        self.classifier = classifier
        self.limits = BatchLimits(tokens=32_768, windows=256, padding=0.1)
        self.forwards = 2
        self._window = classifier.settings.window
        self._pad = classifier.tokenizer.pad_token_id or 0
        self._graphs: dict[Shape, Callable[[Batch], Tensor]] = {}
        self._one_at_a_time = threading.Lock()  # a recorded pass has one place for its inputs and one for its outputs
        self._record = record
        self._recording_seconds, self._recording_bytes = recording_seconds, recording_bytes
        self.report: dict[str, Any] = {
            "runtime": f"torch {torch.__version__}",
            "device": device_name(classifier.device),
            "dtype": str(classifier.dtype).removeprefix("torch."),
            "attention": attention_kernel(classifier.network, columns=self._window),
            "cuda_graphs": "not yet recorded" if record else "off",
        }

    def score(self, windows: Sequence[Window]) -> list[float]:
        """Give the harmful probability of each window, in one pass of a fixed shape where the batch is small."""
        shape = fixed_shape(len(windows), max(map(len, windows)), self._window)
        graph = self._graphs.get(shape) if shape else None
        with torch.inference_mode():
            if graph is None or shape is None:
                logits = run_network(self.classifier.network, self._batch(windows))
            else:
                batch = self._batch(windows, shape)
                with self._one_at_a_time:
                    logits = graph(batch)
            scores: list[float] = harmful_probability(logits[: len(windows)].float()).tolist()
        return scores

    def warm_up(self) -> None:
        """Record the passes of small batches, or say loudly that they take the ordinary way; run one large batch."""
        if self._record and not self._graphs:
            try:
                self._graphs = self._recorded()  # only now, for none may run while another one is recorded
                self._compare()
                _log.info("batches of up to 8 windows run as CUDA graphs of %s", self.report["cuda_graphs"])
            except Exception as error:  # a network that cannot be recorded raises whatever its first bad step does
                self._graphs = {}
                self.report["cuda_graphs"] = f"none: {error}"
                _log.warning("small batches run without CUDA graphs, which is slower: %s", error)
        (window,) = self.classifier.encode([Exchange("warm " * (self._window // 2), "warm")])[0][:1]
        self.score([window] * min(self.limits.windows, self.limits.tokens // len(window)))

    def _recorded(self) -> dict[Shape, Callable[[Batch], Tensor]]:
        """Record the passes of the fixed shapes, those of fewest windows first, as far as time and memory go."""
        graphs = Graphs(self.classifier.network)
        shapes = list(fixed_shapes(self._window))
        end = time.monotonic() + self._recording_seconds
        recorded: dict[Shape, Callable[[Batch], Tensor]] = {}
        over = ""
        while len(recorded) < len(shapes) and not over:
            shape = shapes[len(recorded)]
            recorded[shape] = graphs.record(shape, self._pad)
            over = self._over(graphs, end)
        if len(recorded) == len(shapes):
            self.report["cuda_graphs"] = f"{len(shapes)} shapes"
        else:
            self.report["cuda_graphs"] = f"{len(recorded)} of {len(shapes)} shapes: {over}"
            _log.warning("larger batches run without CUDA graphs, which is slower: %s", over)
        return recorded

    def _over(self, graphs: Graphs, end: float) -> str:
        """Say which bound of recording is reached; empty where none is."""
        if time.monotonic() >= end:
            return f"recording took {self._recording_seconds:g} s"
        if graphs.memory >= self._recording_bytes:
            return f"they take {self._recording_bytes} bytes of the GPU's memory"
        return ""

    def _batch(self, windows: Sequence[Window], shape: Shape | None = None) -> Batch:
        """Pad windows and move them to the device in one go."""
        rows, columns = shape or (None, None)
        inputs = torch.from_numpy(padded(windows, pad=self._pad, rows=rows, columns=columns))
        return dict(zip(INPUTS, inputs.to(self.classifier.device, non_blocking=True).unbind(), strict=True))

    def _compare(self) -> None:
        """Judge texts of several lengths both ways.

        Raises:
            RuntimeError: the probabilities differ.
        """
        texts = ["warm", "How do I bake bread? " * 3, "warm " * self._window]
        windows = [windows[0] for windows in self.classifier.encode([Exchange(text, text) for text in texts])]
        for batch in (windows[:1], windows[1:2], windows[2:], windows):
            difference = np.abs(np.array(self.score(batch)) - self.classifier.score_windows(batch)).max()
            if not difference <= LARGEST_DIFFERENCE:  # so written, for a NaN compares with nothing
                raise RuntimeError(f"a recorded pass gave probabilities that differ by {difference:.3f}")


def device_name(device: torch.device) -> str:
    """Name a device, with the make of a GPU."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)
