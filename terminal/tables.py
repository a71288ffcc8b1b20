"""Lay figures out in columns for a terminal or a log."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..classifier.metrics import Evaluation
    from ..rails.guard import Verdict


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Join rows of equal length into lines whose columns stand below each other."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def evaluation_table(evaluation: "Evaluation") -> str:
    """Show every figure of an evaluation with its 95% interval, and on how many examples it stands."""
    figures = evaluation.as_dict()
    intervals = figures["intervals"]
    values = {
        "F1": ("f1", figures["f1"]),
        "F1 at 0.5": ("f1_at_half", figures["f1_at_half"]),
        "precision": ("precision", figures["precision"]),
        "recall": ("recall", figures["recall"]),
        "AUPRC": ("auprc", figures["auprc"]),
        "AUROC": ("auroc", figures["auroc"]),
    }
    for rate, recall in figures["recall_at_fpr"].items():
        values[f"recall at {float(rate):.0%} FPR"] = (f"recall_at_fpr_{rate}", recall)
    rows = [(title, f"{value:.3f}", _interval(intervals, name)) for title, (name, value) in values.items()]
    counts = f"threshold {figures['threshold']:.4f}, {figures['harmful']} harmful, {figures['unharmful']} unharmful"
    return aligned([("", "value", "95% interval"), *rows]) + "\n" + counts


def _interval(intervals: Mapping[str, Sequence[float]], name: str) -> str:
    """Show an interval where there is one."""
    return f"{intervals[name][0]:.3f} to {intervals[name][1]:.3f}" if name in intervals else ""


def verdict_line(verdict: "Verdict") -> str:
    """Say the decision first, then what it rests on."""
    if verdict.score is None or verdict.threshold is None:
        return f"{verdict.decision}: {verdict.reason}"
    return (
        f"{verdict.decision}  score {verdict.score:.4f}  threshold {verdict.threshold:.4f}  "
        f"({verdict.task}, windows: {verdict.windows}, {verdict.milliseconds:.0f} ms)"
    )
