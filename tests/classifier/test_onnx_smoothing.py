"""Smoothing changes no result and evens out the activations."""

import pytest
import torch
from railmatch.classifier.onnx_smoothing import SmoothedLinear, smooth
from torch import nn


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3, bias=False))


def test_the_results_stay() -> None:
    smoothed, states = network(), torch.randn(2, 5, 4) * torch.tensor([1.0, 50.0, 0.01, 1.0])
    before = smoothed(states)
    smooth(smoothed, lambda: smoothed(states))
    assert torch.allclose(smoothed(states), before, rtol=1e-5, atol=1e-5)
    assert [type(smoothed[place]) for place in (0, 2)] == [SmoothedLinear] * 2
    assert smoothed[2].bias is None


def test_factors_are_those_of_the_paper() -> None:
    # Largest inputs 16 and 1, largest weights 1 and 4: factors 16^0.85 / 1^0.15 and 1^0.85 / 4^0.15.
    linear = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[1.0, -4.0], [0.5, 1.0]]))
    holder = nn.Sequential(linear)
    smooth(holder, lambda: [holder(torch.tensor([[[-16.0, 0.5]]])), holder(torch.tensor([[[2.0, 1.0]]]))])
    assert (1 / holder[0].inverse).tolist() == pytest.approx([10.556063, 0.812252], abs=1e-5)
    assert holder[0].weight[0].tolist() == pytest.approx([10.556063, -3.249009], abs=1e-5)


def test_layers_on_pooled_features_and_silent_channels_are_left_in_order() -> None:
    holder = nn.ModuleDict({"tokens": nn.Linear(3, 3), "head": nn.Linear(3, 2)})
    states = torch.ones(1, 2, 3) * torch.tensor([1.0, 0.0, 1.0])

    def judge() -> torch.Tensor:
        return holder["head"](holder["tokens"](states).mean(dim=1))

    before = judge()
    smooth(holder, judge)
    assert type(holder["tokens"]) is SmoothedLinear
    assert type(holder["head"]) is nn.Linear
    assert torch.allclose(judge(), before, atol=1e-6)
    assert torch.isfinite(holder["tokens"].weight).all()


def test_no_hook_stays_behind() -> None:
    holder = network()
    smooth(holder, lambda: holder(torch.ones(1, 1, 4)))
    assert not any(module._forward_hooks for module in holder.modules())
