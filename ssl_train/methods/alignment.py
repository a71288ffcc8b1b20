"""Distribution alignment: pseudo-labels whose classes have the shares that are known beforehand."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...classifier.tasks import LABELS
from .base import Method, PseudoLabels

_SMALLEST = 1e-6
"""Least share of a class, so that one that nobody predicts or that has no labels gives finite logits."""


class Aligned(nn.Module):
    """A method that judges aligned predictions (ReMixMatch, Berthelot et al. 2020, arXiv:1911.09785).

    The prediction q on a weak view becomes q x p / a, normalised to sum up to 1, where p are the classes' shares among
    the labelled examples and a the mean of the predictions over the last ``steps`` steps. So the pool's pseudo-labels
    cannot drift to one class: the rarer its predictions become, the more they count. Any method then does with the
    aligned predictions what it does with its own; here log p / a is added to the logits, which is the same.

    What differs from the paper:
        1. p may be given, since the labelled draw is class-balanced and the pool need not be.
        2. The mean includes the step that is aligned, so that there is one from the first step on.
        3. Nothing is sharpened; targets are what the method makes of q.
        4. Heads are aligned apart. Of a class that only training knows the logit stays as it is beside the mean of the
           two others' logits.

    Shape:
        shares: p, (2,), sums up to 1. recent: each step's mean of q, (steps, heads, 2). done: int64 scalar, steps so
        far. Other state in ``method``.
    """

    shares: Tensor
    recent: Tensor
    done: Tensor

    def __init__(self, method: Method, harmful: float, *, steps: int = 128) -> None:
        """Take the method, the share of harmful texts in [0, 1], and over how many steps predictions are averaged."""
        super().__init__()
        self.method = method
        self.heads = method.heads
        self.classes = method.classes
        self.beginning = method.beginning
        self.register_buffer("shares", torch.tensor([1 - harmful, harmful]).clamp(min=_SMALLEST))
        self.register_buffer("recent", torch.zeros(steps, method.heads, len(LABELS)))
        self.register_buffer("done", torch.tensor(0))

    @torch.no_grad()
    def pseudo_labels(self, weak: Tensor, *, index: Tensor, epoch: int) -> PseudoLabels:
        """Align the logits and let the method label them; shapes as in ``Method.pseudo_labels``."""
        self.to(weak.device)
        self.recent[self.done % len(self.recent)] = weak[..., : len(LABELS)].softmax(dim=-1).mean(dim=0)
        self.done += 1
        average = self.recent[: int(self.done)].mean(dim=0).clamp(min=_SMALLEST)
        shift = self.shares.log() - average.log()
        shift = F.pad(shift - shift.mean(dim=-1, keepdim=True), (0, self.classes - len(LABELS)))
        return self.method.pseudo_labels(weak + shift, index=index, epoch=epoch)
