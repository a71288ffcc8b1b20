"""Say what is wrong with a recipe in the words of someone who writes one, not in those of the validating library."""

import difflib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Place = tuple[str | int, ...]
"""Where a value stands: the keys and list positions that lead to it."""

OTHER_KIND = frozenset({"string_type", "float_type", "literal_error", "list_type", "model_type"})
"""Errors that only say that a value is of another kind: the member of a union was not meant."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One wrong setting: where it stands, and what is wrong with it and the cure."""

    place: Place
    message: str


def problems_of(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """Translate the errors of validating by ``model``.

    Where several kinds of value are allowed (a file, a list, a section), the library names the faults of every kind;
    only those of the kind that was likeliest meant, the one with the fewest, are kept.
    """
    return list(_sift(error.errors(include_url=False), model, (), 0))


def _sift(errors: Sequence[ErrorDetails], kind: Any, place: Place, depth: int) -> Iterator[Problem]:
    """Translate ``errors`` that are alike up to ``depth`` of their ``loc``, where ``place`` should hold a ``kind``."""
    members = _members(kind)
    inner: defaultdict[str | int, list[ErrorDetails]] = defaultdict(list)
    for error in errors:
        rest = error["loc"][depth:]
        if not rest or (error["type"] == "extra_forbidden" and len(rest) == 1):
            yield Problem((*place, *rest), _message(error, members[0]))
        else:
            inner[rest[0]].append(error)
    if len(members) > 1 and inner:  # the library then puts the member's name into loc
        yield from _sift_union(inner, members, place, depth)
        return
    for part, below in inner.items():
        yield from _sift(below, _child(members[0], part), (*place, part), depth + 1)


def _sift_union(
    inner: dict[str | int, list[ErrorDetails]], members: Sequence[Any], place: Place, depth: int
) -> Iterator[Problem]:
    meant = {
        name: errors
        for name, errors in inner.items()
        if not all(error["type"] in OTHER_KIND and len(error["loc"]) == depth + 1 for error in errors)
    }
    if not meant:
        value = next(iter(inner.values()))[0]["input"]
        kinds = " or ".join(_described(member) for member in members)
        yield Problem(place, f"{value!r} is not allowed; it should be {kinds}")
        return
    name, errors = min(meant.items(), key=lambda item: len(item[1]))
    member = next(member for member in members if _name(member) == str(name).partition("[")[0])
    yield from _sift(errors, member, place, depth + 1)


def _members(kind: Any) -> list[Any]:
    members = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    return [member for member in members if member is not NoneType]


def _child(kind: Any, part: str | int) -> Any:
    if _is_section(kind):
        return kind.model_fields[part].annotation
    return get_args(kind)[-1] if get_args(kind) else Any


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _name(kind: Any) -> str:
    return str((get_origin(kind) or kind).__name__)


def _described(kind: Any) -> str:
    if _is_section(kind):
        needed = [name for name, field in kind.model_fields.items() if field.is_required()]
        return f"a section with {', '.join(needed)}"
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, get_args(kind)))
    return {"str": "a text", "list": "a list", "float": "a number"}.get(_name(kind), f"a value of type {_name(kind)}")


def _message(error: ErrorDetails, kind: Any) -> str:
    """Word one error; ``kind`` is what was expected, for an unknown key the section that it stands in."""
    value = error["input"]
    match error["type"]:
        case "extra_forbidden":
            known = list(kind.model_fields)
            return f"unknown key{did_you_mean(error['loc'][-1], known) or '.'} Known here: {', '.join(known)}"
        case "missing":
            return "is missing"
        case "literal_error":
            expected = error["ctx"]["expected"]
            allowed = re.findall("'([^']*)'", expected)
            return f"{value!r} is not one of {expected}{did_you_mean(value, allowed)}"
        case "model_type":
            return f"{value!r} is not a section; write its keys below it: {', '.join(kind.model_fields)}"
        case "value_error":
            reason = str(error["ctx"]["error"])
            return reason if isinstance(value, dict) else f"{value!r}: {reason}"
    return f"{value!r} is not allowed: {error['msg'].replace('Input should', 'it should', 1)}"


def did_you_mean(word: object, known: Sequence[str]) -> str:
    """Give '; did you mean ...?' with the nearest of the ``known`` words, or nothing where none is near."""
    close = difflib.get_close_matches(str(word), known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
