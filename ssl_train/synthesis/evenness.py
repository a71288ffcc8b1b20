"""The last round: texts that differ, as many harmful as unharmful ones, and categories of like size."""

from collections.abc import Sequence

import numpy as np

from .sample import Sample

Reasons = dict[int, str]
"""Why records go, by their position."""


def listed(reasons: Reasons, count: int) -> list[str]:
    """Give the reason against each of ``count`` records, empty where there is none."""
    return [reasons.get(row, "") for row in range(count)]


def too_alike(samples: Sequence[Sample], vectors: np.ndarray, floor: float) -> Reasons:
    """Let records go until every category and class has a diversity of at least ``floor``.

    Diversity is the mean distance, 1 - cosine, to the nearest neighbour in the cell; of the nearest pair the later
    record goes. A cell keeps two records at least. ``vectors`` are unit rows of shape (samples, width).
    """
    reasons: Reasons = {}
    for cell in sorted({sample.cell for sample in samples}):
        rows = [row for row, sample in enumerate(samples) if sample.cell == cell]
        nearest = _without_self(vectors[rows])
        while len(rows) > 2 and (found := float((1 - nearest.max(axis=1)).mean())) < floor:
            pair = np.unravel_index(int(nearest.argmax()), nearest.shape)
            gone = int(max(pair))
            reasons[rows[gone]] = f"too alike: diversity {found:.3f}, nearest cosine {nearest.max():.2f}"
            nearest = np.delete(np.delete(nearest, gone, axis=0), gone, axis=1)
            del rows[gone]
    return reasons


def one_sided(samples: Sequence[Sample], vectors: np.ndarray) -> Reasons:
    """Let the surplus of the larger class of each category go, so that both have as many records."""
    reasons: Reasons = {}
    for category in sorted({sample.category for sample in samples}):
        classes = {
            label: [row for row, sample in enumerate(samples) if sample.cell == (category, label)] for label in (0, 1)
        }
        share = min(map(len, classes.values()))
        for rows in classes.values():
            for row in _least_wanted(rows, samples, vectors)[: len(rows) - share]:
                reasons[row] = f"balance: {share} records of each class in {category!r}"
    return reasons


def too_many(samples: Sequence[Sample], vectors: np.ndarray, ratio: float) -> Reasons:
    """Let records of the largest categories go until none has more than ``ratio`` times those of the smallest.

    As many go of each class. Categories without any record do not count.
    """
    reasons: Reasons = {}
    cells: dict[tuple[str, int], list[int]] = {}
    for row, sample in enumerate(samples):
        cells.setdefault(sample.cell, []).append(row)
    most = int(ratio * min(map(len, cells.values()), default=0))
    for rows in cells.values():
        for row in _least_wanted(rows, samples, vectors)[: max(0, len(rows) - most)]:
            reasons[row] = f"balance: at most {most} records of a class in a category"
    return reasons


def _least_wanted(rows: Sequence[int], samples: Sequence[Sample], vectors: np.ndarray) -> list[int]:
    """Order records of one cell: those with the fewest agreeing judges first, then those nearest to another one."""
    if not rows:
        return []
    nearest = _without_self(vectors[list(rows)]).max(axis=1)
    order = sorted(range(len(rows)), key=lambda at: (samples[rows[at]].agreeing or 0, -float(nearest[at]), -at))
    return [rows[at] for at in order]


def _without_self(vectors: np.ndarray) -> np.ndarray:
    """Give the cosines between unit rows; one with itself counts as -1."""
    cosines: np.ndarray = vectors @ vectors.T
    np.fill_diagonal(cosines, -1.0)
    return cosines
