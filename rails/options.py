"""Settings made from a command's options and its ``--set KEY=VALUE`` pairs, with what is wrong in plain words."""

import difflib
from collections.abc import Sequence
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from ..classifier.errors import SettingsError


class OptionSettings(BaseModel):
    """Strict settings of a command; every field can be given as ``KEY=VALUE``."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @classmethod
    def from_options(cls, options: dict[str, Any], overrides: Sequence[str] = ()) -> Self:
        """Make settings from a command's options and ``KEY=VALUE`` pairs, whose values are read as YAML.

        Raises:
            SettingsError: a key or a value is not allowed.
        """
        values = {key: value for key, value in options.items() if value is not None}
        try:
            return cls.model_validate(values | dict(map(_parsed, overrides)))
        except ValidationError as error:
            raise SettingsError(_explain(error, list(cls.model_fields))) from error


def _parsed(override: str) -> tuple[str, Any]:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise SettingsError(f"--set {override}: write KEY=VALUE, such as --set device=cpu")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise SettingsError(f"--set {override}: the value is no YAML") from error


def _explain(error: ValidationError, known: list[str]) -> str:
    """Say of the first fault which setting it is in, what was given, and what is allowed."""
    fault = error.errors()[0]
    key = ".".join(str(part) for part in fault["loc"])
    if not key:
        return str(fault["ctx"]["error"])
    if fault["type"] != "extra_forbidden":
        return f"{key} is {fault['input']!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}"
    close = difflib.get_close_matches(key, known, n=1)
    return f"{key}: unknown setting; " + (f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}")
