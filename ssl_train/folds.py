"""Hold labelled examples back, a part at a time, so that every one is once judged by a model that never saw it."""

from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import StratifiedKFold

from .data import Record


def held_back_folds(labelled: Sequence[Record], folds: int, seed: int) -> list[list[int]]:
    """Deal the positions of labelled records into ``folds`` seeded parts with both classes in equal shares.

    Raises:
        ValueError: a class has fewer examples than there are folds.
    """
    truth = np.array([record.label for record in labelled])
    dealer = StratifiedKFold(folds, shuffle=True, random_state=seed)
    return [held_back.tolist() for _, held_back in dealer.split(truth, truth)]
