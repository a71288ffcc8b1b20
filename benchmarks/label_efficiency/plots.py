"""The plots: figures by number of labels, by size of the pool and by votes, and the pseudo-labels over time."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from .cells import CEILING, FEW, Cell
from .results import Row
from .table import REFERENCE, Group, figure, gains, grouped

Curves = Mapping[str, Sequence[tuple[float, Sequence[float]]]]
"""By name: values of several seeds at each place on the x axis."""

Draw = Callable[[Sequence[Row], Sequence[Row], Path], bool]
"""Given the results of a suite and all results, writes an SVG; tells whether there was anything to draw."""

FIGURES = {"F1 at 0.5": "f1_at_half", "AUPRC": "auprc"}
PANEL_INCHES = (4.6, 3.4)


def _panels(rows: Sequence[Row], names: Sequence[str], file: Path, draw: Callable[[Axes, str, str], bool]) -> bool:
    """Draw a panel for each task and name; without any curve nothing is written."""
    tasks = sorted({str(row["task"]) for row in rows})
    with matplotlib.rc_context({"svg.hashsalt": file.name, "axes.spines.top": False, "axes.spines.right": False}):
        sheet = Figure(
            figsize=(PANEL_INCHES[0] * len(names), PANEL_INCHES[1] * max(1, len(tasks))), layout="constrained"
        )
        FigureCanvasSVG(sheet)
        grid = sheet.subplots(max(1, len(tasks)), len(names), squeeze=False)
        drawn = [draw(grid[at][to], task, name) for at, task in enumerate(tasks) for to, name in enumerate(names)]
        if any(drawn):
            _legend(sheet)
            sheet.savefig(file, format="svg", metadata={"Date": None})
    return any(drawn)


def _legend(sheet: Figure) -> None:
    """Name the curves of all panels once, under them, where nothing is covered."""
    named = [panel.get_legend_handles_labels() for panel in sheet.axes]
    curves = {label: handle for handles, labels in named for handle, label in zip(handles, labels, strict=True)}
    sheet.legend(
        curves.values(), curves.keys(), loc="outside lower center", ncols=3, fontsize="small", frameon=False
    )


def whole_pools(rows: Sequence[Row]) -> dict[str, int]:
    """Give the size of each task's pool: a training on votes alone sees only the texts that have one."""
    sizes: dict[str, int] = {}
    for row in rows:
        sizes[str(row["task"])] = max(sizes.get(str(row["task"]), 0), int(row.get("pool_texts") or 0))
    return sizes


def _curves(axes: Axes, curves: Curves, **labels: Any) -> bool:
    """Draw mean ± standard deviation of each curve."""
    for name, points in curves.items():
        ordered = sorted(points)
        axes.errorbar(
            [x for x, _ in ordered],
            [mean(values) for _, values in ordered],
            yerr=[stdev(values) if len(values) > 1 else 0.0 for _, values in ordered],
            marker="o",
            markersize=4,
            capsize=2,
            color=_colour(axes, name),
            label=name,
        )
    axes.set(**labels)
    if axes.get_xscale() == "log":  # whose own ticks run into each other
        places = sorted({x for points in curves.values() for x, _ in points})
        axes.set_xticks(places, [f"{place:,.0f}" for place in places], minor=False)
        axes.set_xticks([], minor=True)
    axes.grid(axis="y", alpha=0.3)
    axes.set_visible(bool(curves))
    return bool(curves)


def _colour(axes: Axes, name: str) -> str:
    """Give a curve the colour that it has in the other panels of the sheet."""
    names = {label: None for panel in axes.figure.axes for label in panel.get_legend_handles_labels()[1]}
    return f"C{list(names).index(name) if name in names else len(names)}"


def _collect(
    groups: Sequence[Group],
    name: Callable[[Cell], str],
    x: Callable[[Cell], float | None],
    values: Callable[[Group], list[float]],
) -> dict[str, list[tuple[float, list[float]]]]:
    """Sort groups into curves; a group without a place on the x axis, or without values, is left out."""
    curves: dict[str, list[tuple[float, list[float]]]] = {}
    for group in groups:
        place, found = x(group.cell), values(group)
        if place is not None and found:
            curves.setdefault(name(group.cell), []).append((place, found))
    return curves


