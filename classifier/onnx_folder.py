"""What a model folder keeps for CPUs: ``onnx/model_int8.onnx``, and how closely that judges as the weights do."""

import hashlib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import ModelError

ONNX_FOLDER = "onnx"
ONNX_FILE = "model_int8.onnx"
REPORT_FILE = "int8.json"

LARGEST_DIFFERENCE = 0.1
"""How far a probability may be from that of the weights as they are."""

FLIPPED_SHARE = 0.05
"""Largest share of the held-back texts that may fall on the other side of the threshold."""


class ExportReport(BaseModel):
    """``int8.json``: how the int8 form of a model compares with the weights on held-back texts.

    Attributes:
        kept: whether it is served; otherwise ``reason`` says why not, and the weights are served as they are.
        weights: SHA-256 of the weights that it was made from.
        examples: how many texts both judged.
        largest_difference: largest difference of their harmful probabilities, in [0, 1].
        mean_difference: mean of the differences.
        flipped: how many texts fell on the other side of ``threshold``.
        threshold: the model's own when it was exported.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal[1] = 1
    kept: bool
    reason: str = ""
    weights: str
    examples: int
    largest_difference: float | None = None
    mean_difference: float | None = None
    flipped: int | None = None
    threshold: float

    def as_dict(self) -> dict[str, Any]:
        """Give the fields and the sentence as JSON-ready values."""
        return self.model_dump(mode="json") | {"sentence": self.sentence}

    @property
    def sentence(self) -> str:
        """Say in one sentence what came out."""
        if self.largest_difference is None:
            return f"int8 is not served, float32 is: {self.reason}"
        found = (
            f"largest difference of a probability {self.largest_difference:.4f}, {self.flipped} of {self.examples} "
            f"decisions flipped at threshold {self.threshold:.4f}"
        )
        return f"int8 is served on CPUs: {found}" if self.kept else f"int8 is not served, float32 is: {found}"


def weights_hash(folder: Path) -> str:
    """Give the SHA-256 of a model folder's weights.

    Raises:
        ModelError: there are none.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ModelError(f"{folder} holds no weights (*.safetensors); train the model again")
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def read_report(folder: Path) -> ExportReport | None:
    """Read what a model folder says of its int8 form; None where it has none.

    Raises:
        ModelError: the report cannot be read.
    """
    file = folder / ONNX_FOLDER / REPORT_FILE
    if not file.is_file():
        return None
    try:
        return ExportReport.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelError(f"{file} cannot be read; make it anew: railmatch export {folder}") from error
