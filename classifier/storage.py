"""Write files so that a crash, a full disk or Ctrl-C never leaves half of one behind."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_text_atomically(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 to a temporary name beside ``path``, then rename it into place.

    Raises:
        OSError: the disk is full or the folder cannot be written; ``path`` is then as it was before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def folder_replaced_atomically(folder: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``folder`` to fill; it takes the place of ``folder`` only if the block succeeds.

    Raises:
        OSError: the disk is full or the parent cannot be written; ``folder`` is then as it was before.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        yield temporary
        os.chmod(temporary, 0o755)
        if folder.exists():
            _replace_folder(folder, temporary)
        else:
            os.replace(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _replace_folder(folder: Path, new: Path) -> None:
    """Move ``folder`` away and ``new`` into its place, or ``folder`` back where that fails."""
    away = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.old."))
    old = away / folder.name
    try:
        os.replace(folder, old)
        os.replace(new, folder)
    except BaseException:
        if os.path.lexists(old) and not os.path.lexists(folder):
            os.replace(old, folder)
        shutil.rmtree(away, ignore_errors=True)
        raise
    shutil.rmtree(away, ignore_errors=True)  # the new folder is in place: what cannot be removed is no failed save
