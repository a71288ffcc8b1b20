"""Heads of two logits on the same features: their common probability, and folding them into one head."""

import copy

from torch import Tensor, nn

from .families import final_layer
from .tasks import LABELS


def harmful_probability(logits: Tensor) -> Tensor:
    """Give the harmful probability, shape (batch,), of logits (batch, heads x 2); the heads' logits are averaged."""
    heads = logits.reshape(*logits.shape[:-1], -1, len(LABELS))
    return heads.mean(dim=-2).softmax(dim=-1)[..., 1]


def folded(network: nn.Module) -> nn.Module:
    """Copy a network to float32 on the CPU with its heads averaged into one, which averages the logits exactly."""
    single = copy.deepcopy(network).float().cpu().eval()
    head = final_layer(single)
    head.weight = nn.Parameter(head.weight.detach().reshape(-1, len(LABELS), head.in_features).mean(dim=0))
    head.bias = nn.Parameter(head.bias.detach().reshape(-1, len(LABELS)).mean(dim=0))
    head.out_features = len(LABELS)
    return single
