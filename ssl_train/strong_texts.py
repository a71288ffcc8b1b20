"""The strong views of a pool, as texts: rewrites that are stored, views that are computed, and what the rest gets."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ..classifier.errors import DataError
from ..classifier.inputs import Exchange
from .augment.eda import Synonyms, eda_variants, letters_of
from .augment.synonyms import nearest_words
from .data.records import Record
from .data.training_texts import TrainingTexts
from .loop.views import Rewrites
from .progress import Progress, silent
from .recipe import COMPUTED, ComputedStrategy, EdaSettings, Recipe
from .stored_rewrites import collect_stored


class StrongTexts(NamedTuple):
    """The texts of a training with the strong views of their pool.

    texts: as they were loaded, without the pool texts that ``augment.fallback: leave_out`` takes away.
    rewrites: strong views by record id; a text that is its own strong view has none.
    counts: those of ``RewriteSet``; ``identity`` and ``eda`` count computed views, ``fallback`` and ``left_out`` the
        texts without any rewrite.
    """

    texts: TrainingTexts
    rewrites: Rewrites
    counts: Mapping[str, int]


def gather_strong_texts(
    recipe: Recipe, texts: TrainingTexts, *, base: Path | None = None, progress: Progress = silent
) -> StrongTexts:
    """Give every pool text its strong views; the endpoint is asked for rewrites that are neither recorded nor cached.

    Raises:
        SettingsError: a strategy has no template.
        DataError: the cache or the recorded rewrites cannot be used, or no text is left.
        EndpointError: the endpoint cannot be used, or has stopped answering.
        ModelError: the encoder, whose words serve as synonyms, or a translation model cannot be loaded.
    """
    if recipe.method.name == "supervised":
        return StrongTexts(texts, {}, {})
    stored = collect_stored(recipe, texts, base=base, progress=progress)
    rewrites, counts = stored.rewrites, dict(stored.counts)
    for strategy in COMPUTED:
        if strategy in recipe.augment.strategy:
            counts[strategy] = _add_computed(strategy, texts.pool, recipe, rewrites)
    return _with_fallback(recipe, texts, rewrites, counts)


def _with_fallback(
    recipe: Recipe, texts: TrainingTexts, rewrites: dict[str, list[Exchange]], counts: dict[str, int]
) -> StrongTexts:
    bare = [record for record in texts.pool if record.id not in rewrites]
    if recipe.augment.fallback == "leave_out":
        left = [record for record in texts.pool if record.id in rewrites or record.id in texts.votes]
        if not left:
            raise DataError(
                f"none of the {len(texts.pool)} pool texts has a rewrite, and augment.fallback is leave_out: name an "
                "endpoint in augment.endpoint or recorded rewrites in data.rewrites, or set augment.fallback to eda"
            )
        counts["left_out"] = len(texts.pool) - len(left)
        return StrongTexts(replace(texts, pool=left), rewrites, counts)
    counts["fallback"] = len(bare)
    if recipe.augment.fallback == "eda" and bare:
        counts["eda"] = counts.get("eda", 0) + _add_computed("eda", bare, recipe, rewrites)
    return StrongTexts(texts, rewrites, counts)


def _add_computed(
    strategy: ComputedStrategy, records: Sequence[Record], recipe: Recipe, rewrites: dict[str, list[Exchange]]
) -> int:
    """Add the views that a strategy computes to ``rewrites``, and count them."""
    views = (
        eda_views(records, recipe.augment.eda, encoder=recipe.encoder, seed=recipe.seed)
        if strategy == "eda"
        else {record.id: [record.exchange] for record in records}
    )
    for identity, more in views.items():
        rewrites.setdefault(identity, []).extend(more)
    return sum(map(len, views.values()))


def eda_views(
    records: Sequence[Record], settings: EdaSettings, *, encoder: str, seed: int
) -> dict[str, list[Exchange]]:
    """Give each record its EDA variants, prompt and response each on its own.

    They depend on the record, the seed and the encoder, not on the other records or their order.

    Raises:
        ModelError: the encoder cannot be loaded.
    """
    words = {letters_of(word) for record in records for text in record.exchange for word in (text or "").split()}
    synonyms = nearest_words({word for word in words if word}, encoder)
    return {record.id: _variants(record, settings, synonyms, seed) for record in records}


def _variants(record: Record, settings: EdaSettings, synonyms: Synonyms, seed: int) -> list[Exchange]:
    rng = random.Random(f"{seed} {record.id}".encode("utf-8", "replace"))
    prompts, responses = (
        [text] * settings.variants
        if text is None
        else eda_variants(text, rng, synonyms, alpha=settings.alpha, variants=settings.variants)
        for text in record.exchange
    )
    return [Exchange(prompt or "", response) for prompt, response in zip(prompts, responses, strict=True)]
