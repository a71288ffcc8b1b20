"""The training losses: one published method a file, looked up by its name in a recipe."""

from ..recipe import MethodSettings
from .base import Method, PseudoLabels, consistency_loss, supervised_loss
from .fixmatch import FixMatch
from .marginmatch import MarginMatch, VirtualClassMarginMatch
from .multimatch import MultiMatch

__all__ = [
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


def make_method(settings: MethodSettings, pool_size: int, *, seed: int = 0) -> Method | None:
    """Make the method that a recipe names, for a pool of so many texts; the seed is that of what it draws.

    None is supervised training, which has no unlabelled loss.
    """
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
