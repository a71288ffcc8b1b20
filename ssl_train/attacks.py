"""Attacks on harmful texts, to measure a classifier with: recorded in files, or made by obfuscation."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..classifier.errors import DataError
from ..classifier.inputs import Exchange
from ..classifier.tasks import Task
from .data.reading import open_table
from .data.recorded import load_rewrites
from .data.records import Record
from .obfuscation import OBFUSCATIONS, Obfuscation

OBFUSCATION = "obfuscation"
"""The word that stands for the built-in attacks where the name of a file could stand."""

REWRITE = "rewrite"
"""The kind of an attack whose file holds recorded rewrites, which name none."""

FIELDS = ("id", "attack", "prompt", "response", "rewrites")


@dataclass(frozen=True, slots=True)
class Attack:
    """A harmful text in another form: the ``id`` of its record, the ``kind`` of attack, and what is judged instead."""

    id: str
    kind: str
    exchange: Exchange


def load_attacks(names: Sequence[str], records: Sequence[Record], task: Task) -> list[Attack]:
    """Give the attacks on the harmful records: of each name, those in the file, or the obfuscations.

    A file holds a row ``{"id", "attack": kind, "prompt"}`` for each attack (in the response task also ``"response"``,
    and the prompt may be left out where it stays the same), or recorded rewrites ``{"id", "rewrites": [...]}``. Rows of
    other ids are left out, as are attacks on records that are not harmful.

    Raises:
        DataError: a file is missing, a row holds something else, or a file has no attack on a harmful record.
    """
    harmful = {record.id: record.exchange for record in records if record.label == 1}
    return [attack for name in names for attack in _attacks(name, harmful, task)]


def _attacks(name: str, harmful: Mapping[str, Exchange], task: Task) -> list[Attack]:
    if name == OBFUSCATION:
        return list(_obfuscated(harmful))
    if not Path(name).is_file():
        raise DataError(
            f"--attacks {name}: no such file (looked for {Path(name).absolute()}); name a file of attacks, "
            f"or {OBFUSCATION!r} for the built-in ones"
        )
    found = list(_recorded(Path(name), harmful, task))
    if not found:
        raise DataError(
            f"{name}: no attack on any of the {len(harmful)} harmful examples; each row needs the id of the example "
            "that it attacks"
        )
    return found


def _obfuscated(harmful: Mapping[str, Exchange]) -> Iterator[Attack]:
    for kind, obfuscate in OBFUSCATIONS.items():
        for identity, exchange in harmful.items():
            changed = _judged_text_changed(exchange, obfuscate)
            if changed != exchange:  # a text without any letter of the kind was not attacked
                yield Attack(identity, kind, changed)


def _judged_text_changed(exchange: Exchange, obfuscate: Obfuscation) -> Exchange:
    if exchange.response is None:
        return Exchange(obfuscate(exchange.prompt))
    return Exchange(exchange.prompt, obfuscate(exchange.response))


def _recorded(path: Path, harmful: Mapping[str, Exchange], task: Task) -> Iterator[Attack]:
    rows = open_table(path, FIELDS).rows
    first = next(rows, None)
    if first is None:
        return
    if "rewrites" in first[1] and "attack" not in first[1]:
        yield from _rewrites(path, harmful, task)
        return
    for number, row in itertools.chain([first], rows):
        at = f"{path}, row {number}"
        for field in ("id", "attack"):
            if row.get(field) in (None, ""):
                raise DataError(f"{at}: needs the fields 'id' and 'attack' (the kind of attack); {field!r} is missing")
        original = harmful.get(str(row["id"]))
        if original is not None:
            yield Attack(str(row["id"]), str(row["attack"]), _attacked(row, original, task, at))


def _attacked(row: Mapping[str, Any], original: Exchange, task: Task, at: str) -> Exchange:
    def text(field: str, default: str | None = None) -> str:
        value = default if row.get(field) is None else row[field]
        if not isinstance(value, str):
            raise DataError(f"{at}: needs the attacked {field} as a text in the field {field!r}")
        return value

    if task == "prompt":
        return Exchange(text("prompt"))
    return Exchange(text("prompt", original.prompt), text("response"))


def _rewrites(path: Path, harmful: Mapping[str, Exchange], task: Task) -> Iterator[Attack]:
    for identity, rewrites in load_rewrites(path).items():
        for rewrite in rewrites:
            if rewrite is None or identity not in harmful:
                continue
            if (rewrite.response is None) != (task == "prompt"):
                wanted = "a text" if task == "prompt" else "a pair [prompt, response]"
                raise DataError(f"{path}: the rewrites of {identity!r} must each be {wanted}, to attack a {task}")
            yield Attack(identity, REWRITE, rewrite)
