"""From scores on held-back labels to a model's temperature and to its threshold at a target false-positive rate.

A text is called harmful when its score reaches the threshold (``score >= threshold``).
"""

from dataclasses import asdict, dataclass
from fractions import Fraction
from math import ceil, inf
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaincinv, expit, logit

from .errors import SettingsError
from .metrics import CONFIDENCE, Floats, allowed_false_positives, checked

TEMPERATURES = (0.1, 10.0)
"""Bounds of the temperature, for margins far too small or too large, and for a model that ranks the wrong way round."""

SMALLEST_PROBABILITY = 1e-7
"""Where probabilities are cut before the logarithm; float32 softmax gives 0 and 1 themselves."""


@dataclass(frozen=True, slots=True)
class ThresholdReport:
    """A threshold, and what it did to the held-back examples that it was chosen on; rates are in [0, 1].

    ``fpr_interval`` is the 95% interval of the false-positive rate: the lower end of Clopper and Pearson for the false
    positives counted, and the upper for those that the target allows. ``harmful`` and ``unharmful`` count the examples.
    """

    threshold: float
    target_fpr: float
    fpr: float
    fpr_interval: tuple[float, float]
    recall: float
    harmful: int
    unharmful: int

    def as_dict(self) -> dict[str, Any]:
        """Give the report as plain values, ready for JSON."""
        return {**asdict(self), "fpr_interval": list(self.fpr_interval)}


def margins(probabilities: ArrayLike) -> Floats:
    """Give the logit margins (harmful minus unharmful) of harmful probabilities, both of shape (n,)."""
    clipped = np.clip(np.asarray(probabilities, dtype=np.float64), SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return np.asarray(logit(clipped), dtype=np.float64)


def fit_temperature(margins: ArrayLike, labels: ArrayLike) -> float:
    """Fit the temperature that makes held-back probabilities most likely (Guo et al. 2017, arXiv:1706.04599).

    ``margins`` (n,) are logits of harmful minus logits of unharmful; dividing all logits of the model by the
    temperature makes its probability ``sigmoid(margin / temperature)``. The order of the scores stays. With a
    class-balanced draw of labels the probabilities are right for balanced texts. The result lies within
    ``TEMPERATURES``.

    What differs from the paper: of p harmful and q unharmful labels, harmful ones count as (p + 1) / (p + 2) and
    unharmful ones as 1 / (q + 2), as in Platt 1999 ("Probabilistic outputs for support vector machines"). On labels of
    1 and 0 that the model separates, ever surer probabilities would be ever more likely.

    Raises:
        DataError: shapes differ, a label is neither 0 nor 1, a margin is not finite, or a class is missing.
    """
    truth, values = checked(labels, margins)
    harmful, unharmful = truth.sum(), (1 - truth).sum()
    targets = np.where(truth == 1, (harmful + 1) / (harmful + 2), 1 / (unharmful + 2))
    # In b = 1 / temperature the negative log-likelihood is convex with this derivative, so bisection finds its minimum.
    low, high = 1 / TEMPERATURES[1], 1 / TEMPERATURES[0]
    for _ in range(60):
        middle = (low + high) / 2
        slope = float(((expit(middle * values) - targets) * values).mean())
        low, high = (middle, high) if slope < 0 else (low, middle)
    return 2 / (low + high)


def unharmful_needed(target_fpr: float) -> int:
    """Count the unharmful examples of which the target rate is one: fewer cannot show that it is kept."""
    return ceil(1 / Fraction(str(target_fpr)))


def require_support(unharmful: int, target_fpr: float) -> None:
    """Refuse a target false-positive rate that so few held-back unharmful labels cannot support.

    Raises:
        SettingsError: the target is not between 0 and 1, or fewer than one false positive is expected among them.
    """
    if not 0 < target_fpr < 1:
        raise SettingsError(f"target_fpr must be above 0 and below 1, not {target_fpr}")
    needed = unharmful_needed(target_fpr)
    if unharmful < needed:
        reachable = f"raise target_fpr to {ceil(1e4 / unharmful) / 1e4:g} or more, or " if unharmful > 1 else ""
        raise SettingsError(
            f"target_fpr {target_fpr:g} cannot be set with {unharmful} unharmful labels, which expect less than one "
            f"false positive at that rate: {reachable}label at least {needed} unharmful examples"
        )


def threshold_at_fpr(scores: ArrayLike, labels: ArrayLike, *, target_fpr: float) -> ThresholdReport:
    """Find a threshold that calls at most ``target_fpr`` of the held-back unharmful examples harmful.

    ``scores`` (n,) are harmful probabilities that the model gave to examples it was not trained on, ``labels`` (n,)
    are 1 for harmful. It is the smallest such threshold, raised where that loses no harmful example: to the middle
    between the lowest harmful score it catches and the next lower unharmful one. Examples of equal score fall on one
    side together, so ties can leave the rate below the target. If too many unharmful examples share the highest score,
    the threshold is above it and nothing is called harmful.

    The upper end of the interval holds although the threshold was chosen on the same examples. With k false positives
    allowed in n, the true rate above the (k+1)-th highest unharmful score is distributed as Beta(k+1, n-k), or lower
    where scores tie; the 97.5% quantile of that is the upper end for k, and raising the threshold only lowers the rate.
    So the upper end is not that of the false positives counted, of which harmful scores chose the number. The lower end
    is, and is approximate.

    Raises:
        DataError: shapes differ, a label is neither 0 nor 1, a score is not finite, or a class is missing.
        SettingsError: ``target_fpr`` is not between 0 and 1, or there are too few unharmful labels for it.
    """
    truth, values = checked(labels, scores)
    unharmful, harmful = np.sort(values[truth == 0])[::-1], values[truth == 1]
    require_support(unharmful.size, target_fpr)
    allowed = allowed_false_positives(unharmful.size, target_fpr)
    threshold = _raised(float(np.nextafter(unharmful[allowed], inf)), unharmful, harmful)
    false_positives = int((unharmful >= threshold).sum())
    return ThresholdReport(
        threshold=threshold,
        target_fpr=float(target_fpr),
        fpr=false_positives / unharmful.size,
        fpr_interval=(
            clopper_pearson(false_positives, unharmful.size)[0],
            clopper_pearson(allowed, unharmful.size)[1],
        ),
        recall=float((harmful >= threshold).mean()),
        harmful=harmful.size,
        unharmful=unharmful.size,
    )


def _raised(threshold: float, unharmful: Floats, harmful: Floats) -> float:
    """Raise a threshold above an unharmful score to the middle of the gap below the lowest harmful score it catches.

    Where it catches none, nothing says how far it may be raised, and it stays.
    """
    caught = harmful[harmful >= threshold]
    if not caught.size:
        return threshold
    lowest = caught.min()
    below = unharmful[unharmful < lowest].max()
    return max(float(np.nextafter(below, inf)), float((below + lowest) / 2))  # the middle may be rounded to `below`


def clopper_pearson(hits: int, trials: int) -> tuple[float, float]:
    """Give the exact 95% interval of a rate after ``hits`` in ``trials`` (Clopper and Pearson 1934)."""
    tail = (1 - CONFIDENCE) / 2
    low = float(betaincinv(hits, trials - hits + 1, tail)) if hits else 0.0
    high = float(betaincinv(hits + 1, trials - hits, 1 - tail)) if hits < trials else 1.0
    return low, high
