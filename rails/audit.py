"""The audit log: one JSON object a line for every check, with hashes of the texts unless they are asked for."""

import hashlib
import json
import os
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..classifier.errors import SettingsError
from ..classifier.inputs import Exchange
from .verdict import Verdict


class AuditLog:
    """Appends to a file that only its owner may read; several threads and processes may share it.

    A hash says whether two texts were the same, and whether a known text was checked. It does not hide a text that can
    be guessed.
    """

    def __init__(self, file: Path, *, text: bool = False) -> None:
        """Open ``file`` for appending; with ``text`` the lines hold the texts themselves.

        Raises:
            SettingsError: the file cannot be written.
        """
        self._text = text
        self._writing = threading.Lock()
        try:
            self._file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            if stat.S_ISREG(os.fstat(self._file).st_mode):  # not /dev/stdout, which others use, too
                os.fchmod(self._file, 0o600)
        except OSError as error:
            raise SettingsError(
                f"the audit log {file} cannot be written: {error.strerror}; name another file"
            ) from error

    def __call__(self, verdict: Verdict, exchange: Exchange) -> None:
        """Write one line; a single write where the disk takes it, so that the lines of several processes do not mix.

        Raises:
            OSError: the disk is full; part of the line may have been written.
        """
        line: dict[str, Any] = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **verdict.as_dict()}
        line |= described(exchange, text=self._text)
        written = (json.dumps(line) + "\n").encode("ascii")
        with self._writing:
            while written:
                written = written[os.write(self._file, written) :]

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def described(exchange: Exchange, *, text: bool) -> dict[str, str]:
    """Give the texts of an exchange as fields of a line: their hashes, or with ``text`` themselves."""
    there = {name: value for name, value in exchange._asdict().items() if value is not None}
    return there if text else {f"{name}_sha256": _hash(value) for name, value in there.items()}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
