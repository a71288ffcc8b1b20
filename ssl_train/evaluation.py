"""Measure a classifier on labelled examples."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..classifier.metrics import Evaluation, evaluate_scores
from ..classifier.model import Device, SafetyClassifier
from .data.records import Record, load_records
from .progress import Progress, silent
from .recipe import Sources


def evaluate(
    folder: str | Path, sources: Sources, *, device: Device = "auto", progress: Progress = silent
) -> Evaluation:
    """Measure a model folder on the labelled examples of one or several sources.

    Raises:
        ModelError: the folder is not a RailMatch model, or the device is not there.
        DataError: the examples cannot be used.
    """
    classifier = SafetyClassifier.load(folder, device=device)
    return evaluate_records(classifier, load_records(sources, classifier.task, labelled=True), progress=progress)


def evaluate_records(
    classifier: SafetyClassifier, records: Sequence[Record], *, progress: Progress = silent
) -> Evaluation:
    """Measure a classifier, at its own threshold, on labelled records.

    Raises:
        DataError: there are no examples of one of the classes.
    """
    labels, scores = score_records(classifier, records, progress=progress)
    return evaluate_scores(labels, scores, threshold=classifier.threshold)


def score_records(
    classifier: SafetyClassifier, records: Sequence[Record], *, progress: Progress = silent
) -> tuple[list[int], np.ndarray]:
    """Judge labelled records; give their labels and harmful probabilities, both of shape (records,)."""
    with progress(f"judging {len(records)} {classifier.task}s", len(records)) as advance:
        scores = classifier.predict_proba([record.exchange for record in records], advance=advance)
    return [record.label or 0 for record in records], scores
