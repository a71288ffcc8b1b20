"""How well scores tell harmful from unharmful: F1, ranking figures, recall at a false-positive rate; with intervals.

A text is called harmful when its score reaches the threshold (``score >= threshold``); F1, precision and recall are
those of the harmful class. Point estimates come from scikit-learn; the bootstrap computes the same figures for all
resamples at once.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import DataError, SettingsError
from .tasks import LABELS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FALSE_POSITIVE_RATES = ("0.01", "0.05")
"""At which rates recall is reported; text, because they are keys of the JSON report."""

CONFIDENCE = 0.95

CELLS = 2_000_000
"""Resamples times distinct scores held at once: about 100 MB in all the bootstrap's arrays."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures of one classifier on one labelled set, each in [0, 1]; as_dict's keys are a contract with other tools.

    ``f1``, ``precision``, ``recall`` and ``fpr`` (the share of unharmful texts called harmful) hold at ``threshold``,
    ``f1_at_half`` at 0.5. ``recall_at_fpr`` is the largest recall that any threshold reaches with a false-positive rate
    of at most the key. ``harmful`` and ``unharmful`` count the examples. ``intervals`` are 95% bootstrap intervals by
    name; those of ``recall_at_fpr`` are called ``recall_at_fpr_0.01`` and so on.
    """

    f1: float
    f1_at_half: float
    precision: float
    recall: float
    fpr: float
    auprc: float
    auroc: float
    recall_at_fpr: Mapping[str, float]
    threshold: float
    harmful: int
    unharmful: int
    intervals: Mapping[str, tuple[float, float]]

    def as_dict(self) -> dict[str, Any]:
        """Give the figures as plain values, ready for JSON."""
        return {**asdict(self), "intervals": {name: list(interval) for name, interval in self.intervals.items()}}


def checked(labels: ArrayLike, scores: ArrayLike) -> tuple[Ints, Floats]:
    """Give labels and scores as arrays of shape (n,), labels 0 or 1 and scores finite, both classes among them.

    Raises:
        DataError: they are not.
    """
    truth, values = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != values.shape:
        raise DataError(
            f"labels and scores must be two lists of one length, not of shapes {truth.shape}, {values.shape}"
        )
    if not np.isin(truth, (0, 1)).all():
        raise DataError("labels must be 1 (harmful) or 0 (unharmful)")
    if not np.isfinite(values).all():
        raise DataError(f"score {int(np.flatnonzero(~np.isfinite(values))[0])} is not a finite number")
    for label, name in enumerate(LABELS):
        if not (truth == label).any():
            raise DataError(f"none of the {truth.size} examples is {name}: both classes are needed")
    return truth.astype(np.int64), values


def allowed_false_positives(unharmful: int, target_fpr: float | str) -> int:
    """Count the false positives that ``unharmful`` examples may have at a rate, exactly: 29 in 100 at 0.29."""
    return floor(Fraction(str(target_fpr)) * unharmful)


def evaluate_scores(
    labels: ArrayLike, scores: ArrayLike, *, threshold: float, bootstrap: int = 1000, seed: int = 0
) -> Evaluation:
    """Evaluate scores (n,) against labels (n,), 1 being harmful.

    The ``bootstrap`` resamples are stratified: each draws as many harmful and as many unharmful examples as there are,
    so that the intervals speak of this mix of classes and every figure exists in every resample. With 0 there are none.

    Raises:
        DataError: shapes differ, a label is neither 0 nor 1, a score is not finite, or a class is missing.
        SettingsError: ``bootstrap`` is negative.
    """
    if bootstrap < 0:
        raise SettingsError(f"bootstrap must be 0 or more resamples, not {bootstrap}")
    truth, values = checked(labels, scores)
    curve = _Curve.of(truth, values)
    figures = {**_at_threshold(truth, values, threshold), **_over_thresholds(truth, values)}
    drawn = curve.resampled(bootstrap, seed, threshold)
    tail = 50 * (1 - CONFIDENCE)
    intervals = {
        name: (float(np.percentile(column, tail)), float(np.percentile(column, 100 - tail)))
        for name, column in drawn.items()
    }
    return Evaluation(
        **figures,
        recall_at_fpr={rate: _recall_at_fpr(truth, values, rate) for rate in FALSE_POSITIVE_RATES},
        threshold=float(threshold),
        harmful=int(truth.sum()),
        unharmful=int((1 - truth).sum()),
        intervals=intervals,
    )


def _at_threshold(labels: Ints, scores: Floats, threshold: float) -> dict[str, float]:
    from sklearn.metrics import f1_score, precision_recall_fscore_support

    called = scores >= threshold
    precision, recall, f1, _ = precision_recall_fscore_support(labels, called, average="binary", zero_division=0)
    return {
        "f1": float(f1),
        "f1_at_half": float(f1_score(labels, scores >= 0.5, zero_division=0)),
        "precision": float(precision),
        "recall": float(recall),
        "fpr": float(called[labels == 0].mean()),
    }


def _over_thresholds(labels: Ints, scores: Floats) -> dict[str, float]:
    from sklearn.metrics import average_precision_score, roc_auc_score

    return {
        "auprc": float(average_precision_score(labels, scores)),
        "auroc": float(roc_auc_score(labels, scores)),
    }


def _recall_at_fpr(labels: Ints, scores: Floats, rate: str) -> float:
    from sklearn.metrics import roc_curve

    unharmful = int((labels == 0).sum())
    # points on a straight line must stay: the best threshold within the rate may be one of them
    fpr, recall, _ = roc_curve(labels, scores, drop_intermediate=False)
    false_positives = np.rint(fpr * unharmful)
    return float(recall[false_positives <= allowed_false_positives(unharmful, rate)].max())


@dataclass(frozen=True, slots=True)
class _Curve:
    """A labelled set as the distinct scores, highest first, and for every example of a class the index of its score."""

    values: Floats  # (u,)
    places: tuple[Ints, Ints]  # of the unharmful, of the harmful examples

    @classmethod
    def of(cls, labels: Ints, scores: Floats) -> "_Curve":
        ascending, inverse = np.unique(scores, return_inverse=True)
        places = (len(ascending) - 1 - inverse).astype(np.int64)
        return cls(ascending[::-1], (places[labels == 0], places[labels == 1]))

    def resampled(self, count: int, seed: int, threshold: float) -> dict[str, Floats]:
        """Give every figure of ``count`` stratified resamples, each of shape (count,)."""
        generator = np.random.default_rng(seed)
        chunks = []
        for rows in self._chunks(count):
            false, true = (np.cumsum(self._draw(places, rows, generator), axis=1) for places in self.places)
            chunks.append(self._figures(false, true, threshold))
        return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in (chunks[0] if chunks else ())}

    def _chunks(self, count: int) -> Iterator[int]:
        size = max(1, CELLS // max(len(self.values), *(len(places) for places in self.places)))
        for start in range(0, count, size):
            yield min(size, count - start)

    def _draw(self, places: Ints, rows: int, generator: np.random.Generator) -> Ints:
        """Draw ``rows`` resamples of the examples at ``places``; count them by distinct score, shape (rows, u)."""
        width = len(self.values)
        drawn = places[generator.integers(len(places), size=(rows, len(places)))]
        drawn += np.arange(rows)[:, None] * width
        return np.bincount(drawn.ravel(), minlength=rows * width).reshape(rows, width)

    def _figures(self, false: Ints, true: Ints, threshold: float) -> dict[str, Floats]:
        """Compute every figure from the false and true positives at each distinct score, both (rows, u)."""
        unharmful, harmful = len(self.places[0]), len(self.places[1])
        recall = true / harmful
        step = np.diff(recall, axis=1, prepend=0.0)
        precision = true / np.maximum(true + false, 1)
        called_true, called_false = (self._at(counts, threshold) for counts in (true, false))
        figures = {
            "f1": 2 * called_true / (called_true + called_false + harmful),
            "f1_at_half": 2 * self._at(true, 0.5) / (self._at(true, 0.5) + self._at(false, 0.5) + harmful),
            "precision": called_true / np.maximum(called_true + called_false, 1),
            "recall": called_true / harmful,
            "fpr": called_false / unharmful,
            "auprc": (step * precision).sum(axis=1),
            "auroc": 1 - (step * (false - np.diff(false, axis=1, prepend=0) / 2)).sum(axis=1) / unharmful,
        }
        for rate in FALSE_POSITIVE_RATES:
            within = false <= allowed_false_positives(unharmful, rate)
            figures[f"recall_at_fpr_{rate}"] = np.where(within, recall, 0.0).max(axis=1)
        return figures

    def _at(self, counts: Ints, threshold: float) -> Ints:
        """Pick the positives (rows,) at any threshold out of those at the distinct scores (rows, u)."""
        reached = int((self.values >= threshold).sum())
        return counts[:, reached - 1] if reached else np.zeros(len(counts), dtype=np.int64)
