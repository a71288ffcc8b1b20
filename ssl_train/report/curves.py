"""The numbers behind the plots: curves over all thresholds, the operating point, bins of the reliability diagram."""

from dataclasses import dataclass

import numpy as np

from ...classifier.calibration import clopper_pearson
from ...classifier.metrics import Floats
from .facts import Scored

BINS = 10
"""Most bins of the reliability diagram."""

EXAMPLES_A_BIN = 20
"""Fewer examples a bin than this would say little, so few examples get fewer bins (but two at least)."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """What a threshold does, in [0, 1]; ``precision`` is None where nothing is called harmful."""

    recall: float
    fpr: float
    precision: float | None


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Examples of like score: their mean score, the share that is harmful, and its 95% Clopper-Pearson interval."""

    score: float
    share: float
    interval: tuple[float, float]


def precision_recall(scored: Scored) -> tuple[Floats, Floats]:
    """Give recall and precision at every threshold, both of shape (thresholds,)."""
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(*scored.arrays())
    return recall, precision


def roc(scored: Scored) -> tuple[Floats, Floats]:
    """Give false-positive rate and recall at every threshold, both of shape (thresholds,)."""
    from sklearn.metrics import roc_curve

    fpr, recall, _ = roc_curve(*scored.arrays())
    return fpr, recall


def operating_point(scored: Scored, threshold: float) -> OperatingPoint:
    """Say what a threshold does to scored examples; a score at the threshold counts as harmful."""
    labels, scores = scored.arrays()
    called = scores >= threshold
    precision = float(labels[called].mean()) if called.any() else None
    return OperatingPoint(float(called[labels == 1].mean()), float(called[labels == 0].mean()), precision)


def reliability(scored: Scored) -> list[ReliabilityBin]:
    """Sort examples by score into bins of equally many, as wide bins of equal width would be empty at few labels."""
    labels, scores = scored.arrays()
    bins = max(2, min(BINS, len(labels) // EXAMPLES_A_BIN))
    return [
        ReliabilityBin(
            float(scores[part].mean()), float(labels[part].mean()), clopper_pearson(int(labels[part].sum()), len(part))
        )
        for part in np.array_split(np.argsort(scores, kind="stable"), bins)
    ]
