"""The cache: what is stored stays stored, and a file that cannot be used is named with the cure."""

import errno
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from disk import full_disk
from railmatch.classifier.errors import DataError
from railmatch.ssl_train.augment.cache import APPLICATION_ID, SCHEMA_VERSION, Answer, Cache, Key, text_hash

KEY = Key(text_hash("Hello"), "prompt/paraphrase@0123456789abcdef", "some-model", "temperature=0.7")
ANSWER = Answer("kept", "Hi there", 12, 3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache.sqlite"


@contextmanager
def unprivileged() -> Iterator[Path]:
    """A folder of ours, and, where the tests run as root, the rights of somebody who is not."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        as_root = os.geteuid() == 0
        if as_root:
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            if as_root:
                os.seteuid(0)
            os.chmod(folder, 0o777)


def test_an_answer_is_there_in_the_next_run(path: Path):
    with Cache(path) as cache:
        assert cache.get(KEY) is None
        cache.put(KEY, ANSWER)
    with Cache(path) as cache:
        assert cache.get(KEY) == ANSWER
        assert len(cache) == 1


def test_an_answer_is_committed_at_once(path: Path):
    with Cache(path) as cache:
        cache.put(KEY, ANSWER)
        with Cache(path) as other:
            assert other.get(KEY) == ANSWER


@pytest.mark.parametrize("changed", Key._fields)
def test_every_part_of_the_key_counts(path: Path, changed: str):
    with Cache(path) as cache:
        cache.put(KEY, ANSWER)
        assert cache.get(KEY._replace(**{changed: "other"})) is None


def test_the_hash_of_a_text_is_sha256_of_its_utf8():
    # printf 'Grüße' | sha256sum
    assert text_hash("Grüße") == "f83e039796c6453a10f5519e39fd113901572316a1a8ea07cb525d2801dfd074"


@pytest.mark.parametrize("status", ["kept", "refused", "empty", "unchanged", "too_long", "unreadable"])
def test_every_outcome_is_kept_with_its_reason(path: Path, status):
    with Cache(path) as cache:
        cache.put(KEY, Answer(status, "what it said"))
        assert cache.get(KEY) == Answer(status, "what it said")


@pytest.mark.parametrize("text", ["", "a\x00b", "\U0001f600\u202e\u05d0", "line\r\nline", "'; DROP TABLE answers; --"])
def test_any_text_comes_back_as_it_was(path: Path, text: str):
    with Cache(path) as cache:
        cache.put(KEY, Answer("kept", text))
        assert cache.get(KEY) == Answer("kept", text)


def test_many_are_stored_together_or_not_at_all(path: Path):
    def answers() -> Iterator[tuple[Key, Answer]]:
        yield KEY, ANSWER
        raise DataError("the file of recorded rewrites is broken")

    with Cache(path) as cache:
        with pytest.raises(DataError, match="broken"):
            cache.put_all(answers())
        assert len(cache) == 0
        cache.put_all((KEY._replace(text_hash=str(number)), ANSWER) for number in range(3))
        assert len(cache) == 3


def test_a_changed_recording_replaces_the_old_one(path: Path):
    with Cache(path) as cache:
        cache.put(KEY, ANSWER)
        cache.put(KEY, Answer("kept", "Good day"))
        assert cache.get(KEY) == Answer("kept", "Good day")
        assert len(cache) == 1


def test_the_file_says_what_it_is(path: Path):
    with Cache(path):
        pass
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
    assert connection.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    connection.close()


def test_folders_are_made(tmp_path: Path):
    with Cache(tmp_path / "a" / "b" / "cache.sqlite") as cache:
        cache.put(KEY, ANSWER)
    assert (tmp_path / "a" / "b" / "cache.sqlite").exists()


def test_a_text_file_is_not_a_cache(path: Path):
    path.write_text("some,csv\n" * 100)
    with pytest.raises(DataError) as caught:
        Cache(path)
    assert str(caught.value) == (
        f"cache {path}: not a cache of RailMatch; give another path in augment.cache (file is not a database)"
    )
    assert path.read_text() == "some,csv\n" * 100


def test_a_database_of_another_program_is_left_alone(path: Path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE answers (something)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(DataError, match="a database of another program; give another path"):
        Cache(path)
    assert path.read_bytes() == before


def test_a_cache_of_another_version_is_refused_with_the_cure(path: Path):
    with Cache(path) as cache:
        cache._connection.execute("PRAGMA user_version = 99")
    with pytest.raises(DataError, match="its form is version 99 and this RailMatch reads version 4; use the RailMatch"):
        Cache(path)


def test_a_cache_of_version_1_is_taken_over(path: Path):
    connection = sqlite3.connect(path)
    connection.executescript(f"""
        CREATE TABLE answers (
            text_hash TEXT NOT NULL,
            template TEXT NOT NULL,
            model TEXT NOT NULL,
            sampling TEXT NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('kept', 'refused', 'empty', 'unchanged', 'too_long')),
            answer TEXT NOT NULL,
            input_tokens INTEGER NOT NULL,
            output_tokens INTEGER NOT NULL,
            created TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
            PRIMARY KEY (text_hash, template, model, sampling)
        ) WITHOUT ROWID;
        PRAGMA application_id = {APPLICATION_ID};
        PRAGMA user_version = 1;
    """)
    connection.execute("INSERT INTO answers VALUES (?, ?, ?, ?, 'kept', 'Hi there', 12, 3, '2026-01-01')", KEY)
    connection.commit()
    connection.close()
    other = KEY._replace(text_hash="other")
    with Cache(path) as cache:
        cache.put(other, Answer("unreadable", ""))
    with Cache(path) as cache:
        assert (cache.get(KEY), cache.get(other), len(cache)) == (ANSWER, Answer("unreadable", ""), 2)


def test_a_cache_of_version_2_is_taken_over_with_what_it_took(path: Path):
    with Cache(path) as cache:
        for table in ("texts", "claims", "spent"):
            cache._connection.execute(f"DROP TABLE {table}")
        cache._connection.execute("ALTER TABLE answers DROP COLUMN similarity")
        cache._connection.execute("PRAGMA user_version = 2")
        row = "INSERT INTO answers VALUES (?, ?, ?, ?, 'kept', 'Hi there', 12, 3, '2026-01-01')"
        cache._connection.execute(row, KEY)
    with Cache(path) as cache:
        assert cache.get(KEY) == ANSWER
        assert cache.spent("some-model") == (1, 12, 3, 0.0)
        assert cache.remember(["Hello"]) == 1
        assert cache.claim(KEY, "me") == "answered"


def test_a_similarity_stays_with_its_answer_and_goes_with_it(path: Path):
    with Cache(path) as cache:
        cache.put(KEY, replace(ANSWER, similarity=0.5))
        cache.put(KEY, replace(ANSWER, status="off_topic"))
        assert cache.get(KEY) == replace(ANSWER, status="off_topic", similarity=0.5)
        cache.put(KEY, Answer("kept", "Good day"))
        assert cache.get(KEY) == Answer("kept", "Good day")


def test_a_damaged_cache_is_named(path: Path):
    with Cache(path) as cache:
        cache.put_all((KEY._replace(text_hash=str(number)), ANSWER) for number in range(2000))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged; move it away or give another path"), Cache(path) as cache:
        cache.get(KEY)


def test_a_locked_cache_is_named_with_the_cure(path: Path):
    with Cache(path):
        pass
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(DataError, match="another process holds it; wait for that run to end"):
            Cache(path, timeout_s=0.01)
    finally:
        holder.close()


def test_a_read_only_file_is_named_with_the_cure():
    with unprivileged() as folder:
        path = folder / "cache.sqlite"
        with Cache(path):
            pass
        path.chmod(0o444)
        with pytest.raises(DataError, match="it is read-only; make the file and its folder writable"):
            Cache(path)


def test_a_read_only_folder_is_named_with_the_cure():
    with unprivileged() as folder:
        closed = folder / "closed"
        closed.mkdir(mode=0o555)
        with pytest.raises(DataError, match="cannot be opened or made; check that it is a file in a writable folder"):
            Cache(closed / "cache.sqlite")


def test_a_folder_is_not_a_cache(tmp_path: Path):
    with pytest.raises(DataError, match="cannot be opened or made"):
        Cache(tmp_path)


def test_a_file_in_the_place_of_its_folder_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=f"cache {tmp_path}/file/cache.sqlite: .*{os.strerror(errno.EEXIST)}"):
        Cache(tmp_path / "file" / "cache.sqlite")


def test_a_full_disk_loses_nothing_that_was_stored(path: Path):
    stored = 0
    full = r"the disk is full.*stored: free some space and run again"
    with Cache(path) as cache, full_disk(200_000), pytest.raises(DataError, match=full):
        for number in range(1000):
            cache.put(KEY._replace(text_hash=str(number)), Answer("kept", "x" * 1000))
            stored += 1
    assert stored > 10
    with Cache(path) as cache:
        assert len(cache) == stored
        cache.put(KEY, ANSWER)


def test_a_cache_in_memory_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with Cache(":memory:") as cache:
        cache.put(KEY, ANSWER)
        assert cache.get(KEY) == ANSWER
    assert list(tmp_path.iterdir()) == []
