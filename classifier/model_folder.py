"""A model folder: an ordinary Hugging Face checkpoint, and railmatch.json for what such a checkpoint cannot say."""

from pathlib import Path
from typing import cast

import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from .errors import ModelError, reason
from .families import config_of, final_layer, longest_input
from .heads import folded
from .loading import quiet_transformers
from .model_settings import SETTINGS_FILE, ModelSettings, read_settings
from .pooling import MeanPooledBert
from .storage import folder_replaced_atomically, write_text_atomically
from .tasks import LABELS

__all__ = ["SETTINGS_FILE", "ModelSettings", "ordinary_form", "read_network", "read_settings", "write_model"]


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
