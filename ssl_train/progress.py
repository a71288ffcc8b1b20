"""Tell a person how far a long step is: on a terminal as a bar, in a log as a line every few seconds."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TextIO

Advance = Callable[[int], None]
"""Called with the number of units that were finished since the last call."""


def note(advance: Advance, text: str) -> None:
    """Let a person read ``text`` beside the rate and the time left, where ``advance`` is shown to one."""
    if isinstance(advance, _Counter):
        advance.note = text


class Progress(Protocol):
    """Announces a step of ``total`` units and gives, for the time it takes, the function that counts them."""

    def __call__(self, description: str, total: int | None) -> AbstractContextManager[Advance]:
        """Begin the step called ``description``; ``total`` is None where nobody knows it."""
        ...


@contextmanager
def silent(description: str, total: int | None) -> Iterator[Advance]:
    """Show nothing: what a library call does when nobody asked to be told."""
    yield lambda count: None


def terminal_progress(stream: TextIO | None = None, *, every_s: float = 5.0) -> Progress:
    """Give the progress of the command line: a bar with rate and time left on a terminal, else plain lines.

    Both go to ``stream``, standard error when left out, so that standard output holds results only. Without a
    terminal a line is written every ``every_s`` seconds; a step that is over sooner writes none.
    """
    target = sys.stderr if stream is None else stream
    return _Bar(target) if target.isatty() else _Lines(target, every_s)


def duration(seconds: float) -> str:
    """Write a time as ``42s``, ``3m07s`` or ``2h05m``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


class _Counter:
    """Counts units for something that shows them, with what is to be said beside."""

    def __init__(self, show: Callable[[int, str], None]) -> None:
        self.note = ""
        self._show = show

    def __call__(self, count: int) -> None:
        """Show ``count`` units more."""
        self._show(count, self.note)


class _Bar:
    """A bar that redraws itself on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @contextmanager
    def __call__(self, description: str, total: int | None) -> Iterator[Advance]:
        """Draw the bar until the step is over."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("gone"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with RichProgress(*columns, console=Console(file=self._stream)) as bar:
            task = bar.add_task(description, total=total, rate="", note="")

            def show(count: int, note: str) -> None:
                speed = bar.tasks[0].speed
                bar.update(task, advance=count, rate=f"{speed:.1f}/s" if speed else "", note=note)

            yield _Counter(show)


class _Lines:
    """Lines that a log can hold."""

    def __init__(self, stream: TextIO, every_s: float) -> None:
        self._stream = stream
        self._every_s = every_s

    @contextmanager
    def __call__(self, description: str, total: int | None) -> Iterator[Advance]:
        """Write a line whenever ``every_s`` seconds have gone by, and a last one if any was written."""
        started = shown = time.monotonic()
        done = said = 0

        def show(count: int, note: str) -> None:
            nonlocal done, shown, said
            done += count
            now = time.monotonic()
            if now - shown >= self._every_s:
                shown, said = now, done
                self._write(progress_line(description, done, total, now - started, note))

        counter = _Counter(show)
        yield counter
        if shown > started and said < done:
            self._write(progress_line(description, done, total, time.monotonic() - started, counter.note))

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


def progress_line(description: str, done: int, total: int | None, elapsed_s: float, note: str = "") -> str:
    """Write how far a step is, with its rate and, while it goes on, the time left at that rate, and a ``note``."""
    rate = done / elapsed_s if elapsed_s > 0 else 0.0
    if total is None:
        return f"{description}: {done} ({rate:.1f}/s) in {duration(elapsed_s)}" + (f", {note}" if note else "")
    share = f"{min(100, 100 * done // total)}%" if total else "100%"
    if done >= total:
        end = f"done in {duration(elapsed_s)}"
    elif rate > 0:
        end = f"{duration((total - done) / rate)} left"
    else:
        end = "time left unknown"
    return f"{description}: {share} ({done}/{total}, {rate:.1f}/s), {end}" + (f", {note}" if note else "")
