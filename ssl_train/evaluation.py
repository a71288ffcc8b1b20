"""Measure a classifier on labelled examples."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..classifier.inputs import Exchange
from ..classifier.metrics import Evaluation, Floats, evaluate_scores
from ..classifier.model import Device, SafetyClassifier
from .data.records import Record, load_records
from .memory import Batch
from .progress import Advance, Progress, silent
from .recipe import Sources

BATCH_TOKENS = 8192
"""Most tokens, padding included, of a pass that judges, unless memory does not suffice."""


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
        scores = predict_within_memory(classifier, [record.exchange for record in records], advance=advance)
    return [record.label or 0 for record in records], scores


def predict_within_memory(
    classifier: SafetyClassifier,
    exchanges: Sequence[Exchange],
    *,
    batch: Batch | None = None,
    advance: Advance | None = None,
) -> Floats:
    """Give harmful probabilities of shape (exchanges,), in smaller batches where the GPU's memory is out.

    ``batch`` is in tokens of a pass and keeps the size that was found for what comes after. ``advance`` is called with
    the number of exchanges judged since the last call; where memory runs out on the way, it counts those twice.

    Raises:
        ModelError: memory does not suffice for any batch.
    """
    batch = batch or Batch(BATCH_TOKENS, "tokens")
    return batch.run(lambda tokens: classifier.predict_proba(exchanges, batch_tokens=tokens, advance=advance))
