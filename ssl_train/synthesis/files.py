"""The files of a run: the data set, a table for each round, the counts, decisions, and which seeds were withdrawn."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...classifier.errors import DataError
from ...classifier.storage import write_text_atomically

DATA = "data.jsonl"
SUMMARY = "summary.json"
WITHDRAWN = "withdrawn.json"
DECISIONS = "decisions.jsonl"
ROUNDS = "rounds"

REVIEW_FIELDS = ("id", "why", "label", "category", "judges", "score", "seed", "prompt", "response", "decision")

Fields = Mapping[str, Any]


def write_rows(path: Path, rows: Iterable[Fields]) -> None:
    """Write one JSON object a line."""
    write_text_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read what ``write_rows`` wrote.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); run railmatch synthesize again, which writes it") from None


def tables(folder: Path) -> list[Path]:
    """List the tables of the rounds, in their order."""
    return sorted((folder / ROUNDS).glob("*_*.jsonl"), key=lambda path: (int(path.stem.partition("_")[0]), path.stem))


def round_of(table: Path) -> str:
    """Name the round of a table."""
    return table.stem.partition("_")[2]


def table_of(folder: Path, name: str) -> Path:
    """Give the place of the table of a round that comes after the others."""
    others = [path for path in tables(folder) if round_of(path) != name]
    return folder / ROUNDS / f"{len(others) + 1}_{name}.jsonl"


def read_summary(folder: Path) -> dict[str, Any]:
    """Read the counts of all rounds.

    Raises:
        DataError: the file is missing or damaged.
    """
    path = folder / SUMMARY
    try:
        summary: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); run railmatch synthesize again, which writes it") from None
    return summary


def write_summary(folder: Path, summary: Fields) -> None:
    """Write the counts of all rounds."""
    write_text_atomically(folder / SUMMARY, json.dumps(summary, indent=2, ensure_ascii=False) + "\n")


def withdrawn_seeds(folder: Path) -> list[str]:
    """Name the seeds that were withdrawn from a folder; none where there is no list.

    Raises:
        DataError: the list is damaged.
    """
    path = folder / WITHDRAWN
    if not path.exists():
        return []
    try:
        return [str(seed) for seed in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); it must hold a JSON list of the seeds' ids") from None


def write_withdrawn(folder: Path, seeds: Sequence[str]) -> None:
    """Note which seeds are withdrawn."""
    write_text_atomically(folder / WITHDRAWN, json.dumps(sorted(seeds), ensure_ascii=False) + "\n")


def write_review(path: Path, rows: Iterable[Fields]) -> None:
    """Write records for a person as CSV, with an empty column for the decision.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, REVIEW_FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _harmless(str(row.get(name, ""))) for name in REVIEW_FIELDS} for row in rows)
    write_text_atomically(path, text.getvalue())


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
