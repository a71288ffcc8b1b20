"""Two programs measured in turn: each waits in a process of its own until it is told to do some steps.

Only the standard library is used here, because both interpreters of benchmarks/step_time.py read this file.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

MEBIBYTE_IN_KIBIBYTES = 1024
WARM_UP = 3
"""Steps that are done and not counted: the first ones make buffers."""


def serve(step: Callable[[Any], Any], prepare: Callable[[int], Any] = lambda number: number, **facts: Any) -> None:
    """Do steps as the standard input asks, a line with a number each time, and answer their seconds as JSON.

    ``prepare`` gets the step's number and is not timed; ``step`` gets what it gave. When the input ends the peak memory
    in MiB and ``facts`` are answered. The answers go to the real standard output, so that the caller can redirect what
    the measured library prints.
    """
    number = 0

    def timed() -> float:
        nonlocal number
        prepared = prepare(number)
        started = time.perf_counter()
        step(prepared)
        number += 1
        return time.perf_counter() - started

    for _ in range(WARM_UP):
        timed()
    print(json.dumps("ready"), file=sys.__stdout__, flush=True)
    for line in sys.stdin:
        print(json.dumps([timed() for _ in range(int(line))]), file=sys.__stdout__, flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // MEBIBYTE_IN_KIBIBYTES
    print(json.dumps({"peak_mib": peak, **facts}), file=sys.__stdout__, flush=True)


class Served:
    """The other end of ``serve``."""

    def __init__(self, interpreter: str, program: Path, arguments: Sequence[str], *, threads: int) -> None:
        """Start a program on so many threads."""
        self._process = subprocess.Popen(
            [interpreter, str(program), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        )
        self._program = program
        self._read()

    def steps(self, count: int) -> list[float]:
        """Have some steps done; give the seconds of each."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        seconds: list[float] = self._read()
        return seconds

    def end(self) -> dict[str, Any]:
        """Let the program end; give its peak memory and its own facts."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        facts: dict[str, Any] = self._read()
        self._process.wait()
        return facts

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._program.name} ended with code {self._process.wait()}; what it said is above")
        return json.loads(line)
