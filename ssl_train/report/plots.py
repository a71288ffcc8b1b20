"""The plots of the report: each function draws one and gives it as SVG for the page."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .curves import operating_point, precision_recall, reliability, roc
from .drawing import COLOURS, DASHES, Plot, drawn
from .facts import Scored

NAMES = {"test": "test examples", "decision": "held out to decide by", "held-back": "held-back labels"}
"""The sets of scored examples."""

SET_COLOURS = COLOURS | {"decision": COLOURS["test"]}
"""The colours of the sets, by their names; a hardening reads no test examples, so that two need never be told apart."""

HISTOGRAM_BINS = 25


def plot_precision_recall(sets: Mapping[str, Scored], threshold: float) -> str:
    """Draw precision over recall of each set with the operating point, and the share of harmful examples as chance."""
    with drawn("pr") as plot:
        plot.unit_square("recall: share of harmful stopped", "precision")
        for name, scored in sets.items():
            plot.axes.plot(*precision_recall(scored), drawstyle="steps-post", **_line(name))
            plot.axes.axhline(float(np.mean(scored.labels)), color=SET_COLOURS[name], linewidth=0.8, linestyle=DASHES)
            point = operating_point(scored, threshold)
            if point.precision is not None:
                _mark(plot, point.recall, point.precision, name)
        plot.legend()
    return plot.svg


def plot_roc(sets: Mapping[str, Scored], threshold: float) -> str:
    """Draw recall over false-positive rate of each set with the operating point, and the diagonal as chance."""
    with drawn("roc") as plot:
        plot.unit_square("false-positive rate: share of harmless blocked", "recall")
        _diagonal(plot)
        for name, scored in sets.items():
            plot.axes.plot(*roc(scored), **_line(name))
            point = operating_point(scored, threshold)
            _mark(plot, point.fpr, point.recall, name)
        plot.legend()
    return plot.svg


def plot_reliability(sets: Mapping[str, Scored]) -> str:
    """Draw for each set how many are harmful among examples of like score, with 95% intervals."""
    with drawn("reliability") as plot:
        plot.unit_square("mean score", "share that is harmful")
        _diagonal(plot)
        for name, scored in sets.items():
            bins = reliability(scored)
            shares = np.array([part.share for part in bins])
            ends = np.array([part.interval for part in bins]).T
            plot.axes.errorbar(
                [part.score for part in bins],
                shares,
                yerr=[np.maximum(shares - ends[0], 0), np.maximum(ends[1] - shares, 0)],
                elinewidth=1,
                marker="o",
                markersize=4,
                **_line(name),
            )
        plot.legend()
    return plot.svg


def plot_histogram(name: str, scored: Scored, threshold: float) -> str:
    """Draw how the scores of each class are spread, in shares of the class, with the threshold."""
    labels, scores = scored.arrays()
    with drawn(f"histogram-{name}") as plot:
        for label, kind in enumerate(("unharmful", "harmful")):
            values = scores[labels == label]
            plot.axes.hist(
                values,
                bins=HISTOGRAM_BINS,
                range=(0, 1),
                weights=np.full(len(values), 100 / len(values)),
                color=COLOURS[kind],
                histtype="stepfilled",
                alpha=0.55,
                label=f"{kind} ({len(values)})",
            )
        if threshold <= 1:
            plot.axes.axvline(threshold, color=COLOURS["ink"], linewidth=1.2)
            _name_threshold(plot, threshold)
        plot.axes.set(xlabel="score", ylabel="% of the class", xlim=(-0.02, 1.02))
        plot.legend()
        plot.axes.margins(y=0.15)
    return plot.svg


def plot_losses(history: Mapping[str, Sequence[float]], *, unlabelled: bool) -> str:
    """Draw the loss on labels, and on unlabelled texts where the method has one, over the steps."""
    with drawn("losses") as plot:
        _over_steps(plot, history, "supervised", "test", "labelled texts")
        if unlabelled:
            _over_steps(plot, history, "unsupervised", "held-back", "unlabelled texts")
        plot.axes.set(xlabel="step", ylabel="loss (nats an example)")
        plot.axes.set_ylim(bottom=0)
        plot.legend()
    return plot.svg


def plot_kept(history: Mapping[str, Sequence[float]]) -> str:
    """Draw the share of unlabelled texts whose pseudo-label counted, over the steps."""
    with drawn("kept") as plot:
        percent = [100 * share for share in history["kept"]]
        _over_steps(plot, {**history, "kept": percent}, "kept", "held-back", "unlabelled texts")
        plot.axes.set(xlabel="step", ylabel="% kept", ylim=(-2, 104))
        plot.legend()
    return plot.svg


def _line(name: str) -> dict[str, Any]:
    """Give a set's line its colour and its name in the legend."""
    return {"color": SET_COLOURS[name], "label": NAMES[name]}


def _mark(plot: Plot, x: float, y: float, name: str) -> None:
    """Mark the operating point."""
    plot.axes.plot([x], [y], marker="o", markersize=7, color=SET_COLOURS[name], markeredgecolor=COLOURS["ink"])


def _name_threshold(plot: Plot, threshold: float) -> None:
    """Write the threshold beside its line, on the side where there is more room."""
    aside, side = (-0.015, "right") if threshold > 0.5 else (0.015, "left")
    plot.axes.text(
        threshold + aside, 0.93, f"threshold {threshold:.3f}", ha=side, color=COLOURS["ink"],
        transform=plot.axes.get_xaxis_transform(),
    )  # fmt: skip


def _diagonal(plot: Plot) -> None:
    plot.axes.plot([0, 1], [0, 1], color=COLOURS["muted"], linewidth=0.8, linestyle=DASHES)


def _over_steps(plot: Plot, history: Mapping[str, Sequence[float]], key: str, colour: str, label: str) -> None:
    """Draw a column of the history; a single block would be no line, so few get markers."""
    marker = "o" if len(history["step"]) < 12 else None
    plot.axes.plot(history["step"], history[key], color=COLOURS[colour], label=label, marker=marker, markersize=4)
    plot.axes.set_xlim(left=0)
