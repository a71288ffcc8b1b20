"""Curves, operating point and bins of few examples, worked out by hand."""

import numpy as np
import pytest
from railmatch.classifier.calibration import clopper_pearson
from railmatch.ssl_train.report.curves import OperatingPoint, operating_point, precision_recall, reliability, roc
from railmatch.ssl_train.report.facts import Scored

SCORED = Scored.of([1, 1, 0, 0], [0.9, 0.4, 0.7, 0.1])


def test_precision_and_recall_at_every_threshold():
    # 0.1: all four are called; 0.4: both harmful ones of three; 0.7: one of two; 0.9: one of one; above: none
    recall, precision = precision_recall(SCORED)
    np.testing.assert_allclose(recall, [1, 1, 0.5, 0.5, 0])
    np.testing.assert_allclose(precision, [1 / 2, 2 / 3, 1 / 2, 1, 1])


def test_roc_at_every_threshold():
    fpr, recall = roc(SCORED)
    np.testing.assert_allclose(fpr, [0, 0, 0.5, 0.5, 1])
    np.testing.assert_allclose(recall, [0, 0.5, 0.5, 1, 1])


@pytest.mark.parametrize(
    ("threshold", "point"),
    [
        (0.7, OperatingPoint(recall=0.5, fpr=0.5, precision=0.5)),
        (0.71, OperatingPoint(recall=0.5, fpr=0.0, precision=1.0)),
        (1.0, OperatingPoint(recall=0.0, fpr=0.0, precision=None)),
    ],
)
def test_operating_point(threshold: float, point: OperatingPoint):
    assert operating_point(SCORED, threshold) == point


def test_few_examples_have_two_bins():
    low, high = reliability(SCORED)
    assert (low.score, low.share) == (pytest.approx(0.25), 0.5)  # 0.1 and the harmful one of 0.4
    assert (high.score, high.share) == (pytest.approx(0.8), 0.5)
    assert high.interval == clopper_pearson(1, 2)


@pytest.mark.parametrize(("examples", "bins"), [(59, 2), (60, 3), (200, 10), (1000, 10)])
def test_every_bin_has_at_least_twenty_examples(examples: int, bins: int):
    scored = Scored.of([number % 2 for number in range(examples)], [number / examples for number in range(examples)])
    assert len(reliability(scored)) == bins
