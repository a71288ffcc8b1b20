"""Heads on the same features: their common probability, and making one ordinary head of two logits out of them."""

import copy

import torch
from torch import Tensor, nn

from .families import config_of, final_layer
from .tasks import LABELS


def harmful_probability(logits: Tensor) -> Tensor:
    """Give the harmful probability, shape (batch,), of logits (batch, heads x 2); the heads' logits are averaged."""
    heads = logits.reshape(*logits.shape[:-1], -1, len(LABELS))
    return heads.mean(dim=-2).softmax(dim=-1)[..., 1]


def keep_labels(network: nn.Module, heads: int) -> None:
    """Drop, in place, what each of ``heads`` heads says of other classes than ``LABELS``, which are the first two.

    The two logits stay as they are; their softmax is the probability given that a text is of one of the two.
    """
    head = final_layer(network)
    weight = head.weight.detach().reshape(heads, -1, head.in_features)[:, : len(LABELS)]
    bias = head.bias.detach().reshape(heads, -1)[:, : len(LABELS)]
    _replace(head, weight.flatten(0, 1), bias.flatten())


def renew(network: nn.Module, outputs: int) -> None:
    """Put an untrained head with so many outputs on a network, in place."""
    head = final_layer(network)
    weight = torch.empty(outputs, head.in_features)
    nn.init.normal_(weight, std=config_of(network).initializer_range)
    _replace(head, weight, torch.zeros(outputs))


def folded(network: nn.Module) -> nn.Module:
    """Copy a network to float32 on the CPU with its heads averaged into one, which averages the logits exactly."""
    single = copy.deepcopy(network).float().cpu().eval()
    head = final_layer(single)
    weight = head.weight.detach().reshape(-1, len(LABELS), head.in_features).mean(dim=0)
    _replace(head, weight, head.bias.detach().reshape(-1, len(LABELS)).mean(dim=0))
    return single


def _replace(head: nn.Linear, weight: Tensor, bias: Tensor) -> None:
    """Give a linear layer other weights, and with them another number of outputs."""
    head.weight, head.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
    head.out_features = len(bias)
