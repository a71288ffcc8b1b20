"""What comes of the rounds' tables: the data set, with what a person decided about it, and the counts."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...classifier.errors import DataError
from . import files
from .decisions import DROP, read_decisions
from .table import HEAD, Row, counts

REVIEW = "review"
"""The table of a person's decisions, which is the last one."""

Record = Mapping[str, Any]


def write_tables(folder: Path, rounds: Mapping[str, Iterable[Row]]) -> None:
    """Write the rounds' tables; those of a run with other rounds go only when the new ones are there."""
    earlier = set(files.tables(folder))
    places = [folder / files.ROUNDS / f"{number}_{name}.jsonl" for number, name in enumerate(rounds, 1)]
    for path, rows in zip(places, rounds.values(), strict=True):
        files.write_rows(path, (row.as_dict() for row in rows))
    for path in earlier.difference(places):
        path.unlink()


def proposed(folder: Path) -> list[dict[str, Any]]:
    """List the records that the last round accepted, before a person's decisions.

    Raises:
        DataError: there is no data set in the folder, or its tables are damaged.
    """
    tables = [path for path in files.tables(folder) if files.round_of(path) != REVIEW]
    if not tables:
        raise DataError(f"{folder}: no data set of railmatch synthesize; name the folder that its --out named")
    return [_record(row) for row in files.read_rows(tables[-1]) if row["decision"] == "accepted"]


def write_outcome(folder: Path, *, seeds: int | None = None) -> dict[str, Any]:
    """Write the data set, the table of decisions and the counts of ``folder`` by its rounds' tables and decisions.

    ``seeds`` is the number of seeds that the rounds began with; left out, it is as it was. Gives the counts.

    Raises:
        DataError: there is no data set in the folder, or a file of it is damaged.
    """
    reviewed = review_table(proposed(folder), read_decisions(folder))
    table = files.table_of(folder, REVIEW)
    rows = [row for row in reviewed if row["check"] == REVIEW]
    if rows:
        files.write_rows(table, rows)
    files.write_rows(folder / files.DATA, [_record(row) for row in reviewed if row["decision"] == "accepted"])
    if not rows:
        table.unlink(missing_ok=True)
    counted = {files.round_of(path): counts(files.read_rows(path)) for path in files.tables(folder)}
    records = sum(row["decision"] == "accepted" for row in reviewed)
    begun = files.read_summary(folder)["seeds"] if seeds is None else seeds
    summary = {"seeds": begun, "records": records, "rounds": counted}
    files.write_summary(folder, summary)
    return summary


def review_table(records: Sequence[Record], decisions: Mapping[str, str]) -> list[dict[str, Any]]:
    """Give a row for every record; those that a person decided about have ``review`` as their check."""
    return [_decided(record, decisions.get(record["id"])) for record in records]


def _decided(record: Record, decision: str | None) -> dict[str, Any]:
    if decision is None:
        return {"decision": "accepted", "check": "", "reason": "", **record}
    if decision == DROP:
        return {"decision": "rejected", "check": REVIEW, "reason": "a person dropped it", **record}
    kept = decision == record["label"]
    reason = "a person confirmed the label" if kept else f"a person says {decision}, not {record['label']}"
    changed = {"label": decision, "review": "confirmed" if kept else "relabelled"}
    return {"decision": "accepted", "check": REVIEW, "reason": reason, **record, **changed}


def without_names(rows: Sequence[Record], ids: set[str]) -> list[dict[str, Any]]:
    """Take the ids of texts that are gone out of the reasons against others."""
    return [{**row, "reason": _LIKE.sub(lambda match: _unnamed(match, ids), row["reason"])} for row in rows]


_LIKE = re.compile(r"\A(same text as|near copy of|same meaning as) (.+?)( \(\d\.\d\d\))?\Z", re.DOTALL)
"""The reasons of ``duplicates``, which name another text."""


def _unnamed(match: re.Match[str], ids: set[str]) -> str:
    return f"{match[1]} a withdrawn text{match[3] or ''}" if match[2] in ids else match[0]


def _record(row: Record) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in HEAD}
