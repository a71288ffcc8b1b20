"""Which records a person should look at first: where the current classifier or a judge is against the label."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...classifier.tasks import LABELS
from . import files
from .decisions import read_decisions
from .outcome import proposed
from .sample import Sample


def flagged(samples: Sequence[Sample], scores: np.ndarray, threshold: float) -> list[Sample]:
    """Write the classifier's harmful probability, shape (samples,), on every sample, and a flag where it disagrees."""
    return [
        replace(sample, score=float(score), flag=_flag(sample, float(score), threshold))
        for sample, score in zip(samples, scores, strict=True)
    ]


def review_rows(records: Sequence[Mapping[str, Any]], *, everything: bool = False) -> list[dict[str, Any]]:
    """List the records of a data set that are worth a look, the most doubtful first.

    First come those the classifier contradicts, the surest contradiction before the others, then those on which the
    judges were divided. Records that all agree on come last, or with ``everything`` unset not at all.
    """
    wanted = [record for record in records if everything or record["flag"] or _divided(record)]
    return [_row(record) for record in sorted(wanted, key=lambda record: (-_wrongness(record), _agreement(record)))]


def write_review(folder: Path, path: Path) -> int:
    """Write the records of the data set in ``folder`` that a person should look at first to ``path``, and count them.

    Those that were decided about are among them, with the decision.

    Raises:
        DataError: there is no data set.
    """
    rows, decisions = review_rows(proposed(folder)), read_decisions(folder)
    files.write_review(path, ({**row, "decision": decisions.get(row["id"], "")} for row in rows))
    return len(rows)


def _flag(sample: Sample, score: float, threshold: float) -> str:
    found = int(score >= threshold)
    return "" if found == sample.label else f"the classifier says {LABELS[found]} ({score:.2f})"


def _wrongness(record: Mapping[str, Any]) -> float:
    """Give how sure the classifier is of the other class; 0 where it agrees or was not asked."""
    if not record["flag"]:
        return 0.0
    score = float(record["score"])
    return 1.0 - score if record["label"] == LABELS[1] else score


def _agreement(record: Mapping[str, Any]) -> float:
    return float(record["judges"]["agreeing"] / record["judges"]["asked"])


def _divided(record: Mapping[str, Any]) -> bool:
    return bool(record["judges"]["agreeing"] < record["judges"]["asked"])


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    votes = "{agreeing} of {asked}".format(**record["judges"])
    why = [record["flag"]] if record["flag"] else []
    why += [f"{votes} judge calls agree"] if _divided(record) else []
    return {**record, "why": "; ".join(why), "judges": votes}
