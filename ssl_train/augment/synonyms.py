"""Words of like meaning for EDA, read off an encoder's token embeddings, so that no word list is needed."""

import re
from collections.abc import Collection, Sequence
from typing import cast

import torch.nn.functional as F
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from ...classifier.backbone import load_backbone
from ...classifier.pooling import MeanPooledBert

NEIGHBOURS = 3
"""Most synonyms that a word has."""

EXAMINED = 20
"""Nearest words that are looked at, since the very nearest are mostly forms of the word itself."""

SHORTEST = 3
"""Letters of the shortest word that has synonyms."""

ROWS = 1024
"""Words that are compared with all others at once."""

_WORD_START = re.compile("^[\u2581\u0120]")
"""The mark of a token that begins a word, in SentencePiece and in byte-level BPE."""


def nearest_words(words: Collection[str], encoder: str) -> dict[str, list[str]]:
    """Give each of the lower-case ``words`` its synonyms: the words whose token embeddings are most alike by cosine.

    Only words that are a single token of the encoder's have and are synonyms, and no stop words. This is no
    dictionary: words that occur in the same places, such as "boy" and "girl", are near each other as well, and
    opposites may be. A word's own forms ("bombs", "bombing") and what contains it ("unsafe") are left out.

    Raises:
        ModelError: the encoder cannot be loaded.
    """
    network, tokenizer = load_backbone(encoder)
    model = cast(PreTrainedModel, network.bert if isinstance(network, MeanPooledBert) else network)
    table = cast(nn.Embedding, model.get_input_embeddings()).weight.detach()
    known = _whole_words(tokenizer)
    names = list(known)
    embeddings = F.normalize(table[list(known.values())], dim=1)
    rows = [row for row, name in enumerate(names) if name in words]
    found: dict[str, list[str]] = {}
    for start in range(0, len(rows), ROWS):
        block = rows[start : start + ROWS]
        found |= {names[row]: _others(names[row], near) for row, near in _nearest(block, embeddings, names)}
    return {word: others for word, others in found.items() if others}


def _nearest(rows: Sequence[int], embeddings: Tensor, names: Sequence[str]) -> list[tuple[int, list[str]]]:
    """Name the words nearest to some, the nearest first."""
    order = (embeddings[list(rows)] @ embeddings.T).topk(min(EXAMINED, len(names)), dim=1).indices
    return [(row, [names[place] for place in places]) for row, places in zip(rows, order.tolist(), strict=True)]


def _others(word: str, near: Sequence[str]) -> list[str]:
    """Leave out the word's own forms, which share its beginning up to the last three letters, and what contains it."""
    return [other for other in near if not _same_stem(*sorted((word, other), key=len))][:NEIGHBOURS]


def _same_stem(shorter: str, longer: str) -> bool:
    return shorter[: max(SHORTEST, len(shorter) - 3)] in longer


def _whole_words(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Find the lower-case words that are one token where they follow a space, with the token's id."""
    pieces = {_WORD_START.sub("", token) for token in tokenizer.get_vocab()}
    words = sorted(
        piece
        for piece in pieces - ENGLISH_STOP_WORDS
        if len(piece) >= SHORTEST and piece.isalpha() and piece == piece.lower()
    )
    encoded = tokenizer([f" {word}" for word in words], add_special_tokens=False)["input_ids"] if words else []
    return {word: ids[0] for word, ids in zip(words, encoded, strict=True) if len(ids) == 1}
