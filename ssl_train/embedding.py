"""Embeddings of texts by the embedded encoder: how near two texts are in meaning."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ..classifier.backbone import EMBEDDED, locate_encoder
from ..classifier.device import Device, choose_device
from ..classifier.loading import quiet_transformers
from .memory import Batch

Embed = Callable[[Sequence[str]], np.ndarray]
"""Gives unit rows of shape (texts, width), float32."""

BATCH = 32
"""Texts; fewer once GPU memory ran out."""

LONGEST = 256
"""Tokens; all-MiniLM-L6-v2 was trained on no more, and the beginning tells what a text is about."""


def embed(texts: Sequence[str], device: Device = "auto") -> np.ndarray:
    """Embed texts with all-MiniLM-L6-v2: the mean of the token states, padding masked, at unit length.

    Shape (texts, 384), float32. ``device`` is ``auto``, ``cpu`` or ``cuda``.

    Raises:
        ModelError: the embedded weights are missing or were changed, or GPU memory does not suffice for one text.
    """
    network, tokenizer, batch = _encoder(device)
    vectors = np.zeros((len(texts), int(network.config.hidden_size)), dtype=np.float32)
    left = sorted(range(len(texts)), key=lambda row: len(texts[row]))  # texts of like length need little padding

    def next_rows(size: int) -> np.ndarray:
        return _means(network, tokenizer, [texts[row] for row in left[:size]])

    while left:
        found = batch.run(next_rows)
        vectors[left[: len(found)]] = found
        left = left[len(found) :]
    return vectors


def _means(network: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> np.ndarray:
    """Embed one batch."""
    inputs = tokenizer(texts, padding=True, truncation=True, max_length=LONGEST, return_tensors="pt").to(network.device)
    with torch.inference_mode():
        states = network(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1)
        mean = (states * mask).sum(dim=1) / mask.sum(dim=1)
        vectors: np.ndarray = F.normalize(mean, dim=-1).cpu().numpy()
    return vectors


class Remembered:
    """Embeds texts, each of them once: the rounds compare the same texts again and again."""

    def __init__(self, device: Device = "auto") -> None:
        """Take the device: ``auto``, ``cpu`` or ``cuda``."""
        self._device = device
        self._known: dict[str, np.ndarray] = {}

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Give unit rows of shape (texts, 384), float32.

        Raises:
            ModelError: the embedded weights are missing or were changed.
        """
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known |= dict(zip(new, embed(new, self._device), strict=True))
        return np.stack([self._known[text] for text in texts]) if texts else embed([], self._device)


@cache
def _encoder(device: Device) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, Batch]:
    """Load the encoder once a process and device, with the batches that its memory has room for."""
    folder = locate_encoder(EMBEDDED)
    with quiet_transformers():
        network = AutoModel.from_pretrained(folder, add_pooling_layer=False)
        tokenizer = AutoTokenizer.from_pretrained(folder)
    return network.to(choose_device(device)).eval(), tokenizer, Batch(BATCH, "texts to compare")
