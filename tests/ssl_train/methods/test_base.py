"""The two losses, worked out by hand."""

from math import log

import pytest
import torch
from railmatch.ssl_train.methods import PseudoLabels, consistency_loss, supervised_loss

THREE_TO_ONE = [0.0, log(3)]
"""Logits of the probabilities 1/4 and 3/4."""
EVEN = [0.0, 0.0]


def test_supervised_loss_sums_over_examples():
    logits = torch.tensor([[THREE_TO_ONE], [THREE_TO_ONE], [EVEN]])
    loss = supervised_loss(logits, torch.tensor([1, 0, 1]))
    assert loss.item() == pytest.approx(-log(3 / 4) - log(1 / 4) - log(1 / 2))


def test_supervised_loss_sums_over_heads():
    logits = torch.tensor([[THREE_TO_ONE, EVEN]])  # one example, two heads
    assert supervised_loss(logits, torch.tensor([0])).item() == pytest.approx(-log(1 / 4) - log(1 / 2))


def test_supervised_loss_of_no_examples_is_nothing():
    logits = torch.zeros(0, 1, 2, requires_grad=True)
    loss = supervised_loss(logits, torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0


def test_consistency_loss_weighs_texts_and_averages_heads():
    strong = torch.tensor([[THREE_TO_ONE, EVEN], [EVEN, THREE_TO_ONE]])
    targets = torch.tensor([[[0.0, 1.0], [1.0, 0.0]], [[0.5, 0.5], [0.0, 1.0]]])
    weights = torch.tensor([[1.0, 3.0], [2.0, 0.0]])
    first = (-log(3 / 4) + 3 * log(2)) / 2
    second = (2 * log(2) + 0) / 2  # a soft target of halves: log 2, too
    assert consistency_loss(strong, PseudoLabels(targets, weights)).item() == pytest.approx(first + second)


def test_soft_targets_are_mixed():
    strong = torch.tensor([[THREE_TO_ONE]])
    pseudo = PseudoLabels(torch.tensor([[[0.2, 0.8]]]), torch.ones(1, 1))
    assert consistency_loss(strong, pseudo).item() == pytest.approx(-0.2 * log(1 / 4) - 0.8 * log(3 / 4))


def test_a_mask_of_zeros_gives_zero_and_no_gradient():
    strong = torch.randn(4, 1, 2, requires_grad=True)
    loss = consistency_loss(strong, PseudoLabels(torch.rand(4, 1, 2), torch.zeros(4, 1)))
    loss.backward()
    assert loss.item() == 0
    assert strong.grad is not None
    assert strong.grad.count_nonzero() == 0


def test_masked_texts_get_no_gradient_and_the_others_do():
    strong = torch.zeros(2, 1, 2, requires_grad=True)
    pseudo = PseudoLabels(torch.tensor([[[0.0, 1.0]]] * 2), torch.tensor([[1.0], [0.0]]))
    consistency_loss(strong, pseudo).backward()
    assert strong.grad is not None
    assert strong.grad.tolist() == [[[0.5, -0.5]], [[0.0, 0.0]]]  # softmax minus target


def test_pseudo_labels_refuse_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match=r"targets \(3, 1, 2\) and weights \(3,\) do not fit"):
        PseudoLabels(torch.zeros(3, 1, 2), torch.zeros(3))
