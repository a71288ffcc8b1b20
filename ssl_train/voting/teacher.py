"""The endpoint's votes as a second, noisy teacher: what a vote is worth, and what it adds to a pseudo-label.

A vote says how harmful an LLM finds a text, from 0 (surely not) to 4 (surely). How often it is right differs between
models, policies and tasks, so the few true labels decide what each vote is worth.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.isotonic import IsotonicRegression
from torch import Tensor

from ...classifier.errors import DataError
from ...classifier.tasks import LABELS
from ..data.recorded import VOTES
from ..data.records import Record
from ..methods import PseudoLabels


@dataclass(frozen=True, slots=True)
class VoteTeacher:
    """What the votes say of each pool text.

    log_odds: log odds of harmful by the vote alone, shape (pool,); 0 where there is no vote.
    voted: whether a text has a vote, bool of shape (pool,).
    trust: factor of the network's own log odds, from 0 to 1, since the network learnt from its own targets.
    prior: log odds of harmful before a text is read, which vote and network both hold; it counts once. That is the
        labelled examples', or the pool's where it is known.
    """

    log_odds: Tensor
    voted: Tensor
    trust: float
    prior: float = 0.0

    @classmethod
    def of(
        cls,
        votes: Mapping[str, int],
        labelled: Sequence[Record],
        pool: Sequence[Record],
        *,
        trust: float,
        class_prior: float | None = None,
    ) -> "VoteTeacher":
        """Calibrate votes (by record id) on the labelled records and look up those of the pool.

        With ``class_prior``, the share of harmful texts in the pool, in (0, 1), the votes' log odds are moved from the
        labels' prior to the pool's (Bayes), and the pool's is what the network is taken to hold: it begins with the
        labels', but learns its targets' on the pool. While it still holds the labels', its targets' prior lies between
        the two. Were the labels' taken off instead, each round of targets would add ``trust`` times the prior that the
        one before had taught, and the move would end at 1 / (1 - trust) times what it should be.

        Raises:
            DataError: no labelled record has a vote, so that nothing says what a vote is worth.
        """
        if not any(record.id in votes for record in labelled):
            raise DataError(
                "data.votes: none of the labelled examples has a vote, so nothing says what a vote is worth; "
                "vote on the labelled examples, too, or leave data.votes out"
            )
        worth = vote_log_odds(votes, labelled)
        given = [votes.get(record.id) for record in pool]
        harmful = sum(record.label == 1 for record in labelled)
        prior = math.log((harmful + 1) / (len(labelled) - harmful + 1))
        move = 0.0 if class_prior is None else math.log(class_prior / (1 - class_prior)) - prior
        return cls(
            log_odds=torch.tensor([0.0 if vote is None else worth[vote] + move for vote in given]),
            voted=torch.tensor([vote is not None for vote in given], dtype=torch.bool),
            trust=trust,
            prior=prior + move,
        )

    @property
    def decide_all(self) -> bool:
        """Whether nothing but the votes decides the targets: every text has one, and the network is not trusted."""
        return self.trust == 0 and bool(self.voted.all())

    def labels(self, index: Tensor, heads: int, classes: int, device: torch.device) -> PseudoLabels:
        """Give the targets of texts that all have a vote, where the network need not be asked.

        Shape:
            index: int64 (texts,), positions in the pool. Returns targets (texts, heads, classes) on the device.
        """
        nothing = torch.zeros(len(index), heads, classes, device=device)
        return self.teach(PseudoLabels(nothing, nothing[..., 0]), nothing, index)

    def teach(self, pseudo: PseudoLabels, weak: Tensor, index: Tensor) -> PseudoLabels:
        """Replace the pseudo-labels of voted texts by what vote and network say together.

        The two count as witnesses whose log odds add up, the network's times ``trust`` and without the ``prior`` that
        the vote's hold already. Texts without a vote keep their pseudo-label, and so do those that the method has given
        a class of its own: no vote speaks of that.

        Shape:
            weak: logits (texts, heads, classes), without gradient. index: int64 (texts,), positions in the pool.
        """
        odds = self.log_odds[index].to(weak)[:, None] + self.trust * (weak[..., 1] - weak[..., 0] - self.prior)
        harmful = odds.sigmoid()
        of_labels = pseudo.targets[..., len(LABELS) :].sum(dim=-1) == 0
        voted = self.voted[index].to(weak.device)[:, None] & of_labels
        said = F.pad(torch.stack([1 - harmful, harmful], dim=-1), (0, weak.shape[-1] - len(LABELS)))
        targets = torch.where(voted[..., None], said, pseudo.targets)
        return PseudoLabels(targets, torch.where(voted, torch.ones_like(pseudo.weights), pseudo.weights))


def vote_log_odds(votes: Mapping[str, int], labelled: Sequence[Record]) -> dict[int, float]:
    """Estimate the log odds of harmful given each vote from the labelled records that have one.

    Shares are smoothed by one harmful and one unharmful example a vote (Laplace's rule), and a higher vote never means
    less harm (isotonic regression). The odds are those of a pool with the labels' share of harmful texts.
    """
    pairs = Counter((votes[record.id], record.label) for record in labelled if record.id in votes)
    harmful = np.array([pairs[vote, 1] for vote in VOTES]) + 1.0
    total = harmful + np.array([pairs[vote, 0] for vote in VOTES]) + 1.0
    shares = IsotonicRegression().fit_transform(np.array(VOTES), harmful / total, sample_weight=total)
    return {vote: float(np.log(share / (1 - share))) for vote, share in zip(VOTES, shares, strict=True)}
