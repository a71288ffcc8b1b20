"""The cells of the benchmark, and the named suites of cells that make a meaningful part of the table."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import product
from typing import Any, Self

TASKS = ("prompt", "response")
FEW = 200
"""Labels of every suite in which their number does not vary."""

LABELS = (50, FEW, 500, 2000)
POOLS = (1000, 2000, 4000, 8000)
VOTE_BUDGETS = (250, 1000)
VOTE_CHOICES = ("random", "uncertain")
METHODS = ("fixmatch", "marginmatch", "multimatch")
VIEWS = ("none", "eda", "rewrites")
CEILING = "ceiling"
"""The row that is trained on all true labels, those of the pool too."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One training of the table.

    row: name of a row of label_efficiency.yml. labels: null stands for all, those of the pool too.
    max_votes: how many pool texts may have a vote, null for all (in a row with votes). vote_choice: which they are.
    pool: how many pool texts there are, null for all. settings: what ``--set`` changed.
    """

    task: str
    row: str
    labels: int | None
    max_votes: int | None = None
    vote_choice: str | None = None
    pool: int | None = None
    settings: tuple[str, ...] = ()
    seed: int = 0

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> Self:
        """Read the cell off a line of results."""
        values = {field.name: result[field.name] for field in fields(cls)}
        return cls(**values | {"settings": tuple(values["settings"])})

    def as_dict(self) -> dict[str, Any]:
        """Give the fields, ready for JSON."""
        return asdict(self)

    def line(self) -> "Line":
        """Give the line of a suite that this is a cell of."""
        return replace(self, task="", seed=0)

    def without_seed(self) -> "Cell":
        """Give what the trainings of all seeds share: a line of the table."""
        return replace(self, seed=0)

    def __str__(self) -> str:
        """Name the cell in a line for people."""
        votes = f"{self.max_votes} votes ({self.vote_choice})" if self.max_votes else ""
        pool = f"pool of {self.pool}" if self.pool else ""
        labels = f"{'all' if self.labels is None else self.labels} labels"
        parts = [self.task, self.row, labels, votes, pool, *self.settings, f"seed {self.seed}"]
        return ", ".join(part for part in parts if part)


Line = Cell
"""A cell whose task and seed are still to be filled in."""


def _line(row: str, labels: int | None = FEW, **more: Any) -> Line:
    return Cell(task="", row=row, labels=labels, **more)


def _core() -> list[Line]:
    return [_line(row) for row in ("supervised", *(f"fixmatch {view}" for view in VIEWS), "fixmatch rewrites + votes")]


def _labels() -> list[Line]:
    rows = [f"{method} {view}" for method, view in product(METHODS, VIEWS)]
    return [_line(row, count) for count, row in product(LABELS, ["supervised", *rows, "fixmatch rewrites + votes"])]


def _votes() -> list[Line]:
    both = ("votes + labels", "fixmatch rewrites + votes")
    budgets = [
        _line(row, max_votes=most, vote_choice=choice)
        for most, choice, row in product(VOTE_BUDGETS, VOTE_CHOICES, both)
    ]
    rows = ("supervised", "votes alone", "votes + labels", "fixmatch rewrites", "fixmatch rewrites + votes")
    return [*(_line(row) for row in rows), *budgets]


def _pool() -> list[Line]:
    rows = ("fixmatch rewrites", "fixmatch rewrites + votes")
    whole = [_line(row) for row in ("supervised", *rows)]
    return [*(_line(row, pool=size) for size, row in product(POOLS, rows)), *whole]


def _baselines() -> list[Line]:
    few = [_line(row, count) for row, count in product(("tfidf", "setfit"), LABELS)]
    return [*few, _line("tfidf", None), _line(CEILING, None)]


SUITES: Mapping[str, Callable[[], list[Line]]] = {
    "core": _core,
    "labels": _labels,
    "votes": _votes,
    "pool": _pool,
    "baselines": _baselines,
}


def lines_of(suite: str) -> list[Line]:
    """List the lines of a suite, or of ``all`` of them, each once."""
    suites = SUITES if suite == "all" else (suite,)
    return list(dict.fromkeys(line for name in suites for line in SUITES[name]()))


def cells_of(
    suite: str,
    *,
    tasks: Iterable[str],
    seeds: Sequence[int],
    pools: Mapping[str, int],
    labels: Sequence[int] = (),
    settings: Sequence[str] = (),
) -> list[Cell]:
    """List the cells of a suite, one seed after the other so that a stopped run leaves whole tables.

    Args:
        suite: name of a suite, or ``all``.
        tasks: the tasks of the cells.
        seeds: the seeds of the cells.
        pools: how many texts the pool of each task has; a pool that is not smaller is left out.
        labels: only cells with these numbers of labels; all where empty.
        settings: what ``--set`` changes.
    """
    return [
        replace(line, task=task, seed=seed, settings=tuple(settings))
        for seed, line, task in product(seeds, lines_of(suite), tasks)
        if (line.pool is None or line.pool < pools[task]) and (not labels or line.labels in labels)
    ]
