"""Every error that RailMatch raises on purpose; each message names what is wrong and the cure.

RailMatchError
├── SettingsError
├── DataError
├── ModelError
├── EndpointError
└── EngineError
"""

__all__ = ["DataError", "EndpointError", "EngineError", "ModelError", "RailMatchError", "SettingsError"]


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


class EngineError(RailMatchError):
    """A text could not be judged: the engine is closed, overloaded, or its forward pass failed."""
