"""The output folder: parts that are there whole or not at all, so that a killed run goes on where it stopped.

``part-00000.jsonl`` and so on hold a line for every record, in the order of the data set; ``score.json`` is there once
all are. What a folder holds is compared with the data set, record by record, before it is gone on with.
"""

import fcntl
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..classifier.errors import DataError, EngineError, SettingsError
from ..classifier.storage import write_text_atomically
from ..ssl_train.data.records import Record
from ..ssl_train.progress import Advance
from .lines import Line, Origin, is_of, origin_of

SUMMARY = "score.json"

MOST_UNDECIDED = 100
"""Texts in a row that could not be judged, after which the fault is the model's and not theirs."""


class Output:
    """A folder of parts, and what is in them: ``rows``, ``decisions`` by kind, and the ``origin`` of all lines."""

    def __init__(self, folder: Path) -> None:
        """Take a folder, which may not exist yet; ``skip`` reads what it holds."""
        self.folder = folder
        self.parts = self.rows = 0
        self.decisions: Counter[str] = Counter()
        self.origin: Origin | None = None

    def skip(self, records: Iterator[Record]) -> None:
        """Take the records off that are in the folder's parts already.

        Raises:
            DataError: a part is missing or damaged, or is of other records.
        """
        files = sorted(self.folder.glob("part-*.jsonl"), key=lambda file: (len(file.name), file.name))
        for file in files:
            if file != self._part():
                raise DataError(f"{self._part()}: no such part, but there is {file.name}; remove it and those after it")
            for number, line in enumerate(_lines(file), 1):
                record = next(records, None)
                if record is None or not is_of(line, record):
                    raise DataError(
                        f"{file}, row {number}: this is not the data set's record {self.rows + 1}; the data set has "
                        "changed: name another folder with --out"
                    )
                self._count(line)
            self.parts += 1

    def write(self, lines: Iterable[Line], part_rows: int, advance: Advance) -> None:
        """Write lines as parts of ``part_rows`` rows; whatever ends this, the lines that came before are there.

        ``advance`` is told of every line.

        Raises:
            SettingsError: the lines are of another model, task or threshold than those that are there.
            EngineError: the model judges nothing any more.
            OSError: the disk is full or the folder cannot be written.
        """
        (self.folder / SUMMARY).unlink(missing_ok=True)
        part: list[Line] = []
        undecided = 0
        try:
            for line in lines:
                self._refuse_other_origin(line)
                part.append(line)
                advance(1)
                undecided = undecided + 1 if line["decision"] == "undecided" else 0
                if undecided == MOST_UNDECIDED:
                    raise EngineError(f"the last {undecided} texts could not be judged: {line['reason']}")
                if len(part) >= part_rows:
                    full, part = part, []  # first, so that Ctrl-C in between can make nothing be written twice
                    self._write_part(full)
        except BaseException:
            while part and part[-1]["decision"] == "undecided":  # the next run asks for them again
                part.pop()
            raise
        finally:
            if part:
                self._write_part(part)

    def finish(self) -> None:
        """Write the summary, by which others see that the folder is complete."""
        if self.origin is not None:
            summary = {"rows": self.rows, "decisions": dict(self.decisions), **self.origin._asdict()}
            write_text_atomically(self.folder / SUMMARY, json.dumps(summary, indent=2) + "\n")

    def _part(self) -> Path:
        return self.folder / f"part-{self.parts:05d}.jsonl"

    def _write_part(self, lines: list[Line]) -> None:
        write_text_atomically(self._part(), "".join(json.dumps(line) + "\n" for line in lines))
        self.parts += 1
        for line in lines:
            self._count(line)

    def _count(self, line: Line) -> None:
        self.origin = origin_of(line)
        self.rows += 1
        self.decisions[line["decision"]] += 1

    def _refuse_other_origin(self, line: Line) -> None:
        here = origin_of(line)
        self.origin = self.origin or here
        if here != self.origin:
            there = self.origin
            raise SettingsError(
                f"{self.folder} holds {there.task}s judged by model {there.version} at threshold {there.threshold:g}"
                f"{', with their texts' if there.text else ''}; now it is a {here.task} by {here.version} at "
                f"{here.threshold:g}{', with its text' if here.text else ''}: name another folder with --out"
            )


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Make sure that nobody else writes to the folder for the time of a block, however this process ends.

    Raises:
        SettingsError: another run writes to it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(f"{folder}: another run is writing there; wait for it, or name another --out") from None
        yield


def _lines(file: Path) -> Iterator[Line]:
    """Read a part back."""
    for number, written in enumerate(file.read_text(encoding="ascii", errors="replace").splitlines(), 1):
        try:
            line = json.loads(written)
            origin_of(line)
        except (ValueError, TypeError, KeyError):
            raise DataError(
                f"{file}, row {number}: not a line of railmatch score; remove this part and those after it"
            ) from None
        yield line
