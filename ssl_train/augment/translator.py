"""Translate sentences with a MarianMT model, a Hub id or a folder."""

import importlib.util
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from transformers import AutoConfig, AutoModelForSeq2SeqLM, AutoTokenizer, MarianMTModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from ...classifier.errors import ModelError, reason
from ...classifier.loading import quiet_transformers

BATCH = 32
"""Sentences that are translated at once."""


class Translator:
    """A model that translates from one language into another, always the likeliest next token (greedily)."""

    def __init__(self, model: MarianMTModel, tokenizer: PreTrainedTokenizerBase) -> None:
        """Take a model and its tokenizer, and set the model to give the same translation every time."""
        self.model: Any = model  # by the annotations of transformers this class cannot generate
        self.tokenizer = tokenizer
        self.longest = model.config.max_position_embeddings
        # What a checkpoint asks for, a search along several beams, takes several times as long.
        model.generation_config.num_beams = 1
        model.generation_config.do_sample = False
        model.generation_config.max_length = None

    @classmethod
    def load(cls, name: str, role: str, device: torch.device) -> Self:
        """Load the model ``name``, a Hub id or a folder, that the recipe gives as its ``role``.

        Raises:
            ModelError: sentencepiece is not installed, there is no such model, or it is none of MarianMT's.
        """
        if importlib.util.find_spec("sentencepiece") is None:
            raise ModelError(
                "the strategy backtranslation needs the package sentencepiece: pip install 'railmatch[backtranslation]'"
            )
        with quiet_transformers(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
            try:
                model, tokenizer = _load(name)
            except ModelError as error:
                raise ModelError(f"augment.backtranslation.{role}: {error}") from error
            except Exception as error:  # damaged files raise anything, out of three libraries
                raise ModelError(f"augment.backtranslation.{role}: {_why_not_loaded(name, error)}") from error
        return cls(model.to(device), tokenizer)

    def __call__(self, sentences: Sequence[str]) -> list[str | None]:
        """Translate each sentence; None where it is longer than the model reads, or its translation finds no end."""
        found: list[str | None] = [None] * len(sentences)
        for rows in self._batches(sentences):
            for row, translation in zip(rows, self._translate([sentences[row] for row in rows]), strict=True):
                found[row] = translation
        return found

    def _batches(self, sentences: Sequence[str]) -> Iterator[list[int]]:
        """Put sentences of like lengths together, without those that are too long."""
        if not sentences:
            return
        lengths = [len(ids) for ids in self.tokenizer(list(sentences), split_special_tokens=True)["input_ids"]]
        rows = [row for row, length in enumerate(lengths) if length <= self.longest]
        rows.sort(key=lambda row: lengths[row])
        yield from (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))

    @torch.inference_mode()
    def _translate(self, sentences: list[str]) -> list[str | None]:
        inputs = self.tokenizer(sentences, split_special_tokens=True, padding=True, return_tensors="pt")
        allowed = (2 * inputs["attention_mask"].sum(dim=1) + 16).clamp(max=self.longest - 1).tolist()
        outputs = self.model.generate(**inputs.to(self.model.device), max_new_tokens=max(allowed))
        lengths = (outputs[:, 1:] != self.tokenizer.pad_token_id).sum(dim=1).tolist()
        texts = self.tokenizer.batch_decode(outputs, skip_special_tokens=True)
        # A model that stutters goes on to the limit, and half a translation means something else.
        pairs = zip(texts, lengths, allowed, strict=True)
        return [text if length < most else None for text, length, most in pairs]


def _load(name: str) -> tuple[Any, PreTrainedTokenizerBase]:
    """Load a model and its tokenizer, after a look at what they are."""
    if (Path(name).is_absolute() or name.startswith(("./", "../")) or name.count("/") > 1) and not Path(name).is_dir():
        raise ModelError(f"{name!r} is not a folder; give a folder or a Hub id (owner/name)")
    model_type = AutoConfig.from_pretrained(name, trust_remote_code=False).model_type
    if model_type != "marian":
        raise ModelError(
            f"{name!r} is a model of type {model_type}; back-translation needs MarianMT models (type marian), such as "
            "Helsinki-NLP/opus-mt-en-de"
        )
    tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    model, report = AutoModelForSeq2SeqLM.from_pretrained(name, dtype=torch.float32, output_loading_info=True)
    if missing := sorted(report["missing_keys"]):
        raise ModelError(f"the weights of {name!r} are not whole ({', '.join(missing[:3])} missing); get them again")
    return model, tokenizer


def _why_not_loaded(name: str, error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, LocalEntryNotFoundError):
            return (
                f"{name!r} is not on this machine, and the Hugging Face Hub cannot be reached: check the name and the "
                "connection (HF_HUB_OFFLINE must not be 1), or give a folder with a MarianMT model"
            )
        cause = cause.__cause__
    return f"{name!r} cannot be loaded: {reason(error)} (give a folder or a Hub id of a MarianMT model)"
