"""The file of results, which several processes add to at once: each first claims the cell that it is about to run."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

Row = dict[str, Any]


class Results:
    """JSON lines, one a finished cell.

    A claim is a lock on a small file in a folder beside the results. The operating system takes it back from a process
    that has died, so that nothing is ever left claimed.
    """

    def __init__(self, file: Path) -> None:
        """Take the file, which need not be there; its folder must."""
        self._file = file
        self._claims = file.with_name(f"{file.name}.claims")

    def rows(self) -> list[Row]:
        """Read all results; a last line that was not written to its end does not count."""
        if not self._file.is_file():
            return []
        whole, _, _ = self._file.read_text(encoding="utf-8").rpartition("\n")
        return [json.loads(line) for line in whole.splitlines() if line]

    def add(self, row: Row) -> None:
        """Append a result, after whatever others have appended."""
        self._claims.mkdir(exist_ok=True)
        with FileLock(self._claims / "results.lock"), self._file.open("a+b") as file:
            file.seek(0)
            held = file.read()
            if not held.endswith(b"\n"):  # a process died while it wrote
                file.truncate(held.rfind(b"\n") + 1)
            file.write(json.dumps(row).encode() + b"\n")

    @contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """Claim a cell by a name that no other has, and tell whether it is ours; it is given back at the end."""
        self._claims.mkdir(exist_ok=True)
        lock = FileLock(self._claims / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()
