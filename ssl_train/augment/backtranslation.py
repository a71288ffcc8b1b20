"""Back-translation: a text put into another language and back, which rewords it.

Sennrich et al. 2016, arXiv:1511.06709; as strong views of semi-supervised learning Xie et al. 2020, arXiv:1904.12848.
Differs from the latter:

1. Translations are greedy and not sampled, so there is one of every text.
2. Texts are translated sentence by sentence, as the models were trained; what stands between sentences, line breaks
   too, stays as it is.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ...classifier.inputs import Exchange, without_surrogates
from ..progress import Progress, silent
from ..recipe import BacktranslationSettings
from .cache import Answer, Cache, Key, text_hash
from .quality import is_too_long, is_unchanged
from .rewrites import RewriteSet
from .translator import Translator

if TYPE_CHECKING:
    from ..data.records import Record

CHUNK = 64
"""Texts after which the cache is written: a kill loses no more than these."""

_BETWEEN = re.compile(r"(\s*\n\s*|(?<=[.!?\u2026])\s+)")


def collect_back_translations(
    records: Sequence["Record"],
    settings: BacktranslationSettings,
    cache_path: str,
    *,
    device: torch.device,
    progress: Progress = silent,
) -> RewriteSet:
    """Give every record its back-translation, prompt and response each on its own; what the cache holds is not redone.

    The models are loaded only if a text is missing. ``counts`` has the outcomes ``kept``, ``unchanged``, ``empty`` and
    ``too_long`` (a sentence is longer than a model reads, or its translation finds no end), and ``from_cache``.

    Raises:
        ModelError: a model cannot be used. DataError: the cache cannot be used.
    """
    models = f"{_identity(settings.forward)} > {_identity(settings.backward)}"
    with Cache(Path(cache_path).expanduser()) as cache:
        keys = {text: Key(text_hash(text), "backtranslation", models, "greedy") for text in _texts_of(records)}
        known = {text: answer for text, key in keys.items() if (answer := cache.get(key))}
        missing = sorted((text for text in keys if text not in known), key=len)
        from_cache = sum(all(text in known for text in _texts_of([record])) for record in records)
        if missing:
            forward = Translator.load(settings.forward, "forward", device)
            backward = Translator.load(settings.backward, "backward", device)
            with progress("Translating there and back", len(missing)) as advance:
                for chunk in _chunks(missing):
                    answers = dict(zip(chunk, back_translate(chunk, forward, backward), strict=True))
                    cache.put_all((keys[text], answer) for text, answer in answers.items())
                    known |= answers
                    advance(len(chunk))
    return _assemble(records, known, from_cache)


def back_translate(texts: Sequence[str], forward: Translator, backward: Translator) -> list[Answer]:
    """Translate texts into another language and back, and say what became of each."""
    pieces = [_BETWEEN.split(text) for text in texts]
    sentences = sorted({piece for group in pieces for piece in group if _has_letters(piece)})
    abroad = dict(zip(sentences, forward(sentences), strict=True))
    words = sorted({translation for translation in abroad.values() if translation is not None})
    home = dict(zip(words, backward(words), strict=True))
    back = {sentence: None if there is None else home[there] for sentence, there in abroad.items()}
    return [
        _judged(text, [back.get(piece, piece) for piece in group]) for text, group in zip(texts, pieces, strict=True)
    ]


def _judged(text: str, pieces: Sequence[str | None]) -> Answer:
    whole = [piece for piece in pieces if piece is not None]
    new = "".join(whole).strip()
    if len(whole) < len(pieces) or is_too_long(text, new):
        return Answer("too_long", new)
    if not new:
        return Answer("empty", new)
    return Answer("unchanged" if is_unchanged(text, new) else "kept", new)


def _assemble(records: Sequence["Record"], known: Mapping[str, Answer], from_cache: int) -> RewriteSet:
    """Put the parts of each record together: the rewrite is kept where all parts are."""
    rewrites: dict[str, list[Exchange]] = {}
    counts: Counter[str] = Counter(from_cache=from_cache)
    for record in records:
        prompt, response = (None if text is None else _answer(text, known) for text in record.exchange)
        outcome = next((part.status for part in (prompt, response) if part and part.status != "kept"), "kept")
        counts[outcome] += 1
        if outcome == "kept" and prompt:
            rewrites[record.id] = [Exchange(prompt.text, response.text if response else None)]
    return RewriteSet(rewrites, dict(counts))


def _answer(text: str, known: Mapping[str, Answer]) -> Answer:
    """Look a part up; an empty prompt, that of a response whose question is not known, stays."""
    return known[without_surrogates(text)] if text.strip() else Answer("kept", text)


def _texts_of(records: Iterable["Record"]) -> Iterator[str]:
    """List what is to be translated."""
    return (without_surrogates(text) for record in records for text in record.exchange if text and text.strip())


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(texts)
    return iter(lambda: list(islice(rest, CHUNK)), [])


def _has_letters(piece: str) -> bool:
    return any(map(str.isalpha, piece))


def _identity(name: str) -> str:
    """Name a model for the cache's keys: a folder by its files' sizes and times, too, which tell a replaced model."""
    folder = Path(name)
    if not folder.is_dir():
        return name
    files = sorted((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in folder.iterdir())
    return f"{folder.resolve()}@{hashlib.sha256(repr(files).encode()).hexdigest()[:16]}"
