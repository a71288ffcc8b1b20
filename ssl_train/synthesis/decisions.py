"""What a person decided about records of a data set: a line for each decision, on the disk before it counts as saved.

Lines are only ever added, and the last about a record counts, so a crash loses no decision that was shown as saved.
"""

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from ...classifier.errors import DataError
from ...classifier.storage import write_text_atomically
from ...classifier.tasks import LABELS
from . import files

DROP = "drop"
UNDO = "undo"
CHOICES = (*LABELS, DROP)
"""A record gets the label that is named, its own or the other, or leaves the data set."""


def read_decisions(folder: Path) -> dict[str, str]:
    """Give the decision on each record, one of ``CHOICES``, by the record's id; none where nothing was decided.

    Raises:
        DataError: the file is damaged.
    """
    decisions: dict[str, str] = {}
    for row in _lines(folder / files.DECISIONS):
        decisions.pop(row["id"], None)
        if row["decision"] != UNDO:
            decisions[row["id"]] = row["decision"]
    return decisions


def add_decisions(folder: Path, decisions: Mapping[str, str]) -> None:
    """Add decisions, one of ``CHOICES`` or ``UNDO`` by the record's id, and return when they are on the disk.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    lines = "".join(_line(identity, decision) for identity, decision in decisions.items())
    with (folder / files.DECISIONS).open("ab+") as file:
        _cut_torn_line(file)
        file.write(lines.encode())
        file.flush()
        os.fsync(file.fileno())


def forget_decisions(folder: Path, ids: Iterable[str]) -> None:
    """Remove what was decided about the records ``ids``, which leave the data set for good.

    Raises:
        DataError: the file is damaged.
    """
    gone = set(ids)
    known = read_decisions(folder)
    if known.keys() & gone:
        left = (_line(identity, decision) for identity, decision in known.items() if identity not in gone)
        write_text_atomically(folder / files.DECISIONS, "".join(left))


def decisions_of_table(path: Path, known: Iterable[str]) -> dict[str, str]:
    """Read the column ``decision`` of a review file that a person has filled in; empty cells decide nothing.

    Raises:
        DataError: the file cannot be read, has no such columns, or names a record or a decision that there is not.
    """
    ids = set(known)
    decisions = {}
    for number, row in enumerate(_table(path), 2):
        identity, decision = row["id"].strip(), row["decision"].strip().lower()
        if decision and decision not in CHOICES:
            raise DataError(
                f"{path}, row {number}: unknown decision {decision!r}; write {_choices()}, or leave it empty"
            )
        if decision and identity not in ids:
            raise DataError(
                f"{path}, row {number}: the data set has no record {identity!r}; a spreadsheet may have changed the id"
            )
        if decision:
            decisions[identity] = decision
    return decisions


def _choices() -> str:
    return f"{', '.join(CHOICES[:-1])} or {CHOICES[-1]}"


def _table(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            if not {"id", "decision"} <= set(reader.fieldnames or ()):
                raise DataError(f"{path}: no columns 'id' and 'decision'; give the file that synthesize --review wrote")
            return list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as CSV in UTF-8 ({error})") from None


def _line(identity: str, decision: str) -> str:
    return json.dumps({"id": identity, "decision": decision}, ensure_ascii=False) + "\n"


def _lines(path: Path) -> Iterator[dict[str, str]]:
    """List the whole lines: one without its end was torn by a crash before it counted as saved."""
    if not path.exists():
        return
    try:
        *whole, _torn = path.read_text(encoding="utf-8", errors="replace").split("\n")
        for number, line in enumerate(whole, 1):
            row = json.loads(line)
            if not isinstance(row, dict) or row.get("decision") not in (*CHOICES, UNDO) or "id" not in row:
                raise ValueError(f"line {number} is no decision")
            yield row
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); remove the damaged lines, or the file") from None


def _cut_torn_line(file: BinaryIO) -> None:
    file.seek(0)
    content = file.read()
    if not content.endswith(b"\n"):
        file.truncate(content.rfind(b"\n") + 1)
