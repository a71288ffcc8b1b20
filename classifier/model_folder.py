"""A model folder: an ordinary Hugging Face checkpoint, and railmatch.json for what such a checkpoint cannot say."""

from pathlib import Path
from typing import Any, Literal, cast

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from .errors import ModelError
from .families import config_of, final_layer, longest_input
from .heads import folded
from .loading import quiet_transformers, reason
from .pooling import MeanPooledBert
from .storage import folder_replaced_atomically, write_text_atomically
from .tasks import LABELS, Task

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


def read_network(folder: Path, settings: ModelSettings) -> tuple[nn.Module, PreTrainedTokenizerBase]:
    """Load the network, in float32 on the CPU and ready to judge, and the tokenizer of a model folder.

    Only safetensors are read and no code of the folder is run.

    Raises:
        ModelError: a file is missing or damaged, the head was never trained, or the settings do not fit the network.
    """
    with quiet_transformers():
        try:
            network, report = AutoModelForSequenceClassification.from_pretrained(
                folder,
                dtype=torch.float32,
                use_safetensors=True,
                output_loading_info=True,
                trust_remote_code=False,
                local_files_only=True,
            )
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        except Exception as error:  # damaged files raise anything, out of three libraries
            raise ModelError(f"{folder} cannot be loaded: {reason(error)}; train the model again") from error
        if report["missing_keys"]:
            missing = ", ".join(sorted(report["missing_keys"])[:3])
            raise ModelError(
                f"{folder}: weights are missing ({missing}): the model was never trained; train it: "
                f"railmatch train RECIPE --out {folder}"
            )
        _require_fit(folder, network, tokenizer, settings)
        if settings.pooling == "mean":
            network = MeanPooledBert.from_ordinary(network)
    return cast(nn.Module, network.eval()), tokenizer


def _require_fit(folder: Path, network: nn.Module, tokenizer: PreTrainedTokenizerBase, settings: ModelSettings) -> None:
    """Refuse settings that belong to another network."""
    outputs = final_layer(network).out_features
    if outputs != len(LABELS):
        raise ModelError(f"{folder}: the model has {outputs} classes, not {' and '.join(LABELS)}; train it again")
    longest = longest_input(network, tokenizer)
    if settings.window > longest:
        raise ModelError(
            f"{folder / SETTINGS_FILE}: window is {settings.window} tokens, but the model takes at most {longest}; "
            "train it again"
        )


def write_model(folder: Path, network: nn.Module, tokenizer: PreTrainedTokenizerBase, settings: ModelSettings) -> None:
    """Write a model folder; an older one is replaced as a whole.

    Raises:
        OSError: the disk is full or the folder cannot be written; an older folder is then untouched.
    """
    checkpoint = ordinary_form(network)
    with folder_replaced_atomically(folder) as temporary, quiet_transformers():
        try:
            checkpoint.save_pretrained(temporary)
            tokenizer.save_pretrained(temporary)
        except OSError:
            raise
        except Exception as error:  # safetensors and tokenizers have errors of their own for a full disk
            raise OSError(f"{folder}: the model cannot be written: {reason(error)}") from error
        write_text_atomically(temporary / SETTINGS_FILE, settings.model_dump_json(indent=2) + "\n")


def ordinary_form(network: nn.Module) -> PreTrainedModel:
    """Copy a network into its ordinary sequence-classification class, with one head, in float32 on the CPU."""
    single = folded(network)
    ordinary = single.to_ordinary() if isinstance(single, MeanPooledBert) else cast(PreTrainedModel, single)
    config = config_of(ordinary)
    config.id2label = dict(enumerate(LABELS))
    config.label2id = {label: index for index, label in enumerate(LABELS)}
    # else an encoder once trained for many labels at a time makes other tools take the sigmoid of each logit
    config.problem_type = "single_label_classification"
    return ordinary
