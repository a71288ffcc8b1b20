"""Whether a round paid, whether another one may, and which is the best: pure functions of measured figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Self

from .recipe import DecideSettings


@dataclass(frozen=True, slots=True)
class Figures:
    """What a round's classifier does; round 0 is the one at the start.

    ``auprc``, ``f1``, ``recall`` and ``fpr`` (the share of harmless texts blocked) are those on held-out examples, the
    last three at the stored ``threshold``. ``by_round`` gives, for each round, the share of its attacks that succeed
    against this classifier. ``fresh`` is the share of seeds with a successful attack that was written against this
    very classifier; None where none was written.
    """

    round: int
    auprc: float
    f1: float
    recall: float
    fpr: float
    threshold: float
    by_round: Mapping[int, float] = field(default_factory=dict)
    fresh: float | None = None

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Self:
        """Read figures back from JSON, whose keys are texts."""
        return cls(**row | {"by_round": {int(number): share for number, share in row["by_round"].items()}})


def why_harmful(figures: Figures, before: Figures, start: Figures, limits: DecideSettings) -> str:
    """Say what a round has made worse; empty where nothing: it is worth keeping as far as held-out examples go.

    ``before`` are the figures of the round before, ``start`` those of the classifier at the start.
    """
    if figures.auprc < start.auprc - limits.auprc_loss:
        return f"AUPRC on held-out examples fell from {start.auprc:.3f} to {figures.auprc:.3f}"
    if figures.fpr > start.fpr + limits.benign_rise:
        return f"the share of harmless held-out texts blocked rose from {start.fpr:.1%} to {figures.fpr:.1%}"
    for number, share in before.by_round.items():
        if figures.by_round.get(number, 0.0) > share + limits.min_gain:
            return (
                f"attacks of round {number} are forgotten: {figures.by_round[number]:.1%} succeed again, after "
                f"{share:.1%}"
            )
    return ""


def why_stop(rounds: Sequence[Figures], limits: DecideSettings) -> str:
    """Say why no further round should follow; empty where one may pay.

    Args:
        rounds: figures of all classifiers so far, the start first; ``fresh`` of the last may still be unknown.
        limits: what a round may cost and must gain.
    """
    if len(rounds) < 2:
        return ""
    last, before = rounds[-1], rounds[-2]
    if reason := why_harmful(last, before, rounds[0], limits):
        return reason
    if last.fresh is None or before.fresh is None:
        return ""
    if last.fresh > before.fresh - limits.min_gain:
        return f"it no longer pays: fresh attacks break {last.fresh:.1%} of the seeds, after {before.fresh:.1%}"
    return ""


def best_of(rounds: Sequence[Figures], limits: DecideSettings) -> int:
    """Give the number of the best round: of those that made nothing worse, the one that fresh attacks break least.

    Where attacks were not written against it, the AUPRC decides. The start is always among them.
    """
    start = rounds[0]
    fit = [start] + [
        figures
        for before, figures in pairwise(rounds)
        if not why_harmful(figures, before, start, limits)
    ]
    attacked = [figures for figures in fit if figures.fresh is not None]
    if attacked:
        return min(attacked, key=lambda figures: (figures.fresh, -figures.auprc, figures.round)).round
    return max(fit, key=lambda figures: (figures.auprc, figures.round)).round
