"""The texts that a recipe trains on, and what is recorded about them."""

from dataclasses import dataclass
from pathlib import Path

from ..augment.rewrites import Recorded
from ..recipe import Recipe
from .records import Record, draw_balanced, find_path, load_records, load_rewrites, load_votes, without


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
