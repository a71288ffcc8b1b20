"""Every answer of the endpoint, in one SQLite file: what was paid for once is never asked again.

A row is committed the moment its answer arrives, so a kill loses only the calls in flight. The journal is a write-ahead
log with normal synchronisation: safe against a killed process, and a power cut loses the last moments, not the file.
"""

import hashlib
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from ...classifier.errors import DataError
from .cache_file import APPLICATION_ID, SCHEMA_VERSION, explain, prepare
from .claims import LEASE_S, has_ended
from .quality import Status

__all__ = ["APPLICATION_ID", "SCHEMA_VERSION", "Answer", "Cache", "Key", "Spent", "book", "text_hash"]

_WRITE = """
INSERT INTO answers (text_hash, template, model, sampling, status, answer, input_tokens, output_tokens, similarity)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET status = excluded.status, input_tokens = excluded.input_tokens,
    output_tokens = excluded.output_tokens, created = excluded.created, answer = excluded.answer,
    similarity = coalesce(excluded.similarity, CASE WHEN answer = excluded.answer THEN similarity END)
WHERE (status, answer) != (excluded.status, excluded.answer)
    OR similarity IS NOT coalesce(excluded.similarity, similarity)
"""
_OF_KEY = "WHERE text_hash = ? AND template = ? AND model = ? AND sampling = ?"
_READ = f"SELECT status, answer, input_tokens, output_tokens, similarity FROM answers {_OF_KEY}"
_SPEND = """
INSERT INTO spent VALUES (?, 1, ?, ?, ?)
ON CONFLICT DO UPDATE SET calls = calls + 1, input_tokens = input_tokens + excluded.input_tokens,
    output_tokens = output_tokens + excluded.output_tokens, cost = cost + excluded.cost
"""
_TEXTS_A_TRANSACTION = 1000

Claim = Literal["ours", "theirs", "answered", "batched"]
"""What became of a claim: the text is ours to ask about, another process is asking, its answer is there, or on its way
in a batch."""


class Key(NamedTuple):
    """What an answer depends on; the same in every run and on every machine."""

    text_hash: str
    template: str
    model: str
    sampling: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the endpoint said about one text, judged; ``text`` is without its wrapping.

    ``similarity`` is the cosine of the embeddings of a text and its rewrite, None where it was not measured.
    """

    status: Status
    text: str
    input_tokens: int = 0
    output_tokens: int = 0
    similarity: float | None = None


class Spent(NamedTuple):
    """What the answers of a model took, in all runs on a cache; ``cost`` is that of calls whose prices were known."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0


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
                prepare(self._connection, path)
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
        with self.transaction():
            self._connection.executemany(_WRITE, (_row(key, answer) for key, answer in answers))

    def remember(self, texts: Iterable[str]) -> int:
        """Keep texts beside the answers about them, for people to read, and count them, however often one occurs.

        Raises:
            DataError: the disk is full, or the file is locked or cannot be written.
        """
        count = 0
        # Small transactions, because another process cannot write meanwhile.
        rest = iter(texts)
        while some := list(islice(rest, _TEXTS_A_TRANSACTION)):
            count += len(some)
            with self.transaction():
                rows = ((text_hash(text), text) for text in some)
                self._connection.executemany("INSERT OR IGNORE INTO texts VALUES (?, ?)", rows)
        return count

    def claim(self, key: Key, owner: str) -> Claim:
        """Reserve the question ``key`` for ``owner``, unless it is answered, in a batch, or another process is asking.

        Raises:
            DataError: the file cannot be written.
        """
        now = time.time()
        with self.transaction():
            if self._connection.execute(f"SELECT 1 FROM answers {_OF_KEY}", key).fetchone():
                return "answered"
            if self._connection.execute(f"SELECT 1 FROM batched {_OF_KEY}", key).fetchone():
                return "batched"
            held = self._connection.execute(f"SELECT owner, expires FROM claims {_OF_KEY}", key).fetchone()
            if held and held[0] != owner and held[1] > now and not has_ended(held[0]):
                return "theirs"
            row = (*key, owner, now + LEASE_S)
            self._connection.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?, ?)", row)
            return "ours"

    def in_batch(self, key: Key) -> bool:
        """Tell whether the answer to a question is on its way in a batch, so that asking for it takes nothing more.

        Raises:
            DataError: the file cannot be read.
        """
        return bool(self.rows(f"SELECT 1 FROM batched {_OF_KEY}", tuple(key)))

    def renew(self, owner: str) -> None:
        """Let the claims of ``owner`` stand for another while.

        Raises:
            DataError: the file cannot be written.
        """
        with self._errors_named():
            values = (time.time() + LEASE_S, owner)
            self._connection.execute("UPDATE claims SET expires = ? WHERE owner = ?", values)

    def release(self, owner: str, key: Key | None = None) -> None:
        """Give up the claim on ``key``, or all claims of ``owner``.

        Raises:
            DataError: the file cannot be written.
        """
        with self._errors_named():
            if key is None:
                self._connection.execute("DELETE FROM claims WHERE owner = ?", (owner,))
            else:
                self._connection.execute(f"DELETE FROM claims {_OF_KEY} AND owner = ?", (*key, owner))

    def settle(self, key: Key, answer: Answer, cost: float | None) -> None:
        """Store an answer of the endpoint, book what it took, and lift the claim on its question, all in one.

        Raises:
            DataError: the disk is full, or the file is locked or cannot be written.
        """
        with self.transaction() as connection:
            book(connection, key, answer, cost)
            connection.execute(f"DELETE FROM claims {_OF_KEY}", key)

    def forget(self, key: Key, answer: Answer) -> None:
        """Let a question be asked anew whose answer is still ``answer``.

        Raises:
            DataError: the file is locked or cannot be written.
        """
        with self._errors_named():
            values = (*key, answer.status, answer.text)
            self._connection.execute(f"DELETE FROM answers {_OF_KEY} AND status = ? AND answer = ?", values)

    def spent(self, model: str) -> Spent:
        """Say what the answers of ``model`` took in all runs on this cache.

        Raises:
            DataError: the file cannot be read.
        """
        query = "SELECT calls, input_tokens, output_tokens, cost FROM spent WHERE model = ?"
        with self._errors_named():
            row = self._connection.execute(query, (model,)).fetchone()
        return Spent(*row) if row else Spent()

    def rows(self, query: str, values: tuple[object, ...] = ()) -> list[Any]:
        """Give what a query finds, for statistics.

        Raises:
            DataError: the file cannot be read.
        """
        with self._errors_named():
            return self._connection.execute(query, values).fetchall()

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

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for several statements, all or none of which are kept.

        Raises:
            DataError: the disk is full, or the file is locked or cannot be written.
        """
        with self._errors_named():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise DataError(f"cache {self.path}: {explain(error)}") from error


def book(connection: sqlite3.Connection, key: Key, answer: Answer, cost: float | None) -> None:
    """Store an answer of the endpoint and what it took, within a transaction."""
    connection.execute(_WRITE, _row(key, answer))
    connection.execute(_SPEND, (key.model, answer.input_tokens, answer.output_tokens, cost or 0.0))


def _row(key: Key, answer: Answer) -> tuple[str | int | float | None, ...]:
    return (*key, answer.status, answer.text, answer.input_tokens, answer.output_tokens, answer.similarity)
