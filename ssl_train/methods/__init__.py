"""The training losses: one published method a file, looked up by its name in a recipe."""

from ..recipe import MethodSettings
from .alignment import Aligned
from .base import Method, PseudoLabels, consistency_loss, supervised_loss
from .fixmatch import FixMatch
from .marginmatch import MarginMatch, VirtualClassMarginMatch
from .multimatch import MultiMatch

__all__ = [
    "Aligned",
    "FixMatch",
    "MarginMatch",
    "Method",
    "MultiMatch",
    "PseudoLabels",
    "VirtualClassMarginMatch",
    "consistency_loss",
    "make_method",
    "supervised_loss",
]


def make_method(settings: MethodSettings, pool_size: int, *, harmful: float = 0.5, seed: int = 0) -> Method | None:
    """Make the method that a recipe names, for a pool of so many texts; None is supervised training.

    ``harmful`` is the share of harmful texts among the labelled, in [0, 1]; the seed is that of what a method draws.
    """
    method = _named(settings, pool_size, seed)
    if method and settings.alignment:
        method = Aligned(method, harmful if settings.class_prior is None else settings.class_prior)
    return method


def _named(settings: MethodSettings, pool_size: int, seed: int) -> Method | None:
    match settings.name:
        case "supervised":
            return None
        case "fixmatch":
            return FixMatch(settings.threshold)
        case "marginmatch":
            if isinstance(settings.gamma, str):
                return VirtualClassMarginMatch(pool_size, settings.threshold, seed=seed)
            return MarginMatch(pool_size, settings.threshold, gamma=settings.gamma)
        case "multimatch":
            return MultiMatch(pool_size, heads=settings.heads)
