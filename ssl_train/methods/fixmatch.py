"""FixMatch: the confident prediction on a text is the target for its rewrite."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...classifier.tasks import LABELS
from .base import PseudoLabels


class FixMatch(nn.Module):
    """Hard pseudo-labels above a confidence threshold (FixMatch, Sohn et al. 2020, arXiv:2001.07685).

    mask = [max q >= threshold], target = argmax q, where q is the softmax of the weak view's logits; the loss is the
    mean over the whole batch of mask x cross-entropy(strong view, target).

    What differs from the paper:
        1. The weak view is the text itself and the strong view an LLM's rewrite of it, made once beforehand
           (as in arXiv:2512.21107), not random image distortions.
        2. The weak view is judged without dropout, and rewrites whose mask is zero are not run through the network,
           which changes no gradient.
    """

    heads = 1
    classes = len(LABELS)
    beginning = None

    def __init__(self, threshold: float) -> None:
        """Take the smallest confidence, in [0, 1], of a prediction that becomes a target."""
        super().__init__()
        self.threshold = threshold

    @torch.no_grad()
    def pseudo_labels(self, weak: Tensor, *, index: Tensor, epoch: int) -> PseudoLabels:
        """Keep the confident predictions; shapes as in ``Method.pseudo_labels``."""
        probabilities = weak.softmax(dim=-1)
        targets = F.one_hot(probabilities.argmax(dim=-1), num_classes=weak.shape[-1]).to(weak.dtype)
        kept = probabilities.amax(dim=-1) >= self.threshold
        return PseudoLabels(targets, kept.to(torch.float32))
