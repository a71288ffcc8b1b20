"""Results as a table in Markdown: mean and standard deviation over the seeds, and what is gained over supervised."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import mean, stdev

from .cells import Cell
from .results import Row
from .settings import Settings

REFERENCE = "supervised"
"""The row over which gains are counted, at the same labels and seeds."""


@dataclass(frozen=True, slots=True)
class Group:
    """The results of one cell under several seeds."""

    cell: Cell
    rows: list[Row]

    def values(self, figure: Callable[[Row], float | None]) -> list[float]:
        """Give a figure of every seed that has it."""
        found = [figure(row) for row in self.rows]
        return [value for value in found if value is not None]


def current(rows: Sequence[Row], settings: Settings) -> list[Row]:
    """Keep the results that the present settings would give again, the first of each cell."""
    kept: dict[Cell, Row] = {}
    known: dict[Cell, str | None] = {}
    for row in rows:
        cell = Cell.of(row)
        if cell not in known:
            known[cell] = settings.fingerprint(cell) if cell.row in settings.rows else None
        if row["recipe"] == known[cell]:
            kept.setdefault(cell, row)
    return list(kept.values())


def grouped(rows: Sequence[Row]) -> list[Group]:
    """Put the seeds of a cell together; tasks one after the other, else in the order given."""
    groups: dict[Cell, list[Row]] = {}
    for row in sorted(rows, key=lambda row: str(row["task"])):
        groups.setdefault(Cell.of(row).without_seed(), []).append(row)
    return [Group(cell, found) for cell, found in groups.items()]


def figure(name: str, part: str = "figures") -> Callable[[Row], float | None]:
    """Give what reads a figure, x 100, off a result: of all test examples, or of the ``core``."""

    def read(row: Row) -> float | None:
        value = (row[part] or {}).get(name)
        return None if value is None else 100 * value

    return read


def last(name: str) -> Callable[[Row], float | None]:
    """Give what reads the last block of the pseudo-labels' ``kept`` or ``error``, x 100, off a result."""

    def read(row: Row) -> float | None:
        values = row.get("pseudo_labels", {}).get(name)
        return 100 * values[-1] if values and values[-1] is not None else None

    return read


def gains(group: Group, rows: Sequence[Row], read: Callable[[Row], float | None]) -> list[float]:
    """Give by how much a figure is above that of supervised training, for each seed that both have."""
    reference = {Cell.of(row): read(row) for row in rows if row["row"] == REFERENCE}
    found = []
    for row in group.rows:
        plain = replace(Cell.of(row), row=REFERENCE, max_votes=None, vote_choice=None, pool=None)
        mine, other = read(row), reference.get(plain)
        if mine is not None and other is not None:
            found.append(mine - other)
    return found


def spread(values: Sequence[float], sign: str = "") -> str:
    """Write mean ± standard deviation; the mean alone of one value, a dash of none."""
    if not values:
        return "-"
    deviation = f" ± {stdev(values):.1f}" if len(values) > 1 else ""
    return f"{mean(values):{sign}.1f}{deviation}"


def table(rows: Sequence[Row], every: Sequence[Row]) -> str:
    """Lay out results, a line for each cell; ``every`` result is where supervised training is looked up for gains."""
    lines = [[write(group, every) for write in COLUMNS.values()] for group in grouped(rows)]
    used = [at for at, name in enumerate(COLUMNS) if name in ALWAYS or any(line[at] not in ("", "-") for line in lines)]
    head = [list(COLUMNS), ["---"] * len(COLUMNS)]
    return "\n".join("| " + " | ".join(line[at] for at in used) + " |" for line in [*head, *lines])


def _figure(name: str, part: str = "figures") -> Callable[[Group, Sequence[Row]], str]:
    return lambda group, every: spread(group.values(figure(name, part)))


def _gain(name: str) -> Callable[[Group, Sequence[Row]], str]:
    return lambda group, every: "" if group.cell.row == REFERENCE else spread(gains(group, every, figure(name)), "+")


def _votes(group: Group, every: Sequence[Row]) -> str:
    return f"{group.cell.max_votes:,} {group.cell.vote_choice}" if group.cell.max_votes else ""


ALWAYS = ("task", "labels", "row", "seeds")
COLUMNS: dict[str, Callable[[Group, Sequence[Row]], str]] = {
    "task": lambda group, every: group.cell.task,
    "labels": lambda group, every: "all" if group.cell.labels is None else f"{group.cell.labels:,}",
    "row": lambda group, every: group.cell.row,
    "votes": _votes,
    "pool": lambda group, every: f"{group.cell.pool:,}" if group.cell.pool else "",
    "settings": lambda group, every: " ".join(group.cell.settings),
    "seeds": lambda group, every: str(len(group.rows)),
    "F1 at 0.5": _figure("f1_at_half"),
    "F1 gain": _gain("f1_at_half"),
    "F1 calibrated": _figure("f1"),
    "AUPRC": _figure("auprc"),
    "AUPRC gain": _gain("auprc"),
    "recall at 5% FPR": _figure("recall_at_5"),
    "core F1": _figure("f1_at_half", "core"),
    "core AUPRC": _figure("auprc", "core"),
    "kept": lambda group, every: spread(group.values(last("kept"))),
    "wrong": lambda group, every: spread(group.values(last("error"))),
    "seconds": lambda group, every: f"{mean(group.values(lambda row: row['seconds'])):.0f}",
    "GiB": lambda group, every: f"{max(group.values(lambda row: row['peak_gib'])):.1f}",
}
"""By its head what each column writes of a group; one that is empty everywhere is left out."""
