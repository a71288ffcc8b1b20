"""Write the int8 form of a trained model for CPUs, unless it judges otherwise than the model itself."""

import contextlib
import io
import itertools
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn
from transformers import PreTrainedModel

from .errors import reason
from .families import config_of, run_network
from .heads import folded
from .inputs import Exchange
from .model import SafetyClassifier
from .onnx_folder import (
    FLIPPED_SHARE,
    LARGEST_DIFFERENCE,
    ONNX_FILE,
    ONNX_FOLDER,
    REPORT_FILE,
    ExportReport,
    weights_hash,
)
from .onnx_fusing import fused
from .onnx_session import OnnxNetwork
from .onnx_smoothing import smooth
from .padding import INPUTS, padded
from .storage import folder_replaced_atomically, write_text_atomically
from .tasks import LABELS

__all__ = ["ExportReport", "export_int8"]

SMOOTHED_ON = 64
"""How many texts show where the activations have outliers."""

OPSET = 17
"""The newest version of ONNX's operators with all that is needed and nothing that older runtimes lack."""

_log = logging.getLogger(__name__)


def export_int8(classifier: SafetyClassifier, folder: Path, check_on: Sequence[Exchange]) -> ExportReport:
    """Write ``onnx/`` into the folder that a classifier was saved to: its int8 form and how close that is.

    Weights of matrix products become int8 per channel, their inputs uint8 while it runs; all else stays float32. Where
    the difference is over the tolerance, or the network cannot be exported, only the report is written, and the weights
    are served as they are. The classifier stays as it is.

    Args:
        classifier: what was saved, still in the precision it was trained in.
        folder: its model folder.
        check_on: texts that it was not trained on, best those that the threshold was found on.

    Raises:
        ValueError: there is nothing to check on.
        ModelError: the folder holds no weights. OSError: the folder cannot be written.
    """
    if not check_on:
        raise ValueError("an export is checked on texts: check_on is empty")
    judge = SafetyClassifier(folded(classifier.network), classifier.tokenizer, classifier.settings)
    stated = ExportReport(
        kept=False, weights=weights_hash(folder), examples=len(check_on), threshold=classifier.threshold
    )
    expected = judge.predict_proba(check_on)
    with folder_replaced_atomically(folder / ONNX_FOLDER) as target:
        file = target / ONNX_FILE
        for fuse in (True, False):  # the graph as it was exported, where what is faster judges otherwise
            report = _written(judge, check_on, file, expected, stated, fuse=fuse)
            if report.kept:
                break
        else:
            file.unlink(missing_ok=True)
        write_text_atomically(target / REPORT_FILE, report.model_dump_json(indent=2) + "\n")
    _log.log(logging.INFO if report.kept else logging.WARNING, "%s: %s", folder, report.sentence)
    return report


def _written(
    judge: SafetyClassifier,
    check_on: Sequence[Exchange],
    file: Path,
    expected: np.ndarray,
    stated: ExportReport,
    *,
    fuse: bool,
) -> ExportReport:
    """Write the int8 form and report how close it is, or why there is none."""
    try:
        _write_int8(judge, check_on[:SMOOTHED_ON], file, fuse=fuse)
        return _compared(expected, _scores(file, judge, check_on), stated)
    except OSError:
        raise
    except Exception as error:  # the exporter refuses what it does not know with errors of every kind
        return stated.model_copy(update={"reason": f"the network cannot be exported: {reason(error)}"})


def _compared(expected: np.ndarray, found: np.ndarray, stated: ExportReport) -> ExportReport:
    """Compare probabilities, both of shape (examples,), and say so in the report of what is compared."""
    difference = np.abs(expected - found)
    flipped = int(((expected >= stated.threshold) != (found >= stated.threshold)).sum())
    largest = float(difference.max())
    close = largest <= LARGEST_DIFFERENCE and flipped <= FLIPPED_SHARE * len(expected)
    limits = f"allowed are {LARGEST_DIFFERENCE} and {FLIPPED_SHARE:.0%} of the decisions"
    return stated.model_copy(
        update={
            "kept": close,
            "reason": "" if close else f"it judges otherwise than the weights ({limits})",
            "largest_difference": largest,
            "mean_difference": float(difference.mean()),
            "flipped": flipped,
        }
    )


