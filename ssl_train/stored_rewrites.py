"""The rewrites of a pool that are made once and kept in the cache: by an endpoint, and by back-translation."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from .augment.rewrites import RewriteSet, collect_rewrites
from .data.training_texts import TrainingTexts
from .progress import Progress, silent
from .recipe import Recipe


def collect_stored(
    recipe: Recipe, texts: TrainingTexts, *, base: Path | None = None, progress: Progress = silent
) -> RewriteSet:
    """Give every pool text the rewrites of the recipe's strategies; only those that the cache lacks are made.

    Raises:
        SettingsError: a strategy has no template. ModelError: a translation model cannot be used.
        DataError: the cache or the recorded rewrites cannot be used.
        EndpointError: the endpoint cannot be used, or has stopped answering.
    """
    asked = collect_rewrites(
        texts.pool, recipe.task, recipe.augment, recorded=texts.recorded, base=base, progress=progress
    )
    if "backtranslation" not in recipe.augment.strategy:
        return asked
    from ..classifier.device import choose_device  # only now: both load PyTorch, and asking the endpoint needs none
    from .augment.backtranslation import collect_back_translations

    device = choose_device(recipe.training.device)
    translated = collect_back_translations(
        texts.pool, recipe.augment.backtranslation, recipe.augment.cache, device=device, progress=progress
    )
    ids = dict.fromkeys([*asked.rewrites, *translated.rewrites])
    both = {identity: asked.rewrites.get(identity, []) + translated.rewrites.get(identity, []) for identity in ids}
    counts = {name: 0 for name in asked.counts} | Counter(asked.counts) + Counter(translated.counts)
    return replace(asked, rewrites=both, counts=counts)
