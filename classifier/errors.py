"""Every error that RailMatch raises on purpose; each message names what is wrong and the cure.

RailMatchError
├── SettingsError
├── DataError
├── ModelError
├── EndpointError
│   └── EndpointDownError
└── EngineError
"""

__all__ = [
    "DataError", "EndpointDownError", "EndpointError", "EngineError", "ModelError", "RailMatchError", "SettingsError",
    "reason",
]  # fmt: skip


class RailMatchError(Exception):
    """Base of the errors that a caller of RailMatch may want to catch."""


class SettingsError(RailMatchError):
    """A recipe, an option or the rails' settings cannot be used as written."""


class DataError(RailMatchError):
    """A data set is missing, unreadable, or does not hold what the task needs."""


class ModelError(RailMatchError):
    """A model folder or an encoder cannot be used."""


class EndpointError(RailMatchError):
    """The LLM endpoint cannot be used: unreachable, wrong key, wrong model, or not speaking the protocol."""


class EndpointDownError(EndpointError):
    """The LLM endpoint does not answer just now; what it answered before is stored, so asking may go on later."""


class EngineError(RailMatchError):
    """A text could not be judged: the engine is closed, overloaded, or its forward pass failed."""


def reason(error: BaseException) -> str:
    """Give the first line of an error's message, or the error's name where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__
