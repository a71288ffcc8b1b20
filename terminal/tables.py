"""Lay figures out in columns for a terminal or a log."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..classifier.metrics import Evaluation
    from ..rails.verdict import Verdict
    from ..scoring.output import Output
    from ..ssl_train.augment.rewrites import RewriteSet
    from ..ssl_train.augment.votes import VoteSet
    from ..ssl_train.robustness import Robustness

TITLES = {
    "f1": "F1",
    "f1_at_half": "F1 at 0.5",
    "precision": "precision",
    "recall": "recall",
    "fpr": "false-positive rate",
    "auprc": "AUPRC",
    "auroc": "AUROC",
}
"""How the figures of an evaluation are called on screen."""


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Join rows of equal length into lines whose columns stand below each other."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def evaluation_table(evaluation: "Evaluation") -> str:
    """Show every figure of an evaluation with its 95% interval, and on how many examples it stands."""
    recalls = {f"recall_at_fpr_{rate}": recall for rate, recall in evaluation.recall_at_fpr.items()}
    figures = {**evaluation.as_dict(), **recalls}
    titles = {**TITLES, **{name: f"recall at {float(name.rpartition('_')[2]):.0%} FPR" for name in recalls}}
    rows = [(title, f"{figures[name]:.3f}", _interval(evaluation, name)) for name, title in titles.items()]
    counts = f"threshold {evaluation.threshold:.4f}, {evaluation.harmful} harmful, {evaluation.unharmful} unharmful"
    return aligned([("", "value", "95% interval"), *rows]) + "\n" + counts


def _interval(evaluation: "Evaluation", name: str) -> str:
    """Show an interval where there is one."""
    interval = evaluation.intervals.get(name)
    return f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else ""


def attacks_table(robustness: "Mapping[str, Robustness]") -> str:
    """Show by kind of attack how many of the blocked texts stay blocked, with and without evasion being undone."""
    rows = [
        (
            kind,
            str(figures.blocked),
            str(figures.still_blocked),
            _share(figures.share),
            "{:.3f} to {:.3f}".format(*figures.interval) if figures.blocked else "",
            _share(figures.share_as_written),
        )
        for kind, figures in robustness.items()
    ]
    return aligned([("attack", "blocked", "stay so", "share", "95% interval", "nothing undone"), *rows])


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.3f}"


def verdict_line(verdict: "Verdict") -> str:
    """Say the decision first, then what it rests on."""
    if verdict.score is None:
        return f"{verdict.decision}: {verdict.reason}"
    undone = f", undone: {' and '.join(verdict.undone)}" if verdict.undone else ""
    return (
        f"{verdict.decision}  score {verdict.score:.4f}  threshold {verdict.threshold:.4f}  "
        f"({verdict.task}, windows: {verdict.windows}, {verdict.milliseconds:.0f} ms{undone})"
    )


def scores_line(output: "Output") -> str:
    """Say how many texts of a data set were decided how, by which model."""
    if output.origin is None:
        return "0 texts"
    task, version, threshold, _ = output.origin
    decisions = ", ".join(f"{output.decisions[kind]} {kind}" for kind in ("allow", "block", "undecided"))
    return f"{output.rows} {task}s: {decisions}  (model {version}, threshold {threshold:.4f})"


def calls_table(answers: "Mapping[str, RewriteSet | VoteSet]") -> str:
    """Show, a column for each kind of answer, what became of all there could be, and what this run used for them."""
    columns = [_figures(kind) for kind in answers.values()]
    names = list(dict.fromkeys(name for figures in columns for name in figures))
    rows = [(name, *(figures.get(name, "") for figures in columns)) for name in names]
    heads = [("", *answers)] if len(answers) > 1 else []
    stopped = dict.fromkeys(kind.stopped for kind in answers.values() if kind.stopped)
    return "\n".join([aligned([*heads, *rows]), *(f"Stopped: {why}." for why in stopped)])


def _figures(answers: "RewriteSet | VoteSet") -> dict[str, str]:
    """Name the counts of a kind of answer, and what they took."""
    figures = {name.replace("_", " "): str(count) for name, count in answers.counts.items()}
    figures |= {"tokens in": str(answers.input_tokens), "tokens out": str(answers.output_tokens)}
    return figures if answers.cost is None else figures | {"cost": f"{answers.cost:.2f}"}
