"""The figures of an evaluation in the words of the report: what each is called, its value, its 95% interval."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TITLES = {
    "f1": "F1 at the threshold",
    "precision": "Precision at the threshold",
    "recall": "Recall at the threshold",
    "fpr": "False-positive rate at the threshold",
    "f1_at_half": "F1 at 0.5",
    "auprc": "Area under the precision-recall curve",
    "auroc": "Area under the ROC curve",
    "recall_at_fpr_0.01": "Best recall at 1% false positives",
    "recall_at_fpr_0.05": "Best recall at 5% false positives",
}
"""The figures in the order in which a report lists them."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure in [0, 1] with its 95% interval, which is None where the evaluation made none."""

    title: str
    value: float
    interval: tuple[float, float] | None

    @property
    def text(self) -> str:
        """Write the value with three digits."""
        return f"{self.value:.3f}"

    @property
    def bounds(self) -> str:
        """Write the interval, or nothing."""
        return f"{self.interval[0]:.3f} to {self.interval[1]:.3f}" if self.interval else ""


def figures_of(evaluation: Mapping[str, Any]) -> dict[str, Figure]:
    """Name the figures of an evaluation as ``Evaluation.as_dict`` gives it."""
    recalls = {f"recall_at_fpr_{rate}": recall for rate, recall in evaluation["recall_at_fpr"].items()}
    values = {**evaluation, **recalls}
    intervals = evaluation["intervals"]
    return {
        name: Figure(title, values[name], tuple(intervals[name]) if name in intervals else None)
        for name, title in TITLES.items()
    }
