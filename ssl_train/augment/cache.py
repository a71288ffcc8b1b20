"""Every answer of the endpoint, in one SQLite file: what was paid for once is never asked again.

A row is committed the moment its answer arrives, so a kill loses only the calls in flight. The journal is a write-ahead
log with normal synchronisation: safe against a killed process, and a power cut loses the last moments, not the file.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from ...classifier.errors import DataError
from .quality import Status

APPLICATION_ID = 0x524D4152
SCHEMA_VERSION = 2
"""Version 1 named the outcomes that there could be in the table; they are the program's to say."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    text_hash TEXT NOT NULL,
    template TEXT NOT NULL,
    model TEXT NOT NULL,
    sampling TEXT NOT NULL,
    status TEXT NOT NULL,
    answer TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    created TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    PRIMARY KEY (text_hash, template, model, sampling)
) WITHOUT ROWID
"""
_UPGRADE = (
    "ALTER TABLE answers RENAME TO answers_of_version_1",
    _SCHEMA,
    "INSERT INTO answers SELECT * FROM answers_of_version_1",
    "DROP TABLE answers_of_version_1",
)
_WRITE = """
INSERT INTO answers (text_hash, template, model, sampling, status, answer, input_tokens, output_tokens)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET status = excluded.status, answer = excluded.answer, input_tokens = excluded.input_tokens,
    output_tokens = excluded.output_tokens, created = excluded.created
WHERE (status, answer) != (excluded.status, excluded.answer)
"""
_READ = """
SELECT status, answer, input_tokens, output_tokens FROM answers
WHERE text_hash = ? AND template = ? AND model = ? AND sampling = ?
"""


class Key(NamedTuple):
    """What an answer depends on; the same in every run and on every machine."""

    text_hash: str
    template: str
    model: str
    sampling: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the endpoint said about one text, judged; ``text`` is without its wrapping."""

    status: Status
    text: str
    input_tokens: int = 0
    output_tokens: int = 0


def text_hash(text: str) -> str:
    """Hash a text for its key: SHA-256 of its UTF-8 bytes, hexadecimal."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


class Cache:
    """An open cache file, to be used in a ``with`` block."""

    def __init__(self, path: str | Path, *, timeout_s: float = 10.0) -> None:
        """Open the cache at ``path``, made if it is missing; ``:memory:`` is one that is forgotten.

        ``timeout_s`` is how long another process may hold the file before this one gives up.

        Raises:
            DataError: the file is not a cache, is of another version, is locked, or cannot be written.
        """
        self.path = path
        with self._errors_named():
            if str(path) != ":memory:":
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            # Only one thread uses the connection at a time, but inside a notebook it is not the one that opened it.
            self._connection = sqlite3.connect(path, timeout=timeout_s, isolation_level=None, check_same_thread=False)
        try:
            with self._errors_named():
                self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def get(self, key: Key) -> Answer | None:
        """Look an answer up; None where the text was not asked yet.

        Raises:
            DataError: the file cannot be read.
        """
        with self._errors_named():
            row = self._connection.execute(_READ, key).fetchone()
        return None if row is None else Answer(*row)

    def put(self, key: Key, answer: Answer) -> None:
        """Store one answer and commit it.

        Raises:
            DataError: the disk is full, or the file is locked or cannot be written.
        """
        with self._errors_named():
            self._connection.execute(_WRITE, _row(key, answer))

    def put_all(self, answers: Iterable[tuple[Key, Answer]]) -> None:
        """Store many answers in one transaction: all of them or, on an error, none.

        Raises:
            DataError: the disk is full, or the file is locked or cannot be written.
        """
        with self._errors_named():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany(_WRITE, (_row(key, answer) for key, answer in answers))
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def __len__(self) -> int:
        """Count the stored answers."""
        with self._errors_named():
            return int(self._connection.execute("SELECT count(*) FROM answers").fetchone()[0])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def _prepare(self) -> None:
        version, application = self._number("user_version"), self._number("application_id")
        tables = self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if application != APPLICATION_ID and (tables or application or version):
            raise DataError(f"cache {self.path}: a database of another program; give another path in augment.cache")
        if tables and version not in (1, SCHEMA_VERSION):
            raise DataError(
                f"cache {self.path}: its form is version {version} and this RailMatch reads version {SCHEMA_VERSION}; "
                "use the RailMatch that made it, or give another path in augment.cache"
            )
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute("BEGIN IMMEDIATE")
        for statement in _UPGRADE if self._number("user_version") == 1 else (_SCHEMA,):
            self._connection.execute(statement)
        self._connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        self._connection.execute("COMMIT")

    def _number(self, pragma: str) -> int:
        return int(self._connection.execute(f"PRAGMA {pragma}").fetchone()[0])

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise DataError(f"cache {self.path}: {_explain(error)}") from error


def _row(key: Key, answer: Answer) -> tuple[str | int, ...]:
    return (*key, answer.status, answer.text, answer.input_tokens, answer.output_tokens)


def _explain(error: sqlite3.Error | OSError) -> str:
    """Say what an error of the file means and what to do about it."""
    said = str(error)
    cures = {
        "not a database": "not a cache of RailMatch; give another path in augment.cache",
        "malformed": "the file is damaged; move it away or give another path in augment.cache",
        "locked": "another process holds it; wait for that run to end, or give another path in augment.cache",
        "readonly": "it is read-only; make the file and its folder writable, or give another path in augment.cache",
        "full": "the disk is full; what was answered is stored: free some space and run again",
        "disk I/O error": "the disk is full or failing; what was answered is stored: free some space and run again",
        "unable to open": "cannot be opened or made; check that it is a file in a writable folder (augment.cache)",
    }
    cure = next((cure for words, cure in cures.items() if words in said), "give another path in augment.cache")
    return f"{cure} ({said})"
