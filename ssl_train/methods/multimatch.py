"""MultiMatch: several heads on one encoder, each taught by what the others agree on or are sure of."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...classifier.tasks import LABELS
from .base import Beginning, PseudoLabels
from .confidence import FreeMatchMask
from .pseudo_margins import AveragePseudoMargins


class MultiMatch(nn.Module):
    """Co-training by agreement and average pseudo-margins (MultiMatch, Sirbu et al. 2025, arXiv:2506.07801).

    For head h with peers i and j, the other two, and y_i = argmax of i's logits on the weak view:

    - Threshold gamma_h(c): the 5th percentile of APM_i(u, c) and APM_j(u, c) over the pool texts u on which i and j
      agreed on c when they last judged them; at least 0; 0 where they agree on none. Found anew for every epoch.
    - Peer i is confident of u if APM_i(u, y_i) >= gamma_h(y_i).
    - Target and weight:

      ========  ===========  =========================  ======
      peers     confident    target                     weight
      ========  ===========  =========================  ======
      agree     both         their label                1
      agree     exactly one  their label                3
      disagree  exactly one  the confident peer's       3
      agree     none         none                       0
      disagree  both, none   none                       0
      ========  ===========  =========================  ======

    - The weight is 0 unless one of the peers, at least, passes its own self-adaptive mask (``FreeMatchMask``).
    - In the first epoch, which has no thresholds, every weight is 0.

    The loss is the mean over heads and texts of weight x cross-entropy; the labelled loss is the sum over heads; the
    heads' logits are averaged to judge a text, or, which is the same, their weights when the model is saved.

    What differs from the paper and its code:
        1. Any odd number of heads from 3. With more than two peers, a text counts for gamma_h(c) if more than half of
           the peers said c, with the margins of those who did; the target is the label that most confident peers
           name, none where two labels tie; the weight is 1 if more than half of all peers are confident of it, else 3.
           For two peers this is the table above.
        2. t in the average pseudo-margin counts the text's own visits, not epochs: a batch that reaches into the next
           epoch, or a pool smaller than a batch, cannot make a second visit overwrite the first.
        3. A class that no peers agree on has threshold 0, and the thresholds of the classes after it are found, too.
        4. Each head's averages in its mask advance once a step, not once for every head that looks at it.
        5. Weak and strong views as in ``FixMatch``.

    Shape:
        labels: int64 (pool, heads), y when last judged, -1 before. thresholds: gamma, (heads, classes), in logits.
        epoch: int64 scalar, the epoch that the thresholds belong to. Other state in ``margins`` and ``confidence``.
    """

    classes = len(LABELS)
    beginning = Beginning(1, "counts no pseudo-label in the first pass over the pool", "choose another method")
    labels: Tensor
    thresholds: Tensor
    epoch: Tensor

    def __init__(
        self, pool_size: int, *, heads: int = 3, percentile: float = 0.05, difficult_weight: float = 3.0
    ) -> None:
        """Take the number of pool texts, heads, the percentile in [0, 1], and the weight where peers are not at one.

        Raises:
            ValueError: the number of heads is even or below 3.
        """
        super().__init__()
        if heads < 3 or heads % 2 == 0:
            raise ValueError(f"MultiMatch needs an odd number of heads, 3 or more, not {heads}")
        self.heads = heads
        self.percentile = percentile
        self.difficult_weight = difficult_weight
        self.margins = AveragePseudoMargins(pool_size, heads, len(LABELS))
        self.confidence = FreeMatchMask(heads, len(LABELS))
        self.register_buffer("labels", torch.full((pool_size, heads), -1))
        self.register_buffer("thresholds", torch.zeros(heads, len(LABELS)))
        self.register_buffer("epoch", torch.tensor(0))

    @torch.no_grad()
    def pseudo_labels(self, weak: Tensor, *, index: Tensor, epoch: int) -> PseudoLabels:
        """Let every head's peers label its texts; shapes as in ``Method.pseudo_labels``."""
        self.to(weak.device)
        index = index.to(weak.device)
        if epoch > int(self.epoch):
            self.thresholds.copy_(self._agreed_thresholds())
            self.epoch.fill_(epoch)
        label = weak.argmax(dim=-1)
        self.labels[index] = label
        margin = self.margins.update(weak, index).gather(-1, label[..., None]).squeeze(-1)
        passes = self.confidence.update(weak.softmax(dim=-1), index)
        targets, weights = self._peers_choice(label, margin)
        some_peer_passes = passes.sum(dim=1, keepdim=True) - passes.long() > 0
        return PseudoLabels(targets, weights * some_peer_passes * (epoch >= self.beginning.passes))

    def _agreed_thresholds(self) -> Tensor:
        """Find gamma from all visits so far, shape (heads, classes)."""
        said = self.labels[..., None] == torch.arange(len(LABELS), device=self.labels.device)
        by_peers = said.sum(dim=1, keepdim=True) - said.long()
        agreed = by_peers > (self.heads - 1) / 2
        counts = agreed[:, :, None] & said[:, None] & self._peers()[:, :, None]  # (pool, heads, peers, classes)
        margins = torch.where(counts, self.margins.average[:, None], torch.nan)
        found = margins.permute(1, 3, 0, 2).flatten(2).nanquantile(self.percentile, dim=-1)
        return found.nan_to_num(nan=0.0).clamp(min=0)

    def _peers_choice(self, label: Tensor, margin: Tensor) -> tuple[Tensor, Tensor]:
        """Apply the table to labels and their average pseudo-margins, both of shape (texts, heads)."""
        confident = (margin >= self.thresholds[:, label]).transpose(0, 1) & self._peers()  # (texts, heads, peers)
        named = F.one_hot(label, num_classes=len(LABELS)).to(margin.dtype)
        votes = confident.to(margin.dtype) @ named  # (texts, heads, classes)
        most, next_most = votes.topk(2, dim=-1).values.unbind(dim=-1)
        weights = torch.where(most > (self.heads - 1) / 2, 1.0, self.difficult_weight) * (most > next_most)
        return F.one_hot(votes.argmax(dim=-1), num_classes=len(LABELS)).to(margin.dtype), weights

    def _peers(self) -> Tensor:
        """Tell for each head who its peers are: all but itself, bool of shape (heads, heads)."""
        return ~torch.eye(self.heads, dtype=torch.bool, device=self.labels.device)
