"""AdamW with layer-wise learning rates, and the schedule of the learning rate."""

import math
import re

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from ..recipe import TrainingSettings


def make_optimiser(network: nn.Module, settings: TrainingSettings) -> tuple[AdamW, LambdaLR]:
    """Make AdamW and its schedule: each layer learns ``layer_decay`` times as fast as what lies above it.

    The head learns at ``head_learning_rate``; the top layer ``layer_decay`` times as fast as ``learning_rate``, as in
    the code of USB (arXiv:2208.07204), and so on down to the embeddings. Biases and normalisation weights are not
    decayed, and weights that need no gradient are left alone. The rate follows ``schedule``.
    """
    depth = 1 + max((depth_of(name) for name, _ in network.named_parameters()), default=0)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        rate = _learning_rate(name, depth, settings)
        decay = 0.0 if parameter.ndim < 2 else settings.weight_decay
        groups.setdefault((rate, decay), []).append(parameter)
    fused = all(parameter.device.type in {"cpu", "cuda"} for parameter in network.parameters())
    optimiser = AdamW(
        [{"params": list(group), "lr": rate, "weight_decay": decay} for (rate, decay), group in groups.items()],
        fused=fused,
    )
    return optimiser, LambdaLR(optimiser, lambda step: schedule(step, settings))


def schedule(step: int, settings: TrainingSettings) -> float:
    """Give the factor of the learning rate at a step, from 0: a linear warm-up, then cos(7 pi k / 16 K).

    The cosine is that of FixMatch (arXiv:2001.07685) over the K steps after the warm-up: it ends at 0.195.
    """
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    return math.cos(7 * math.pi * done / 16)


def depth_of(name: str) -> int:
    """Read a parameter's depth off its name: 0 for embeddings and the head, n + 1 for the encoder's layer n."""
    match = re.search(r"\blayers?\.(\d+)\.", name)
    return int(match.group(1)) + 1 if match else 0


def _learning_rate(name: str, depth: int, settings: TrainingSettings) -> float:
    if re.match(r"(pre_classifier|classifier|pooler|head|score)\b", name) or ".pooler." in name:
        return settings.head_learning_rate or settings.learning_rate
    if "embeddings." in name or depth_of(name) > 0:  # DeBERTa's rel_embeddings serve every layer, the lowest too
        return settings.learning_rate * settings.layer_decay ** (depth - depth_of(name))
    return settings.learning_rate
