"""The strong views of a step: which of a text's rewrites is drawn, and the unlabelled loss that they give."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ...classifier.inputs import Window
from ..methods import PseudoLabels, consistency_loss
from .views import Views


@dataclass(frozen=True, slots=True)
class StrongViews:
    """The strong views that count in a step and fall to this process, with their targets.

    judged: how many weak views all processes judged, 0 where the step has no unlabelled loss.
    kept: the share of those that count, in [0, 1].
    """

    windows: list[Window]
    pseudo: PseudoLabels | None
    judged: int
    kept: float

    def loss(self, logits: Tensor, rows: Tensor) -> Tensor:
        """Give the part of the unlabelled loss (mean over all judged texts) that belongs to some of the views."""
        if self.pseudo is None or not len(rows):
            return logits.sum() * 0.0
        part = PseudoLabels(self.pseudo.targets[rows], self.pseudo.weights[rows])
        return consistency_loss(logits, part) / self.judged


NO_STRONG_VIEWS = StrongViews([], None, judged=0, kept=0.0)


def strong_views_of(views: Views, position: int, *, voted: bool) -> list[Window]:
    """List what may stand for a pool text: its rewrites; without any the text itself.

    That differs from the weak view by dropout alone, and where ``training.dropout`` is 0 by nothing.
    A text with a vote is itself one of them: what the vote says of it is news to the network.
    """
    rewrites = views.strong[position]
    return [*rewrites, views.weak[position]] if voted or not rewrites else rewrites


def draw_one(windows: list[Window], draw: np.random.Generator) -> Window:
    """Draw one of a text's strong views."""
    return windows[int(draw.integers(len(windows)))]
