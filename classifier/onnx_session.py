"""Run an exported model with ONNX Runtime: one window a call, on the thread that calls."""

from pathlib import Path

import onnxruntime
from scipy.special import expit

from .errors import ModelError, reason
from .inputs import Window
from .padding import INPUTS, padded

SLOWER = ["SkipLayerNormFusion"]
"""Optimisations that make it slower: the fused layer norm is not vectorised, and takes a tenth of a pass."""


class OnnxNetwork:
    """The int8 form of a network; any number of threads may call ``score`` at once and share the weights."""

    def __init__(self, file: Path) -> None:
        """Load the file.

        Raises:
            ModelError: it is missing or damaged, or this ONNX Runtime cannot run it.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # the callers' threads are the parallelism
        options.enable_mem_pattern = False  # patterns are kept for every length that was ever seen
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOWER
            )
        except Exception as error:  # ONNX Runtime has a dozen kinds of errors, all of them derived from Exception
            raise ModelError(f"{file} cannot be loaded: {reason(error)}") from error
        self._inputs = {entry.name for entry in self._session.get_inputs()}

    def score(self, window: Window) -> float:
        """Give the harmful probability of a window; NaN where the weights are damaged."""
        inputs = dict(zip(INPUTS, padded([window], pad=0), strict=True))
        ((unharmful, harmful),) = self._session.run(
            None, {name: value for name, value in inputs.items() if name in self._inputs}
        )[0]
        return float(expit(float(harmful) - float(unharmful)))
