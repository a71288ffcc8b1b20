"""Embeddings of texts by the embedded encoder: how near two texts are in meaning."""

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from ..classifier.backbone import EMBEDDED, locate_encoder
from ..classifier.device import choose_device
from ..classifier.loading import quiet_transformers

Embed = Callable[[Sequence[str]], np.ndarray]
"""Gives unit rows of shape (texts, width), float32."""

BATCH = 32
LONGEST = 256
"""Tokens; all-MiniLM-L6-v2 was trained on no more, and the beginning tells what a text is about."""


def embed(texts: Sequence[str]) -> np.ndarray:
    """Embed texts with all-MiniLM-L6-v2: the mean of the token states, padding masked, at unit length.

    Shape (texts, 384), float32.

    Raises:
        ModelError: the embedded weights are missing or were changed.
    """
    network, tokenizer = _encoder()
    vectors = np.zeros((len(texts), int(network.config.hidden_size)), dtype=np.float32)
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))  # texts of like length need little padding
    for start in range(0, len(texts), BATCH):
        rows = order[start : start + BATCH]
        inputs = tokenizer(
            [texts[row] for row in rows], padding=True, truncation=True, max_length=LONGEST, return_tensors="pt"
        ).to(network.device)
        with torch.inference_mode():
            states = network(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(-1)
        mean = (states * mask).sum(dim=1) / mask.sum(dim=1)
        vectors[rows] = F.normalize(mean, dim=-1).cpu().numpy()
    return vectors


class Remembered:
    """Embeds texts, each of them once: the rounds compare the same texts again and again."""

    def __init__(self) -> None:
        self._known: dict[str, np.ndarray] = {}

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Give unit rows of shape (texts, 384), float32.

        Raises:
            ModelError: the embedded weights are missing or were changed.
        """
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known |= dict(zip(new, embed(new), strict=True))
        return np.stack([self._known[text] for text in texts]) if texts else embed([])


@cache
def _encoder() -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load the encoder once a process."""
    folder = locate_encoder(EMBEDDED)
    with quiet_transformers():
        network = AutoModel.from_pretrained(folder, add_pooling_layer=False)
        tokenizer = AutoTokenizer.from_pretrained(folder)
    return network.to(choose_device("auto")).eval(), tokenizer