def by_labels(found: Sequence[Row], rows: Sequence[Row], file: Path) -> bool:
    """Draw each row's figures by the number of labels, and the ceiling as a line across."""
    with_baselines = [*found, *(row for row in rows if row["row"] in ("tfidf", "setfit") and not row["settings"])]

    def draw(axes: Axes, task: str, name: str) -> bool:
        read = figure(FIGURES[name])
        groups = [group for group in grouped(with_baselines) if group.cell.task == task]
        curves = _collect(groups, lambda cell: cell.row, lambda cell: cell.labels, lambda group: group.values(read))
        top = [value for row in rows if (row["task"], row["row"]) == (task, CEILING) if (value := read(row))]
        if top:
            axes.axhline(mean(top), color="0.5", linestyle="--")
            axes.annotate("all labels", (0.02, mean(top)), xycoords=("axes fraction", "data"), va="bottom", color="0.4")
        return _curves(axes, curves, title=f"{task}s", xlabel="labels", ylabel=name, xscale="log")

    return _panels(found, list(FIGURES), file, draw)


def by_pool(found: Sequence[Row], rows: Sequence[Row], file: Path) -> bool:
    """Draw what is gained over supervised training by the number of texts in the pool."""
    sizes = whole_pools([row for row in found if row["pool"] is None])

    def draw(axes: Axes, task: str, name: str) -> bool:
        read = figure(FIGURES[name])
        groups = [group for group in grouped(found) if group.cell.task == task and group.cell.row != REFERENCE]
        curves = _collect(
            groups,
            lambda cell: cell.row,
            lambda cell: cell.pool or sizes.get(task),
            lambda group: gains(group, rows, read),
        )
        return _curves(axes, curves, title=f"{task}s", xlabel="texts in the pool", ylabel=f"gain in {name}")

    return _panels(found, list(FIGURES), file, draw)


def by_votes(found: Sequence[Row], rows: Sequence[Row], file: Path) -> bool:
    """Draw each row's figures by the number of votes, chosen at random and by uncertainty; the last is all."""
    sizes = whole_pools(found)

    def draw(axes: Axes, task: str, name: str) -> bool:
        read = figure(FIGURES[name])
        groups = [group for group in grouped(found) if group.cell.task == task]
        plain = [value for group in groups if group.cell.row == REFERENCE for value in group.values(read)]
        voted = [group for group in groups if "votes" in group.cell.row]
        every = [group for group in voted if group.cell.max_votes is None]
        curves: dict[str, list[tuple[float, list[float]]]] = {}
        for choice in sorted({group.cell.vote_choice or "random" for group in voted}):
            chosen = [group for group in voted if group.cell.vote_choice == choice]
            names = {group.cell.row for group in chosen}
            for group in [*chosen, *(group for group in every if group.cell.row in names)]:
                place = group.cell.max_votes or sizes.get(task)
                if place and group.values(read):
                    curves.setdefault(f"{group.cell.row}, {choice}", []).append((place, group.values(read)))
        if plain:
            axes.axhline(mean(plain), color="0.5", linestyle="--")
            axes.annotate(
                "labels alone", (0.02, mean(plain)), xycoords=("axes fraction", "data"), va="bottom", color="0.4"
            )
        return _curves(axes, curves, title=f"{task}s", xlabel="votes on pool texts", ylabel=name, xscale="log")

    return _panels([row for row in found if row["max_votes"]], list(FIGURES), file, draw)


PSEUDO = {"share of the pool kept": "kept", "share of these that is wrong": "error"}


def over_time(found: Sequence[Row], rows: Sequence[Row], file: Path) -> bool:
    """Draw the share of pseudo-labels kept, and of these the share that is wrong, over trainings of ``FEW`` labels."""

    def draw(axes: Axes, task: str, name: str) -> bool:
        groups = [group for group in grouped(found) if (group.cell.task, group.cell.labels) == (task, FEW)]
        any_drawn = False
        for group in groups:
            points: dict[float, list[float]] = {}
            for row in group.rows:
                watched = row.get("pseudo_labels", {"time": [], PSEUDO[name]: []})
                for time, value in zip(watched["time"], watched[PSEUDO[name]], strict=True):
                    if value is not None:
                        points.setdefault(time, []).append(value)
            if points:
                any_drawn = True
                line = [mean(values) for values in points.values()]
                axes.plot(list(points), line, label=group.cell.row, color=_colour(axes, group.cell.row))
        axes.set(title=f"{task}s, {FEW} labels", xlabel="share of the training", ylabel=name, ylim=(0, None))
        axes.grid(axis="y", alpha=0.3)
        return any_drawn

    return _panels(found, list(PSEUDO), file, draw)


PLOTS: Mapping[str, Mapping[str, tuple[str, Draw]]] = {
    "core": {"pseudo_labels": ("Pseudo-labels kept, and wrong, over the training", over_time)},
    "labels": {"labels": ("F1 and AUPRC by the number of labels", by_labels)},
    "votes": {"votes": ("F1 and AUPRC by the number of votes", by_votes)},
    "pool": {"pool": ("Gain over supervised training by the size of the pool", by_pool)},
}
"""By suite and name: what a plot shows, and what draws it."""
