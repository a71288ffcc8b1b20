"""What is missing, and how long it may take, judged by the finished cells that are most alike."""

from collections.abc import Callable, Sequence
from statistics import mean

from railmatch.ssl_train.progress import duration

from .cells import Cell
from .results import Row

ALIKE: tuple[Callable[[Cell], object], ...] = (
    lambda cell: cell.without_seed(),
    lambda cell: (cell.settings, cell.task, cell.row, cell.labels),
    lambda cell: (cell.settings, cell.task, cell.row),
    lambda cell: (cell.settings, cell.task, cell.row.split()[0]),
    lambda cell: (cell.settings, cell.row),
)
"""What two cells may have in common, the most telling first."""


def seconds_of(cell: Cell, finished: Sequence[tuple[Cell, float]]) -> float | None:
    """Estimate the seconds of a cell from finished ones; None where none is alike."""
    for trait in ALIKE:
        alike = [seconds for other, seconds in finished if trait(other) == trait(cell)]
        if alike:
            return mean(alike)
    return None


def listing(missing: Sequence[Cell], rows: Sequence[Row]) -> str:
    """Write a line for each missing cell, and a last one for all."""
    finished = [(Cell.of(row), float(row["total_seconds"])) for row in rows]
    times = [seconds_of(cell, finished) for cell in missing]
    lines = [
        f"{'time unknown' if seconds is None else duration(seconds):>12}  {cell}"
        for cell, seconds in zip(missing, times, strict=True)
    ]
    known = [seconds for seconds in times if seconds is not None]
    unknown = f" and {len(missing) - len(known)} of unknown time" if len(known) < len(missing) else ""
    return "\n".join([*lines, f"{len(missing)} cells are missing: about {duration(sum(known))}{unknown}"])
