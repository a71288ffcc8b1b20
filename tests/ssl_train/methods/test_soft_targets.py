"""Soft targets: by hand, and what they leave to the method."""

from math import log

import pytest
import torch
from railmatch.ssl_train.methods import FixMatch, MultiMatch, SoftTargets, VirtualClassMarginMatch
from railmatch.ssl_train.methods.marginmatch import VIRTUAL

LN3 = log(3)


def test_targets_are_probabilities_and_weights_the_methods():
    weak = torch.tensor([[[0.0, LN3]], [[0.0, -LN3]], [[0.0, 0.0]]])
    pseudo = SoftTargets(FixMatch(0.7)).pseudo_labels(weak, index=torch.arange(3), epoch=0)
    torch.testing.assert_close(pseudo.targets[:, 0], torch.tensor([[0.25, 0.75], [0.75, 0.25], [0.5, 0.5]]))
    assert pseudo.weights.flatten().tolist() == [1.0, 1.0, 0.0]


def test_several_heads_share_one_target():
    weak = torch.tensor([[[0.0, 3 * LN3], [0.0, 0.0], [0.0, 0.0]]])
    method = MultiMatch(1)
    pseudo = SoftTargets(method).pseudo_labels(weak, index=torch.tensor([0]), epoch=0)
    torch.testing.assert_close(pseudo.targets, torch.tensor([[[0.25, 0.75]] * 3]))


def test_the_virtual_class_stays_a_target():
    method = VirtualClassMarginMatch(400, 0.9)
    method.pseudo_labels(torch.zeros(1, 1, 3), index=torch.tensor([0]), epoch=0)
    (member, *_), (other, *_) = (
        method.member.nonzero().flatten().tolist(),
        (~method.member).nonzero().flatten().tolist(),
    )
    weak = torch.tensor([[[0.0, LN3, 9.0]]] * 2)
    pseudo = SoftTargets(method).pseudo_labels(weak, index=torch.tensor([member, other]), epoch=0)
    assert pseudo.targets[0, 0].argmax() == VIRTUAL
    assert pseudo.targets[1, 0].tolist() == pytest.approx([0.25, 0.75, 0.0])


def test_no_gradient_reaches_the_weak_view():
    weak = torch.tensor([[[0.0, 1.0]]], requires_grad=True)
    assert not SoftTargets(FixMatch(0.5)).pseudo_labels(weak, index=torch.tensor([0]), epoch=0).targets.requires_grad


def test_the_methods_state_survives_a_checkpoint():
    method, restored = SoftTargets(MultiMatch(4)), SoftTargets(MultiMatch(4))
    method.pseudo_labels(torch.randn(4, 3, 2), index=torch.arange(4), epoch=0)
    restored.load_state_dict(method.state_dict())
    assert torch.equal(restored.method.margins.average, method.method.margins.average)
    assert method.method.margins.visits.sum() == 4
