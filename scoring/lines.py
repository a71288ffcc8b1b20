"""One line of output: what was found of one record, in the fields of the audit log."""

from typing import Any, NamedTuple

from ..rails.audit import described
from ..rails.verdict import Verdict
from ..ssl_train.data.records import Record

Line = dict[str, Any]
"""What a line of output holds, before it is written as JSON."""


class Origin(NamedTuple):
    """What all lines of a folder have in common; ``text`` says whether they hold texts or hashes."""

    task: str
    version: str
    threshold: float
    text: bool


def line_of(record: Record, verdict: Verdict, *, text: bool) -> Line:
    """Give a record's id and verdict, with hashes of its texts, or with ``text`` the texts."""
    line: Line = {
        "id": record.id, "decision": verdict.decision, "score": verdict.score, "threshold": verdict.threshold,
        "version": verdict.version, "task": verdict.task, "undone": list(verdict.undone),
    }  # fmt: skip
    if verdict.decision == "undecided":
        line["reason"] = verdict.reason
    return line | described(record.exchange, text=text)


def origin_of(line: Line) -> Origin:
    """Say which model at which threshold a line is of."""
    return Origin(line["task"], line["version"], line["threshold"], "prompt" in line)


def is_of(line: Line, record: Record) -> bool:
    """Say whether a line that was read back was written of this record."""
    about = described(record.exchange, text="prompt" in line)
    return line["id"] == record.id and all(line.get(name) == value for name, value in about.items())
