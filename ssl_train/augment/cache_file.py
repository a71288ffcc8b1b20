"""The form of a cache file: its tables, how older forms are taken over, and what the errors of a file mean.

``answers`` holds what an endpoint said, ``texts`` what it was said about, so that a person can look at both side by
side, ``claims`` what some process is asking right now, ``spent`` what all runs together took, by model, and
``batches`` and ``batched`` what was handed to the endpoint as a batch and waits there for its answer.
"""

import sqlite3
from pathlib import Path

from ...classifier.errors import DataError

APPLICATION_ID = 0x524D4152
SCHEMA_VERSION = 4
"""Version 1 named the outcomes that there could be in the table; 2 had the answers alone; 3 knew no batches."""

_ANSWERS = """
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
    similarity REAL,
    PRIMARY KEY (text_hash, template, model, sampling)
) WITHOUT ROWID
"""
_TEXTS = """
CREATE TABLE IF NOT EXISTS texts (
    text_hash TEXT PRIMARY KEY,
    text TEXT NOT NULL
) WITHOUT ROWID
"""
_CLAIMS = """
CREATE TABLE IF NOT EXISTS claims (
    text_hash TEXT NOT NULL,
    template TEXT NOT NULL,
    model TEXT NOT NULL,
    sampling TEXT NOT NULL,
    owner TEXT NOT NULL,
    expires REAL NOT NULL,
    PRIMARY KEY (text_hash, template, model, sampling)
) WITHOUT ROWID
"""
_SPENT = """
CREATE TABLE IF NOT EXISTS spent (
    model TEXT PRIMARY KEY,
    calls INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cost REAL NOT NULL
) WITHOUT ROWID
"""
_BATCHES = """
CREATE TABLE IF NOT EXISTS batches (
    name TEXT PRIMARY KEY,
    id TEXT,
    address TEXT NOT NULL,
    owner TEXT NOT NULL,
    created REAL NOT NULL
) WITHOUT ROWID
"""
_BATCHED = """
CREATE TABLE IF NOT EXISTS batched (
    text_hash TEXT NOT NULL,
    template TEXT NOT NULL,
    model TEXT NOT NULL,
    sampling TEXT NOT NULL,
    batch TEXT NOT NULL,
    PRIMARY KEY (text_hash, template, model, sampling)
) WITHOUT ROWID
"""
_BY_BATCH = "CREATE INDEX IF NOT EXISTS batched_by_batch ON batched (batch)"
_SCHEMA = (_ANSWERS, _TEXTS, _CLAIMS, _SPENT, _BATCHES, _BATCHED, _BY_BATCH)
_ANSWERS_TAKEN_OVER = (
    "ALTER TABLE answers RENAME TO answers_of_before",
    _ANSWERS,
    "INSERT INTO answers SELECT *, NULL FROM answers_of_before",
    "DROP TABLE answers_of_before",
    *_SCHEMA,
    """
    INSERT INTO spent SELECT model, count(*), sum(input_tokens), sum(output_tokens), 0 FROM answers
    WHERE input_tokens + output_tokens > 0 GROUP BY model
    """,
)
_WITH_ANSWERS_ALONE = (1, 2)
_KNOWN = (*_WITH_ANSWERS_ALONE, 3, SCHEMA_VERSION)


def prepare(connection: sqlite3.Connection, path: str | Path) -> None:
    """Make the tables of a new file, or take over those of an older RailMatch.

    Raises:
        DataError: the file is of another program, or of a newer RailMatch.
        sqlite3.Error: it cannot be read or written.
    """
    _require_ours(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("BEGIN IMMEDIATE")
    for statement in _ANSWERS_TAKEN_OVER if _number(connection, "user_version") in _WITH_ANSWERS_ALONE else _SCHEMA:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def _require_ours(connection: sqlite3.Connection, path: str | Path) -> None:
    # In one transaction, because another process may be making the file right now.
    connection.execute("BEGIN")
    version, application = _number(connection, "user_version"), _number(connection, "application_id")
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    connection.execute("COMMIT")
    if application != APPLICATION_ID and (tables or application or version):
        raise DataError(f"cache {path}: a database of another program; give another path in augment.cache")
    if tables and version not in _KNOWN:
        raise DataError(
            f"cache {path}: its form is version {version} and this RailMatch reads version {SCHEMA_VERSION}; "
            "use the RailMatch that made it, or give another path in augment.cache"
        )


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])


def explain(error: sqlite3.Error | OSError) -> str:
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
