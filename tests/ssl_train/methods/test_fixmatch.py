"""FixMatch and the two losses, against numbers worked out by hand."""

import math

import pytest
import torch
from railmatch.ssl_train.methods import FixMatch, PseudoLabels, consistency_loss, supervised_loss

INDEX = torch.tensor([0, 1])


def logits(*harmful_probabilities):
    """Logits of shape (texts, 1, 2) whose softmax gives the probabilities."""
    return torch.tensor([[[math.log(1 - p), math.log(p)]] for p in harmful_probabilities])


def test_confident_predictions_become_hard_targets():
    pseudo = FixMatch(0.9).pseudo_labels(logits(0.95, 0.05), index=INDEX, epoch=0)
    assert pseudo.targets.tolist() == [[[0.0, 1.0]], [[1.0, 0.0]]]
    assert pseudo.weights.tolist() == [[1.0], [1.0]]


def test_unsure_predictions_count_nothing():
    pseudo = FixMatch(0.9).pseudo_labels(logits(0.89, 0.5), index=INDEX, epoch=0)
    assert pseudo.weights.tolist() == [[0.0], [0.0]]
    assert consistency_loss(logits(0.3, 0.3), pseudo).item() == 0.0


def test_no_gradient_reaches_the_weak_view():
    weak = logits(0.99, 0.99).requires_grad_()
    strong = logits(0.5, 0.5).requires_grad_()
    consistency_loss(strong, FixMatch(0.9).pseudo_labels(weak, index=INDEX, epoch=0)).backward()
    assert weak.grad is None
    assert strong.grad.abs().sum() > 0


def test_consistency_loss_sums_over_texts_and_averages_over_heads():
    # head 1 says p = 0.8 against a harmful target of weight 1, head 2 says p = 0.5 against it with weight 3
    strong = torch.tensor([[[math.log(0.2), math.log(0.8)], [0.0, 0.0]]])
    pseudo = PseudoLabels(torch.tensor([[[0.0, 1.0], [0.0, 1.0]]]), torch.tensor([[1.0, 3.0]]))
    expected = (-math.log(0.8) - 3 * math.log(0.5)) / 2
    assert consistency_loss(strong, pseudo).item() == pytest.approx(expected, rel=1e-6)


def test_soft_targets_weigh_both_classes():
    pseudo = PseudoLabels(torch.tensor([[[0.25, 0.75]]]), torch.tensor([[1.0]]))
    expected = -0.25 * math.log(0.4) - 0.75 * math.log(0.6)
    assert consistency_loss(logits(0.6), pseudo).item() == pytest.approx(expected, rel=1e-6)


def test_supervised_loss_sums_over_examples_and_heads():
    both = torch.cat([logits(0.8, 0.1), logits(0.6, 0.3)], dim=1)
    expected = -math.log(0.8) - math.log(0.6) - math.log(0.9) - math.log(0.7)
    assert supervised_loss(both, torch.tensor([1, 0])).item() == pytest.approx(expected, rel=1e-6)


def test_targets_and_weights_must_fit():
    with pytest.raises(ValueError, match="do not fit"):
        PseudoLabels(torch.zeros(2, 1, 2), torch.zeros(2, 3))
