"""The rails: the Python API, and the actions and flows of NeMo Guardrails.

A guardrails config's ``config.py`` needs one line, ``from railmatch.rails import init``. NeMo Guardrails is loaded only
then; ``railmatch.rails.guard`` works without it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .setup import init as init

__all__ = ["init"]


def __getattr__(name: str) -> object:
    """Import ``init`` the first time it is asked for."""
    if name != "init":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .setup import init

    return init
