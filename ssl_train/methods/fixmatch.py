"""FixMatch: the confident prediction on a text is the target for its rewrite."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...classifier.tasks import LABELS
from .base import PseudoLabels
from .confidence import ConfidenceMask, FixedMask


class FixMatch(nn.Module):
    """Hard pseudo-labels above a confidence threshold (FixMatch, Sohn et al. 2020, arXiv:2001.07685).

    mask = [max q >= threshold], target = argmax q, where q is the softmax of the weak view's logits; the loss is the
    mean over the whole batch of mask x cross-entropy(strong view, target).

    What differs from the paper:
        1. The weak view is the text itself and the strong view an LLM's rewrite of it, made once beforehand
           (as in arXiv:2512.21107), not random image distortions.
        2. The weak view is judged without dropout, and rewrites whose mask is zero are not run through the network,
           which changes no gradient.
        3. In place of the one threshold there may be a mask that adapts to the class: FlexMatch's or FreeMatch's.
    """

    heads = 1
    classes = len(LABELS)
    first_epoch = 0

    def __init__(self, threshold: float | ConfidenceMask) -> None:
        """Take the smallest confidence, in [0, 1], of a prediction that becomes a target, or what finds it."""
        super().__init__()
        self.confidence = FixedMask(threshold) if isinstance(threshold, float | int) else threshold

    @torch.no_grad()
    def pseudo_labels(self, weak: Tensor, *, index: Tensor, epoch: int) -> PseudoLabels:
        """Keep the confident predictions; shapes as in ``Method.pseudo_labels``."""
        self.to(weak.device)
        probabilities = weak.softmax(dim=-1)
        targets = F.one_hot(probabilities.argmax(dim=-1), num_classes=weak.shape[-1]).to(weak.dtype)
        kept = self.confidence.update(probabilities, index.to(weak.device))
        return PseudoLabels(targets, kept.to(torch.float32))
