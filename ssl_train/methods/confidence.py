"""Confidence masks that adapt to the class: FlexMatch's by counts for MarginMatch, FreeMatch's for MultiMatch."""

import torch
from torch import Tensor, nn


class FlexMatchMask(nn.Module):
    """A lower threshold for a class that is seldom chosen (FlexMatch, Zhang et al. 2021, arXiv:2110.08263).

    sigma(c) = number of pool texts whose last confident prediction (max q >= ``threshold``) was c; beta(c) = sigma(c)
    divided by the largest of all counts, that of the texts never chosen included (the paper's warm-up); a prediction
    of c is kept if max q >= ``threshold`` x beta(c) / (2 - beta(c)).

    What differs from the authors' code:
        1. The thresholds follow the counts at every step; there they stand still once all texts are of one class.
        2. Heads are counted apart.

    Shape:
        chosen: int64 (pool, heads), the class of each text's last confident prediction, -1 before there was one.
    """

    chosen: Tensor

    def __init__(self, pool_size: int, heads: int, classes: int, *, threshold: float) -> None:
        """Start with nothing chosen; ``threshold`` in [0, 1] is the one of the class that is chosen most."""
        super().__init__()
        self.classes = classes
        self.threshold = threshold
        self.register_buffer("chosen", torch.full((pool_size, heads), -1))

    def update(self, probabilities: Tensor, index: Tensor) -> Tensor:
        """Say which predictions are kept by the counts so far, then count these predictions.

        Shape:
            probabilities: (texts, heads, classes). index: int64 (texts,), positions in the pool.
            Returns bool (texts, heads).
        """
        confidence, label = probabilities.max(dim=-1)
        kept = confidence >= _of_label(self.thresholds(), label)
        self.chosen[index] = torch.where(confidence >= self.threshold, label, self.chosen[index])
        return kept

    def thresholds(self) -> Tensor:
        """Give each head's threshold for each class, shape (heads, classes), in [0, ``threshold``]."""
        never_and_classes = torch.arange(-1, self.classes, device=self.chosen.device)
        counts = (self.chosen[..., None] == never_and_classes).sum(dim=0)
        beta = counts[:, 1:] / counts.amax(dim=-1, keepdim=True)
        return self.threshold * beta / (2 - beta)


class FreeMatchMask(nn.Module):
    """Self-adaptive thresholds from averages over steps (FreeMatch, Wang et al. 2022, arXiv:2205.07246).

    After each step t <- m t + (1 - m) x mean of max q, and p(c) <- m p(c) + (1 - m) x mean of q(c), both from
    1 / classes; a prediction of c is kept if max q >= t x p(c) / max p.

    What differs from the authors' code:
        1. Each head has averages of its own, and one call moves all of them once.
        2. The paper's second part, a loss for fair shares of the classes, is left out; ``Aligned`` is for that.

    Shape:
        confidence: t, (heads,), in [0, 1]. distribution: p, (heads, classes), a row sums up to 1.
    """

    confidence: Tensor
    distribution: Tensor

    def __init__(self, heads: int, classes: int, *, momentum: float = 0.999) -> None:
        """Take the share m, in [0, 1), of the averages that a step keeps."""
        super().__init__()
        self.momentum = momentum
        self.register_buffer("confidence", torch.full((heads,), 1 / classes))
        self.register_buffer("distribution", torch.full((heads, classes), 1 / classes))

    def update(self, probabilities: Tensor, index: Tensor) -> Tensor:
        """Move the averages by one step's predictions, then say which of them are kept.

        Shape:
            probabilities: (texts, heads, classes), at least one text. Returns bool (texts, heads). ``index`` is not
            read: which texts they are does not matter here.
        """
        confidence, label = probabilities.max(dim=-1)
        self.confidence.lerp_(confidence.mean(dim=0), 1 - self.momentum)
        self.distribution.lerp_(probabilities.mean(dim=0), 1 - self.momentum)
        return confidence >= _of_label(self.thresholds(), label)

    def thresholds(self) -> Tensor:
        """Give each head's threshold for each class, shape (heads, classes), in [0, 1]."""
        return self.confidence[:, None] * self.distribution / self.distribution.amax(dim=-1, keepdim=True)


def _of_label(by_class: Tensor, label: Tensor) -> Tensor:
    """Look values of shape (heads, classes) up by labels of shape (texts, heads)."""
    return by_class[torch.arange(by_class.shape[0], device=by_class.device), label]
