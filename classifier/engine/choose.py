"""Choose who runs the forward passes: the fastest that this machine and this model folder have, said loudly."""

import logging
from pathlib import Path

from ..errors import ModelError
from ..model import SafetyClassifier
from ..onnx_folder import ONNX_FOLDER, REPORT_FILE, read_report, weights_hash
from .gpu_scorer import GpuScorer
from .onnx_scorer import OnnxScorer
from .scorer import Scorer, TorchScorer

_log = logging.getLogger(__name__)


def choose_scorer(classifier: SafetyClassifier, folder: Path, *, cores: int | None = None) -> Scorer:
    """Give a scorer for a classifier that was loaded from a folder.

    On a GPU PyTorch in bfloat16; on a CPU the folder's int8 form where there is one of these very weights that judges
    as they do, else PyTorch in float32, whose report then says why; ``cores`` is how many cores the int8 form takes.
    """
    if classifier.device.type == "cuda":
        return GpuScorer(classifier)
    try:
        return _int8(classifier, folder, cores)
    except ModelError as error:
        level = logging.WARNING if (folder / ONNX_FOLDER / REPORT_FILE).exists() else logging.INFO
        _log.log(level, "%s: float32 is served: %s", folder, error)
        scorer = TorchScorer(classifier)
        scorer.report["not_int8"] = str(error)
        return scorer


def _int8(classifier: SafetyClassifier, folder: Path, cores: int | None) -> OnnxScorer:
    """Load the folder's int8 form.

    Raises:
        ModelError: there is none, or it may not be served.
    """
    report = read_report(folder)
    if report is None:
        raise ModelError(f"there is no int8 form of the model, which is faster; make one: railmatch export {folder}")
    if report.weights != weights_hash(folder):
        raise ModelError(f"the int8 form was made from other weights; make it anew: railmatch export {folder}")
    if not report.kept:
        raise ModelError(report.sentence)
    return OnnxScorer(classifier, folder, cores=cores)
