"""The figures of a cell, worked out by hand: test scores, the core rows, pseudo-labels over time."""

import numpy as np
import pytest
import torch
from label_efficiency.measuring import Outcome, figures
from label_efficiency.observing import PseudoLabelWatch
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.methods import PseudoLabels

RECORDS = [Record(name, Exchange(name), label) for name, label in zip("abcdef", (1, 1, 0, 0, 1, 0), strict=True)]
SCORES = np.array([0.9, 0.4, 0.6, 0.1, 0.8, 0.2])


def test_figures_at_half_and_at_the_calibrated_threshold():
    found = figures(RECORDS, Outcome(SCORES, seconds=1, threshold=0.3))
    # at 0.5: a, e right, c wrong, b missed. At 0.3: a, b, e right, c wrong.
    assert found["f1_at_half"] == pytest.approx(2 * 2 / (2 * 2 + 1 + 1))
    assert found["f1"] == pytest.approx(2 * 3 / (2 * 3 + 1))
    assert found["fpr"] == pytest.approx(1 / 3)
    # by score a, e, c, b: the harmful are found at precisions 1, 1 and 3/4
    assert found["auprc"] == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert found["recall_at_5"] == pytest.approx(2 / 3)


def test_without_a_threshold_there_are_no_figures_at_it():
    assert {"f1", "fpr"} & figures(RECORDS, Outcome(SCORES, seconds=1)).keys() == set()


def test_figures_of_some_examples_alone():
    found = figures(RECORDS, Outcome(SCORES, seconds=1), {"b", "c", "d"})
    assert found["f1_at_half"] == 0
    assert found["auprc"] == pytest.approx(1 / 2)


def pseudo(targets: list[list[float]], weights: list[list[float]]) -> PseudoLabels:
    """Harmful probabilities and weights, (texts, heads)."""
    harmful = torch.tensor(targets)
    return PseudoLabels(torch.stack([1 - harmful, harmful], dim=-1), torch.tensor(weights))


def test_the_watch_counts_what_is_kept_and_wrong_by_block_and_head():
    watch = PseudoLabelWatch({"a": 1, "b": 0, "c": 1}, steps=40)
    observe = watch.observe([Record(name, Exchange(name)) for name in "cab"])  # positions 0, 1, 2 are c, a, b
    observe(0, torch.tensor([0, 2]), pseudo([[0.9, 0.2], [0.8, 0.3]], [[1, 1], [3, 0]]))  # c right, wrong; b wrong, -
    observe(1, torch.tensor([1, 2]), pseudo([[0.9, 0.9], [0.3, 0.3]], [[1, 0], [0, 0]]))  # a right
    observe(2, torch.tensor([1]), pseudo([[0.1, 0.9]], [[0, 0]]))
    assert watch.as_dict() == {"time": [0.05, 0.1], "kept": [4 / 8, 0.0], "error": [2 / 4, None]}


def test_a_target_of_the_virtual_class_is_no_pseudo_label():
    watch = PseudoLabelWatch({"a": 1, "b": 0}, steps=20)
    observe = watch.observe([Record(name, Exchange(name)) for name in "ab"])
    targets = torch.tensor([[[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]]])
    observe(0, torch.tensor([0, 1]), PseudoLabels(targets, torch.ones(2, 1)))
    assert watch.as_dict() == {"time": [0.05], "kept": [0.5], "error": [0.0]}
