"""Average pseudo-margins: how clearly, visit after visit, a network has been for or against each class of a text."""

import torch
from torch import Tensor, nn

SMOOTHNESS = 0.997
"""The papers' d: the weight of the first visit, and of later ones times their number."""


def pseudo_margins(logits: Tensor) -> Tensor:
    """Give how far each class's logit lies above the highest of the others: PM(c) = z(c) - max over k != c of z(k).

    Shape:
        logits: (..., classes), at least 2 classes. Returns the same shape, in logits; negative but for the winner.
    """
    top = logits.topk(2, dim=-1).values
    highest, second = top[..., :1], top[..., 1:]
    return logits - torch.where(logits == highest, second, highest)


class AveragePseudoMargins(nn.Module):
    """The running averages over visits (MarginMatch, Sosea and Caragea 2023, arXiv:2308.09037).

    APM <- PM x d / (1 + t) + APM x (1 - d / (1 + t)), where t is how often the text was visited before and d is
    ``smoothness``, in (0, 1]. From the second visit on it is nearly the mean of all visits.

    Shape:
        average: (pool, heads, classes), in logits; 0 before the first visit. visits: int64 (pool,).
    """

    average: Tensor
    visits: Tensor

    def __init__(self, pool_size: int, heads: int, classes: int, *, smoothness: float = SMOOTHNESS) -> None:
        """Start with no visits."""
        super().__init__()
        self.smoothness = smoothness
        self.register_buffer("average", torch.zeros(pool_size, heads, classes))
        self.register_buffer("visits", torch.zeros(pool_size, dtype=torch.int64))

    def update(self, logits: Tensor, index: Tensor) -> Tensor:
        """Count one visit of some texts and return their new averages.

        A text that stands in ``index`` twice is visited once: the same network judged it in the same step.

        Shape:
            logits: (texts, heads, classes). index: int64 (texts,), positions in the pool. Returns the logits' shape.
        """
        share = (self.smoothness / (1 + self.visits[index]))[:, None, None]
        self.average[index] = share * pseudo_margins(logits) + (1 - share) * self.average[index]
        self.visits[index] += 1
        return self.average[index]

    def reset(self) -> None:
        """Forget all visits."""
        self.average.zero_()
        self.visits.zero_()