def _scores(file: Path, classifier: SafetyClassifier, exchanges: Sequence[Exchange]) -> np.ndarray:
    """Judge exchanges with an exported network, as the engine does; NaN where one of the windows gives no number."""
    network = OnnxNetwork(file)
    judged = [[network.score(window) for window in windows] for windows in classifier.encode(exchanges)]
    return np.array([max(scores) if np.isfinite(scores).all() else np.nan for scores in judged])


def _write_int8(classifier: SafetyClassifier, examples: Sequence[Exchange], file: Path, *, fuse: bool) -> None:
    """Write the classifier's network in int8, smoothed on examples."""
    with tempfile.TemporaryDirectory(dir=file.parent) as scratch, _silent_root_logger():
        exact = Path(scratch) / "float32.onnx"
        _write_float32(classifier.network, exact)
        model = fused(exact, config_of(classifier.network)) if fuse else onnx.load(exact)
        products = _products(model.graph)
        smooth(model, products, _feeds(model.graph, classifier, examples))
        quantize_dynamic(
            model,
            file,
            per_channel=True,
            nodes_to_quantize=[node.name for node in products],
            weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )


def _products(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """Find the products of states with weights.

    Not those on pooled features, which cost nothing, and whose rounding would go right into the scores: they are the
    graph's Gemm nodes, and whatever gives two logits.
    """
    weights = {entry.name for entry in graph.initializer if entry.dims[-1:] != [len(LABELS)]}
    return [node for node in graph.node if node.op_type in ("MatMul", "Attention") and node.input[1] in weights]


def _feeds(
    graph: onnx.GraphProto, classifier: SafetyClassifier, examples: Sequence[Exchange]
) -> Iterator[dict[str, np.ndarray]]:
    """Give the inputs of the graph for each window of examples."""
    names = [entry.name for entry in graph.input]
    for window in itertools.chain.from_iterable(classifier.encode(examples)):
        feed = dict(zip(INPUTS, padded([window], pad=0), strict=True))
        yield {name: feed[name] for name in names}


@contextlib.contextmanager
def _silent_root_logger() -> Iterator[None]:
    """Keep what the quantiser writes to the root logger from everybody, and from setting up logging for the process."""
    root, handler = logging.getLogger(), logging.NullHandler()

    def nothing(_: logging.LogRecord) -> bool:
        return False

    root.addHandler(handler)
    root.addFilter(nothing)  # records of other loggers do not pass here
    try:
        yield
    finally:
        root.removeFilter(nothing)
        root.removeHandler(handler)


class _Positional(nn.Module):
    """A network called with tensors in the order of ``INPUTS``, as the exporter does."""

    def __init__(self, network: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.names = names

    def forward(self, *inputs: Tensor) -> Tensor:
        return run_network(self.network, dict(zip(self.names, inputs, strict=True)))


def _write_float32(network: nn.Module, file: Path) -> None:
    """Export a network, which is a copy, as it is, for batches and windows of any size."""
    segments = getattr(config_of(network), "type_vocab_size", 0) >= 2
    names = INPUTS if segments else INPUTS[:2]
    for module in network.modules():
        if isinstance(module, PreTrainedModel):
            module.set_attn_implementation("eager")  # the exporter writes scaled_dot_product_attention less well
            break
    rows, columns = 2, 16
    mask = torch.ones(rows, columns, dtype=torch.long)
    mask[1, columns // 2 :] = 0  # without padding the mask would be left out of the graph
    example = (torch.ones_like(mask), mask, torch.zeros_like(mask))
    with warnings.catch_warnings(), torch.inference_mode(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # of tracing, and that this exporter is not the newest
        torch.onnx.export(
            _Positional(network, names).eval(),
            example[: len(names)],
            file,
            dynamo=False,  # the newer one needs another package, and most of a minute
            input_names=list(names),
            output_names=["logits"],
            dynamic_axes={name: {0: "rows", 1: "columns"} for name in names},
            opset_version=OPSET,
        )
