"""What a cell leaves: scores on the test examples, and the figures that they give."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from railmatch.classifier.metrics import evaluate_scores
from railmatch.ssl_train.data.records import Record


@dataclass(frozen=True, slots=True)
class Outcome:
    """What training gave.

    scores: harmful probabilities of the test examples, shape (test,). seconds: those of the training.
    threshold: the calibrated one, from labelled examples only; None where nothing was held back for it.
    details: what else the line of results tells.
    """

    scores: np.ndarray
    seconds: float
    threshold: float | None = None
    details: dict[str, Any] = field(default_factory=dict)


def figures(records: Sequence[Record], outcome: Outcome, ids: Collection[str] | None = None) -> dict[str, float]:
    """Measure the scores on the test examples, or on those of some ids.

    ``f1`` and ``fpr`` at the calibrated threshold are there if that is.
    """
    chosen = [at for at, record in enumerate(records) if ids is None or record.id in ids]
    labels = [records[at].label or 0 for at in chosen]
    threshold = 0.5 if outcome.threshold is None else outcome.threshold
    evaluation = evaluate_scores(labels, outcome.scores[chosen], threshold=threshold, bootstrap=0)
    found = {
        "f1_at_half": evaluation.f1_at_half,
        "auprc": evaluation.auprc,
        "recall_at_1": evaluation.recall_at_fpr["0.01"],
        "recall_at_5": evaluation.recall_at_fpr["0.05"],
    }
    return found if outcome.threshold is None else found | {"f1": evaluation.f1, "fpr": evaluation.fpr}
