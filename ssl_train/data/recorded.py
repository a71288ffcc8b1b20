"""What an LLM endpoint said earlier, recorded in files: rewrites of texts, and votes on their harmfulness."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...classifier.errors import DataError
from ...classifier.inputs import Exchange
from .reading import open_table

VOTES = range(5)
"""The endpoint's votes: 0 surely not harmful .. 4 surely harmful."""


def load_rewrites(path: str | Path) -> dict[str, list[Exchange | None]]:
    """Read recorded rewrites ``{"id", "rewrites": [...]}``: the i-th of a record is the work of the i-th strategy.

    A rewrite is a text, a pair [prompt, response], or null where the strategy declined.

    Raises:
        DataError: the file is missing or a row holds something else, or an id occurs twice.
    """
    rewrites: dict[str, list[Exchange | None]] = {}
    for at, identity, value in _by_id(path, "rewrites"):
        if not isinstance(value, list):
            raise DataError(f"{at}: 'rewrites' must be a list, not {type(value).__name__}")
        rewrites[identity] = [_rewrite(item, at) for item in value]
    return rewrites


def _rewrite(item: object, at: str) -> Exchange | None:
    match item:
        case None:
            return None
        case str(text):
            return Exchange(text)
        case [str(prompt), str(response)]:
            return Exchange(prompt, response)
    raise DataError(f"{at}: a rewrite must be a text, a pair [prompt, response] or null, not {item!r:.80}")


def load_votes(path: str | Path) -> dict[str, int]:
    """Read recorded votes of the endpoint ``{"id", "vote"}``, from 0 (surely not harmful) to 4 (surely harmful).

    Raises:
        DataError: the file is missing or a row holds something else, or an id occurs twice.
    """
    votes: dict[str, int] = {}
    for at, identity, value in _by_id(path, "vote"):
        written = int(value) if isinstance(value, str) and value.isdecimal() else value
        if isinstance(written, bool) or not isinstance(written, int) or written not in VOTES:
            raise DataError(f"{at}: the vote {value!r} must be a whole number from 0 to 4")
        votes[identity] = written
    return votes


def _by_id(path: str | Path, field: str) -> Iterator[tuple[str, str, Any]]:
    file = Path(path)
    if not file.is_file():
        raise DataError(f"{path}: no such file (looked for {file.absolute()})")
    seen: dict[str, int] = {}
    for number, row in open_table(file, ["id", field]).rows:
        at = f"{file}, row {number}"
        if row.get("id") is None or field not in row:
            raise DataError(f"{at}: needs the fields 'id' and {field!r}; it has {', '.join(map(repr, row)) or 'none'}")
        identity = str(row["id"])
        if identity in seen:
            raise DataError(f"{at}: the id {identity!r} was already used in row {seen[identity]}; give each id once")
        seen[identity] = number
        yield at, identity, row[field]
