"""Hold labelled examples back, a part at a time, so that every one is once judged by a model that never saw it."""

from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from ..classifier.errors import SettingsError
from ..classifier.tasks import LABELS
from .data.records import Record, text_key


def held_back_folds(labelled: Sequence[Record], folds: int, seed: int) -> list[list[int]]:
    """Deal the positions of labelled records into ``folds`` seeded parts with both classes in equal shares.

    Records of the same text are held back together. With 0 folds nothing is held back, and there are no parts.

    Raises:
        SettingsError: a class has fewer examples than there are folds, so that some part would be without it.
    """
    if folds == 0:
        return []
    truth = np.array([record.label for record in labelled])
    counts = [int((truth == label).sum()) for label in range(len(LABELS))]
    if min(counts) < folds:
        held = " and ".join(f"{count} {name}" for count, name in zip(counts, LABELS, strict=True))
        fewer = f"to at most {min(counts)}" if min(counts) > 1 else "to 0 (no calibration)"
        raise SettingsError(
            f"calibration.folds is {folds}, but each fold needs an example of either class and there are {held}: "
            f"set it {fewer}, or add labels"
        )
    texts: dict[tuple[str, str | None], int] = {}
    groups = [texts.setdefault(text_key(record.exchange), len(texts)) for record in labelled]
    if len(texts) < len(labelled):
        together = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        return [held_back.tolist() for _, held_back in together.split(truth, truth, groups)]
    dealer = StratifiedKFold(folds, shuffle=True, random_state=seed)  # parts whose sizes are closer to equal
    return [held_back.tolist() for _, held_back in dealer.split(truth, truth)]
