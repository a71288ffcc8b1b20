"""A recipe's rewrites without its training: what asking for them would take, and asking for them."""

from dataclasses import dataclass
from pathlib import Path

from ..classifier.errors import SettingsError
from .augment.rewrites import Recorded, RewriteSet, collect_rewrites, estimate
from .augment.spending import Estimate
from .data import Record, draw_balanced, find_path, load_records, load_rewrites, load_votes, without
from .progress import Progress, silent
from .recipe import Recipe


@dataclass(frozen=True, slots=True)
class TrainingTexts:
    """What a recipe trains on: its draw of labelled examples, the pool without them, rewrites and votes by id."""

    labelled: list[Record]
    pool: list[Record]
    recorded: Recorded
    votes: dict[str, int]


def load_texts(recipe: Recipe, base: Path | None = None) -> TrainingTexts:
    """Read the labelled examples, the pool and the recorded rewrites of a recipe; the test data is not touched.

    Raises:
        DataError: a file is missing, unreadable, or does not hold what the task needs.
    """
    data = recipe.data
    labelled = load_records(data.labelled, recipe.task, labelled=True, base=base)
    if data.labels is not None:
        labelled = draw_balanced(labelled, data.labels, recipe.seed)
    pool = load_records(data.unlabelled, recipe.task, labelled=False, base=base) if data.unlabelled else []
    recorded = load_rewrites(find_path(data.rewrites, recipe.task, base)) if data.rewrites else {}
    votes = load_votes(find_path(data.votes, recipe.task, base)) if data.votes else {}
    return TrainingTexts(labelled, without(pool, labelled) if pool else [], recorded, votes)


def estimate_rewrites(recipe: Recipe, *, base: Path | None = None) -> Estimate:
    """Reckon what asking for the rewrites that are neither recorded nor cached would take; nothing is asked.

    Raises:
        SettingsError: the recipe has no pool, or a strategy has no template.
        DataError: the data or the cache cannot be used.
    """
    texts = _texts_with_a_pool(recipe, base)
    return estimate(texts.pool, recipe.task, recipe.augment, texts.recorded, base=base)


def make_rewrites(recipe: Recipe, *, base: Path | None = None, progress: Progress = silent) -> RewriteSet:
    """Give every text of the pool its rewrites, asking the endpoint for those that are neither recorded nor cached.

    Raises:
        SettingsError: the recipe has no pool, or a strategy has no template.
        DataError: the data or the cache cannot be used.
        EndpointError: the endpoint cannot be used or has stopped answering.
    """
    texts = _texts_with_a_pool(recipe, base)
    return collect_rewrites(
        texts.pool, recipe.task, recipe.augment, recorded=texts.recorded, base=base, progress=progress
    )


def _texts_with_a_pool(recipe: Recipe, base: Path | None) -> TrainingTexts:
    if recipe.data.unlabelled is None:
        raise SettingsError("data.unlabelled is missing: rewrites are made of the texts of the pool, so name one")
    return load_texts(recipe, base)
