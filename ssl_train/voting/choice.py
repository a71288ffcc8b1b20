"""Which texts of the pool may have a vote: all, a seeded draw, or those of which a classifier is least certain."""

import random
from collections.abc import Container, Mapping, Sequence

from ..data.records import Record
from ..recipe import Recipe


def vote_candidates(recipe: Recipe, pool: Sequence[Record], recorded: Container[str]) -> list[Record]:
    """List the pool texts that could have a vote: all where the endpoint is asked, else those with a recorded one."""
    return [record for record in pool if recipe.augment.vote or record.id in recorded]


def chosen_without_training(recipe: Recipe, pool: Sequence[Record], recorded: Container[str]) -> list[Record] | None:
    """Choose the pool texts that may have a vote; None where a classifier must be trained first to choose them.

    The draw depends on the texts' ids and the seed alone, and a larger one holds the smaller ones.
    """
    candidates = vote_candidates(recipe, pool, recorded)
    most = recipe.augment.max_votes
    if most is None or most >= len(candidates):
        return candidates
    if recipe.augment.vote_choice == "uncertain":
        return None
    ordered = sorted(candidates, key=lambda record: record.id)
    random.Random(f"votes {recipe.seed}").shuffle(ordered)
    return ordered[:most]


def least_certain(candidates: Sequence[Record], scores: Mapping[str, float], count: int) -> list[Record]:
    """Choose the ``count`` records whose harmful probability in ``scores``, by id, is nearest to 0.5."""
    return sorted(candidates, key=lambda record: (abs(scores[record.id] - 0.5), record.id))[:count]
