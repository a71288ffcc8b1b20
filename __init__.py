"""RailMatch: small safety classifiers from few labels, as guardrails for chat apps.

The public names load their modules on first use, so that ``import railmatch`` stays fast (no torch).
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .classifier.errors import RailMatchError as RailMatchError
    from .classifier.inputs import Exchange as Exchange
    from .classifier.model import SafetyClassifier as SafetyClassifier
    from .rails.guard import Guard as Guard
    from .rails.guard import Verdict as Verdict

__version__ = "0.1.0"
__all__ = ["Exchange", "Guard", "RailMatchError", "SafetyClassifier", "Verdict"]

_HOME = {
    "Exchange": ".classifier.inputs",
    "Guard": ".rails.guard",
    "RailMatchError": ".classifier.errors",
    "SafetyClassifier": ".classifier.model",
    "Verdict": ".rails.guard",
}


def __getattr__(name: str) -> object:
    """Import a public name from its module the first time it is asked for."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)


def __dir__() -> list[str]:
    """List the public names, whether loaded yet or not."""
    return sorted([*globals(), *__all__])
