"""Which questions wait for their answer in a batch: kept in the cache file, so that a killed run finds them again.

A batch is noted before it is made. One without an id is being made, or its process was killed meanwhile; the endpoint
is then asked whether it has a batch of that name. A question's row goes with the booking of its answer, so an answer
that two runs fetch is booked once.
"""

import time
import uuid
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .cache import Answer, Cache, Key, book

_OF_KEY = "WHERE text_hash = ? AND template = ? AND model = ? AND sampling = ?"


class StoredBatch(NamedTuple):
    """A batch: our own ``name`` of it, the endpoint's ``id``, None until it is known, and whose process made it."""

    name: str
    id: str | None
    address: str
    owner: str
    created: float


Booked = tuple[Key, Answer, float | None]
"""A question, its answer, and what that cost."""


class BatchStore:
    """The batches of a cache."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def note(self, keys: Iterable[Key], address: str, owner: str) -> StoredBatch:
        """Note a batch that is about to be made of claimed questions, whose claims are lifted.

        Raises:
            DataError: the cache cannot be written.
        """
        batch = StoredBatch(uuid.uuid4().hex, None, address, owner, time.time())
        with self._cache.transaction() as connection:
            connection.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?)", batch)
            for key in keys:
                connection.execute("INSERT INTO batched VALUES (?, ?, ?, ?, ?)", (*key, batch.name))
                connection.execute(f"DELETE FROM claims {_OF_KEY}", key)
        return batch

    def made(self, name: str, identity: str) -> None:
        """Note what the endpoint calls a batch.

        Raises:
            DataError: the cache cannot be written.
        """
        with self._cache.transaction() as connection:
            connection.execute("UPDATE batches SET id = ? WHERE name = ?", (identity, name))

    def disown(self, name: str) -> None:
        """Note that nobody is making a batch any more.

        Raises:
            DataError: the cache cannot be written.
        """
        with self._cache.transaction() as connection:
            connection.execute("UPDATE batches SET owner = '' WHERE name = ?", (name,))

    def drop(self, name: str) -> None:
        """Forget a batch, whose questions may be asked anew.

        Raises:
            DataError: the cache cannot be written.
        """
        with self._cache.transaction() as connection:
            connection.execute("DELETE FROM batched WHERE batch = ?", (name,))
            connection.execute("DELETE FROM batches WHERE name = ?", (name,))

    def of(self, key: Key) -> StoredBatch | None:
        """Find the batch in which a question waits.

        Raises:
            DataError: the cache cannot be read.
        """
        query = f"SELECT batches.* FROM batched JOIN batches ON name = batch {_OF_KEY}"
        rows = self._cache.rows(query, tuple(key))
        return StoredBatch(*rows[0]) if rows else None

    def named(self, name: str) -> StoredBatch | None:
        """Give a batch as it stands now; None where it is settled or dropped.

        Raises:
            DataError: the cache cannot be read.
        """
        rows = self._cache.rows("SELECT * FROM batches WHERE name = ?", (name,))
        return StoredBatch(*rows[0]) if rows else None

    def waiting(self, model: str) -> int:
        """Count the questions to a model that wait in batches.

        Raises:
            DataError: the cache cannot be read.
        """
        return int(self._cache.rows("SELECT count(*) FROM batched WHERE model = ?", (model,))[0][0])

    def settle(self, name: str, booked: Sequence[Booked], unanswered: Iterable[Key] = ()) -> set[Key]:
        """Store and book answers of a batch and give up what has none; gives the keys that were still waiting.

        Raises:
            DataError: the cache cannot be written.
        """
        with self._cache.transaction() as connection:

            def taken(key: Key) -> bool:
                return connection.execute(f"DELETE FROM batched {_OF_KEY} AND batch = ?", (*key, name)).rowcount > 0

            settled = {key for key in unanswered if taken(key)}
            for key, answer, cost in booked:
                if taken(key):
                    book(connection, key, answer, cost)
                    settled.add(key)
            left = connection.execute("SELECT 1 FROM batched WHERE batch = ? LIMIT 1", (name,)).fetchone()
            if not left:
                connection.execute("DELETE FROM batches WHERE name = ?", (name,))
        return settled
