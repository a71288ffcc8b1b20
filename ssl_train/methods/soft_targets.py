"""Soft targets: the strong view is held to what the network says of the text, doubts included."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...classifier.tasks import LABELS
from .base import Method, PseudoLabels


class SoftTargets(nn.Module):
    """A method whose targets are probabilities, not labels (as in UDA, Xie et al. 2020, arXiv:1904.12848).

    The method says which texts count and how much; the target is q, the softmax of the weak view's logits, averaged
    over the heads. A pseudo-label that is barely right then teaches less than one that is surely so.

    What differs from the paper:
        1. Nothing is sharpened, and labelled texts count from the first step on, however sure the network is of them.
        2. What the method has given a class that only training knows keeps that target.
    """

    def __init__(self, method: Method) -> None:
        """Take the method that says which texts count."""
        super().__init__()
        self.method = method
        self.heads = method.heads
        self.classes = method.classes
        self.first_epoch = method.first_epoch

    @torch.no_grad()
    def pseudo_labels(self, weak: Tensor, *, index: Tensor, epoch: int) -> PseudoLabels:
        """Put probabilities in place of the method's labels; shapes as in ``Method.pseudo_labels``."""
        pseudo = self.method.pseudo_labels(weak, index=index, epoch=epoch)
        soft = weak[..., : len(LABELS)].mean(dim=1, keepdim=True).softmax(dim=-1)
        soft = F.pad(soft, (0, self.classes - len(LABELS))).expand_as(pseudo.targets)
        of_labels = pseudo.targets[..., len(LABELS) :].sum(dim=-1, keepdim=True) == 0
        return PseudoLabels(torch.where(of_labels, soft, pseudo.targets), pseudo.weights)
