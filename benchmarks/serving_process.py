"""``railmatch serve`` as a process of its own, ready and ended again."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple


class Serving(NamedTuple):
    """Where the service listens, and the number of its process."""

    url: str
    pid: int


@contextmanager
def serving(model: Path, **settings: float) -> Iterator[Serving]:
    """Serve a model on a free port of 127.0.0.1 with further settings, such as ``deadline=2``."""
    command = [sys.executable, "-m", "railmatch", "serve", "--models", str(model), "--port", "0", "--device", "cpu"]
    command += [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        listens = process.stdout.readline()
        if not process.stdout.readline().startswith("Ready"):
            sys.exit(f"the service did not start: {listens}")
        yield Serving(listens.split()[2].rstrip(";"), process.pid)
    finally:
        process.terminate()
        process.wait()
