"""MarginMatch: a confident prediction is a target if the network has leant towards it visit after visit."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...classifier.tasks import LABELS
from .base import Beginning, PseudoLabels
from .confidence import FlexMatchMask
from .pseudo_margins import AveragePseudoMargins

VIRTUAL = len(LABELS)
"""Index of the class that no text belongs to."""


class MarginMatch(nn.Module):
    """Pseudo-labels with a history (MarginMatch, Sosea and Caragea 2023, arXiv:2308.09037), gamma fixed.

    With q the softmax of the weak view's logits and c = argmax q: the target is c, and it counts 1 if FlexMatch's
    confidence mask holds and the average pseudo-margin (``AveragePseudoMargins``) of c over all visits of the text,
    this one included, is at least gamma; else 0.

    What differs from the paper:
        1. gamma is a setting; 0 means that, on average over its visits, the network has preferred the label.
           ``VirtualClassMarginMatch`` finds gamma as the paper does.
        2. Weak and strong views as in ``FixMatch``.
        3. The margin is looked up at c; the authors' code looks it up at the highest logit, which may be another
           class's, and takes the second highest logit for 0 where all others are negative.

    Shape:
        gamma: a scalar in logits. Other state in ``margins`` and ``confidence``.
    """

    heads = 1
    classes = len(LABELS)
    """Outputs of the network a head; those after the first two are dropped when the model is saved."""
    beginning: Beginning | None = None
    gamma: Tensor

    def __init__(self, pool_size: int, threshold: float, *, gamma: float = 0.0) -> None:
        """Take the number of pool texts, FlexMatch's threshold in [0, 1], and the least average pseudo-margin."""
        super().__init__()
        self.margins = AveragePseudoMargins(pool_size, self.heads, self.classes)
        self.confidence = FlexMatchMask(pool_size, self.heads, len(LABELS), threshold=threshold)
        self.register_buffer("gamma", torch.tensor(gamma))

    @torch.no_grad()
    def pseudo_labels(self, weak: Tensor, *, index: Tensor, epoch: int) -> PseudoLabels:
        """Keep predictions that are confident now and were so before; shapes as in ``Method.pseudo_labels``."""
        self.to(weak.device)
        return self._pseudo_labels(weak, index.to(weak.device))

    def _pseudo_labels(self, weak: Tensor, index: Tensor) -> PseudoLabels:
        probabilities = weak[..., :VIRTUAL].softmax(dim=-1)
        label = probabilities.argmax(dim=-1)
        margin = self.margins.update(weak, index).gather(-1, label[..., None]).squeeze(-1)
        kept = self.confidence.update(probabilities, index) & (margin >= self.gamma)
        targets = F.one_hot(label, num_classes=self.classes).to(weak.dtype)
        return PseudoLabels(targets, kept.to(torch.float32))


class VirtualClassMarginMatch(MarginMatch):
    """MarginMatch with the published gamma: what a wrong label's average pseudo-margin looks like.

    The network has one class more, to which no text belongs. A random subset of the pool (min(pool / 100,
    pool / classes) texts) is trained towards it; gamma is a high percentile of the subset's average pseudo-margins
    of that class. So a pseudo-label counts only if the network has been surer of it than it is of labels that are
    wrong for certain. The subset's texts count as much as the share of the other texts of the step that are kept.

    What differs from the paper, besides ``MarginMatch``'s points 2 and 3:
        1. Periods are passes over the pool, not steps: gamma is found anew at the beginning of every pass, the subset
           is drawn anew every ``redraw_every`` passes and its averages then start from nothing.
        2. A text joins gamma's percentile with its second visit as a member: at the first it has not been trained
           towards the virtual class. Until there is such a text, gamma stays as it was; it starts at 0.
        3. The percentile is interpolated. The authors' code divides it by 100 twice and so takes nearly the maximum.
        4. The subset is not released in the last tenth of training.

    Needs of the caller: logits of shape (texts, 1, 3) here and in the two losses, where the third competes with the
    others; ``keep_labels`` drops the third row of the head before the network judges anything.

    Shape:
        member: bool (pool,). epoch: int64 scalar, the pass that ``gamma`` and ``member`` belong to, -1 at first.
    """

    classes = len(LABELS) + 1
    beginning = Beginning(
        2, "has not found its gamma in the first two passes over the pool", "set method.gamma to a number"
    )
    member: Tensor
    epoch: Tensor

    def __init__(
        self, pool_size: int, threshold: float, *, percentile: float = 0.95, redraw_every: int = 4, seed: int = 0
    ) -> None:
        """Take the pool's size, FlexMatch's threshold, gamma's percentile in [0, 1], passes a draw, and a seed."""
        super().__init__(pool_size, threshold)
        self.percentile = percentile
        self.redraw_every = redraw_every
        self.seed = seed
        self.member_margins = AveragePseudoMargins(pool_size, self.heads, self.classes)
        self.register_buffer("member", torch.zeros(pool_size, dtype=torch.bool))
        self.register_buffer("epoch", torch.tensor(-1))

    @torch.no_grad()
    def pseudo_labels(self, weak: Tensor, *, index: Tensor, epoch: int) -> PseudoLabels:
        """Label members of the subset with the virtual class, and the others as ``MarginMatch`` does.

        Shape:
            weak: (texts, 1, 3). The targets have the same shape, the weights (texts, 1).
        """
        self.to(weak.device)
        index = index.to(weak.device)
        if epoch > int(self.epoch):
            self._begin(epoch)
        member = self.member[index]
        others = self._pseudo_labels(weak[~member], index[~member])
        self.member_margins.update(weak[member], index[member])
        targets = torch.zeros_like(weak)
        targets[member, :, VIRTUAL] = 1
        targets[~member] = others.targets
        weights = others.weights.mean().nan_to_num().repeat(weak.shape[:2])
        weights[~member] = others.weights
        return PseudoLabels(targets, weights)

    def _begin(self, epoch: int) -> None:
        """Find gamma from the last pass, and draw another subset when it is time."""
        trained = self.member_margins.visits >= 2
        if bool(trained.any()):
            self.gamma.copy_(self.member_margins.average[trained, 0, VIRTUAL].quantile(self.percentile))
        if epoch // self.redraw_every > int(self.epoch) // self.redraw_every:
            self._draw(epoch)
        self.epoch.fill_(epoch)

    def _draw(self, epoch: int) -> None:
        pool_size = len(self.member)
        size = max(1, min(pool_size // 100, pool_size // len(LABELS)))
        drawn = np.random.default_rng((self.seed, epoch)).permutation(pool_size)[:size]
        self.member.zero_()
        self.member[torch.from_numpy(drawn).to(self.member.device)] = True
        self.member_margins.reset()
