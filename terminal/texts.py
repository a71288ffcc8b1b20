"""Read the one text that a command is about: from an argument, a file or standard input."""

import sys
from pathlib import Path

from ..classifier.errors import SettingsError


def read_text(argument: str | None, file: Path | None) -> str:
    """Give the text of ``argument``, or what ``file`` holds; ``-`` in either stands for standard input.

    Raises:
        SettingsError: none or both are given, or the text is not UTF-8.
        OSError: the file cannot be read.
    """
    if (argument is None) == (file is None):
        raise SettingsError('Give one text: as an argument, with --file FILE, or as "-" on standard input.')
    if "-" in (argument, str(file)):
        return _decode(sys.stdin.buffer.read(), "Standard input")
    if file is not None:
        return _decode(file.read_bytes(), str(file))
    return as_utf8(str(argument))


def as_utf8(argument: str) -> str:
    """Refuse an argument that the shell passed in another encoding than UTF-8.

    Raises:
        SettingsError: it holds bytes that are not UTF-8.
    """
    try:
        argument.encode()
    except UnicodeEncodeError as error:
        raise SettingsError(
            f"The text on the command line is not UTF-8 (character {error.start + 1}): "
            "set the terminal to UTF-8, or put the text into a UTF-8 file and name it with --file."
        ) from error
    return argument


def _decode(content: bytes, name: str) -> str:
    """Read UTF-8, with or without a byte-order mark."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{name} is not UTF-8 (byte {error.start + 1}): convert it, e.g. iconv -f latin1 -t utf-8."
        ) from error
