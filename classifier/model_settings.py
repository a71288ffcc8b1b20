"""``railmatch.json``: what a model folder says of itself, read without loading PyTorch."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from .errors import ModelError, reason
from .tasks import Task

SETTINGS_FILE = "railmatch.json"
_FORMAT = 1
"""Number of the newest form of railmatch.json that is understood."""


class ModelSettings(BaseModel):
    """``railmatch.json``: what the checkpoint itself cannot say.

    ``window`` is in tokens; ``threshold`` is compared with the harmful probability: at or above it, block. A threshold
    above 1 blocks nothing: calibration gives it where harmless texts share the highest score. ``pooling`` is ``mean``
    where the checkpoint is a ``MeanPooledBert`` in its ordinary form.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal[1] = 1
    task: Task
    window: int = Field(ge=1)
    pooling: Literal["mean", "native"]
    threshold: float = Field(default=0.5, ge=0, allow_inf_nan=False)
    calibration: dict[str, Any] | None = None
    training: dict[str, Any] | None = None
    railmatch: str = ""
    created: str = ""


def read_settings(folder: Path) -> ModelSettings:
    """Read a model folder's ``railmatch.json``.

    Raises:
        ModelError: there is no such folder or file, or it does not say what this version of RailMatch needs.
    """
    if not folder.is_dir():
        raise ModelError(f"{folder} is not a folder; train a model first: railmatch train RECIPE --out {folder}")
    file = folder / SETTINGS_FILE
    if not file.is_file():
        raise ModelError(
            f"{folder} is not a RailMatch model: it holds no {SETTINGS_FILE}; train one: "
            f"railmatch train RECIPE --out {folder}"
        )
    try:
        text = file.read_bytes()
        written = from_json(text)
        if isinstance(written, dict) and _is_newer(written.get("format")):
            raise ModelError(
                f"{file} was written by a newer RailMatch (format {written['format']}, this one reads {_FORMAT}): "
                "upgrade it: pip install --upgrade railmatch"
            )
        return ModelSettings.model_validate_json(text)
    except (OSError, ValueError) as error:
        raise ModelError(f"{file} cannot be read: {_what_is_wrong(error)}; train the model again") from error


def _is_newer(version: object) -> bool:
    return isinstance(version, int) and version > _FORMAT


def _what_is_wrong(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return reason(error)
    first = error.errors()[0]
    return ".".join(map(str, first["loc"])) + ": " + first["msg"] if first["loc"] else first["msg"]
