"""FixMatch: which predictions become targets."""

from math import log

import pytest
import torch
from railmatch.ssl_train.methods import FixMatch, consistency_loss


def pseudo_labels(method: FixMatch, probabilities: list[float]):
    """Pseudo-labels of texts with these harmful probabilities."""
    weak = torch.tensor([[[log(1 - p), log(p)]] for p in probabilities])
    return method.pseudo_labels(weak, index=torch.arange(len(probabilities)), epoch=0)


def test_confident_predictions_of_either_class_are_kept():
    pseudo = pseudo_labels(FixMatch(0.9), [0.97, 0.85, 0.5, 0.2, 0.05])
    assert pseudo.weights.tolist() == [[1.0], [0.0], [0.0], [0.0], [1.0]]
    assert pseudo.targets[0].tolist() == [[0.0, 1.0]]
    assert pseudo.targets[4].tolist() == [[1.0, 0.0]]


def test_targets_are_hard_and_of_the_likelier_class():
    pseudo = pseudo_labels(FixMatch(0.9), [0.6, 0.4])
    assert pseudo.targets.tolist() == [[[0.0, 1.0]], [[1.0, 0.0]]]


def test_a_confidence_equal_to_the_threshold_is_enough():
    weak = torch.zeros(1, 1, 2)  # one half, exactly
    assert FixMatch(0.5).pseudo_labels(weak, index=torch.tensor([0]), epoch=0).weights.tolist() == [[1.0]]


def test_threshold_zero_keeps_all_and_one_keeps_none_that_is_not_certain():
    assert pseudo_labels(FixMatch(0.0), [0.5, 0.6]).weights.sum() == 2
    assert pseudo_labels(FixMatch(1.0), [0.5, 0.999]).weights.sum() == 0


def test_the_loss_by_hand():
    pseudo = pseudo_labels(FixMatch(0.9), [0.95, 0.02, 0.6, 0.92])
    strong = torch.tensor([[[log(1 - p), log(p)]] for p in (0.8, 0.3, 0.1, 0.5)])
    # targets 1, 0, none, 1: the mean over all four of -log 0.8, -log 0.7, 0 and -log 0.5
    assert (consistency_loss(strong, pseudo) / 4).item() == pytest.approx(-(log(0.8) + log(0.7) + log(0.5)) / 4)


def test_no_gradient_reaches_the_weak_view():
    weak = torch.tensor([[[0.0, 4.0]]], requires_grad=True)
    strong = torch.tensor([[[0.0, 0.0]]], requires_grad=True)
    pseudo = FixMatch(0.9).pseudo_labels(weak, index=torch.tensor([0]), epoch=0)
    consistency_loss(strong, pseudo).backward()
    assert weak.grad is None
    assert not pseudo.targets.requires_grad
    assert strong.grad is not None
    assert strong.grad.tolist() == [[[0.5, -0.5]]]


def test_it_has_no_state():
    assert FixMatch(0.9).state_dict() == {}
