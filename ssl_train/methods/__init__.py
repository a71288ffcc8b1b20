"""The training losses: one published method a file, looked up by its name in a recipe."""

from ..recipe import MethodSettings
from .base import Method, PseudoLabels, consistency_loss, supervised_loss
from .fixmatch import FixMatch

__all__ = ["FixMatch", "Method", "PseudoLabels", "consistency_loss", "make_method", "supervised_loss"]


def make_method(settings: MethodSettings) -> Method | None:
    """Make the method that a recipe names; None is supervised training, which has no unlabelled loss."""
    if settings.name == "supervised":
        return None
    return FixMatch(settings.threshold)
