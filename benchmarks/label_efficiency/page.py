"""Tables and plots of all results, written into a page of the docs between two marks."""

from collections.abc import Sequence
from pathlib import Path

from marked_page import write_between

from .cells import SUITES, Cell, lines_of
from .plots import PLOTS
from .results import Row
from .table import table

BENCHMARK = "label_efficiency.py"

TITLES = {
    "core": "200 labels",
    "labels": "More and fewer labels",
    "votes": "The endpoint's votes",
    "pool": "Size of the pool",
    "baselines": "Other tools, and all labels",
}
ELSE = "Other settings"


def write_page(page: Path, rows: Sequence[Row]) -> None:
    """Write tables, and plots into the folder ``figures`` beside the page, in place of those of an earlier time.

    Raises:
        ClickException: the page has no marks.
    """
    figures = page.parent / "figures"
    figures.mkdir(exist_ok=True)
    write_between(page, BENCHMARK, "\n\n".join(_sections(rows, figures)))


def _sections(rows: Sequence[Row], figures: Path) -> list[str]:
    """Write a section for each suite that has results beside those of the sections before it, and one for the rest.

    Results stand in their suite's order, in whatever order they were made.
    """
    parts: list[str] = []
    told: set[int] = set()
    for suite in SUITES:
        place = {line: number for number, line in enumerate(lines_of(suite))}
        found = [row for row in rows if Cell.of(row).line() in place]
        found.sort(key=lambda row: place[Cell.of(row).line()])
        news = {id(row) for row in found} - told
        told |= news
        if news:
            parts += [f"### {TITLES[suite]}", *_plotted(suite, found, rows, figures), table(found, rows)]
    rest = [row for row in rows if id(row) not in told]
    return [*parts, f"### {ELSE}", table(rest, rows)] if rest else parts


def _plotted(suite: str, found: Sequence[Row], rows: Sequence[Row], figures: Path) -> list[str]:
    """Draw the plots of a suite and give the lines that show them."""
    shown = []
    for name, (title, draw) in PLOTS.get(suite, {}).items():
        file = figures / f"label_efficiency_{name}.svg"
        if draw(found, rows, file):
            shown.append(f"![{title}](figures/{file.name})")
    return shown
