"""A round's training: from the last classifier, on original data and at most a share of attacks; then its threshold."""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator

from ...classifier.calibration import fit_temperature, margins, threshold_at_fpr
from ...classifier.metrics import evaluate_scores
from ...classifier.model import SafetyClassifier
from ...classifier.storage import write_text_atomically
from ...classifier.tasks import LABELS
from ..data.records import Record
from ..evaluation import predict_within_memory, score_records
from ..job import Job
from ..progress import Progress, silent
from ..report.describing import describe_inputs
from ..report.facts import SCORES_FILE, TRAINING_FILE, Scored, Scores
from .attack import Candidate
from .decide import Figures
from .harvest import Attack
from .originals import HeldOut, Originals, with_attacks
from .rewards import fool


def choose(attacks: Sequence[Attack], harmful: np.ndarray, originals: int, share: float) -> list[Attack]:
    """Choose the attacks to learn from: those that fool the classifier most, as many of either class at most.

    Args:
        attacks: of all rounds so far.
        harmful: the present classifier's harmful probabilities of them, shape (attacks,).
        originals: how many original labelled examples there are.
        share: of all labelled examples, so many may be attacks.
    """
    most = int(share / (1 - share) * originals)
    labels = np.array([attack.candidate.seed.label for attack in attacks])
    order = np.argsort(-fool(harmful, labels), kind="stable")
    chosen = [
        [int(row) for row in order if labels[row] == label][: most // len(LABELS)] for label in range(len(LABELS))
    ]
    return [attacks[row] for row in sorted(row for rows in chosen for row in rows)]


def learn_round(
    originals: Originals,
    attacks: Sequence[Attack],
    start: Path,
    out: Path,
    held_out: HeldOut,
    accelerator: Accelerator,
    *,
    share: float,
    progress: Progress,
    title: str,
) -> None:
    """Fine-tune the classifier in ``start``, calibrate it, and save it as the model folder ``out``.

    A run that was stopped goes on from its last checkpoint, which lies beside ``out``, as does what a report of the
    model is made of.

    Raises:
        ModelError: the training diverged. OSError: the folder cannot be written.
    """
    started = time.perf_counter()
    recipe = originals.recipe.model_copy(update={"encoder": str(start)})
    before = SafetyClassifier.load(start, device=recipe.training.device)
    harmful = predict_within_memory(before, [attack.candidate.exchange for attack in attacks])
    chosen = choose(attacks, harmful, len(originals.texts.labelled), share)
    records, seeds = _records(chosen)
    texts, rewrites = with_attacks(originals, records, seeds)
    job = Job(recipe, texts, rewrites, out.parent / "training", accelerator)
    with progress(title, recipe.training.steps) as advance:
        trainer = job.fit(texts.labelled, "round", advance)
    summary = dict(before.settings.training or {}) | {"attacks": len(chosen)}
    scored = calibrate(trainer.classifier, held_out.calibration, recipe.calibration.target_fpr, summary)
    counts = Counter(attack.candidate.seed.label for attack in chosen)
    learnt = {
        **describe_inputs(originals.recipe, texts),
        **originals.counts,
        "attacks": {name: counts[label] for label, name in enumerate(LABELS)},
        "shortened": trainer.views.shortened,
        "history": trainer.history.as_dict(),
        "seconds": round(time.perf_counter() - started, 1),
    }
    write_learnt(out.parent, learnt, scored)
    trainer.classifier.save(out)


def write_learnt(folder: Path, learnt: dict[str, Any], scored: Scored) -> None:
    """Write what a round's training was and its held-back scores beside its model, which is saved after them."""
    write_text_atomically(folder / TRAINING_FILE, json.dumps(learnt, indent=2) + "\n")
    write_text_atomically(folder / SCORES_FILE, Scores(held_back=scored).model_dump_json() + "\n")


def calibrate(
    classifier: SafetyClassifier, records: Sequence[Record], target_fpr: float, summary: dict[str, Any]
) -> Scored:
    """Give a classifier its temperature and threshold by examples that it was not trained on; give their scores.

    ``summary`` is what the classifier says of its training.

    Raises:
        SettingsError: there are too few unharmful examples for the target false-positive rate.
    """
    labels, scores = score_records(classifier, records, progress=silent)
    temperature = fit_temperature(margins(scores), labels)
    calibrated = 1 / (1 + np.exp(-margins(scores) / temperature))
    classifier.calibrated(temperature, threshold_at_fpr(calibrated, labels, target_fpr=target_fpr), summary)
    return Scored.of(labels, calibrated)


def measure(
    number: int, classifier: SafetyClassifier, held_out: HeldOut, by_round: Mapping[int, Sequence[Attack]]
) -> Figures:
    """Measure a round's classifier on the held-out examples, and by the attacks of each round."""
    labels, scores = score_records(classifier, held_out.decision, progress=silent)
    found = evaluate_scores(labels, scores, threshold=classifier.threshold, bootstrap=0)
    succeed = {
        at: success([each.candidate for each in attacks], classifier) for at, attacks in by_round.items() if attacks
    }
    return Figures(number, found.auprc, found.f1, found.recall, found.fpr, classifier.threshold, succeed)


def success(candidates: Sequence[Candidate], classifier: SafetyClassifier) -> float:
    """Give the share of attacks that a classifier is wrong about, at its threshold."""
    probabilities = predict_within_memory(classifier, [candidate.exchange for candidate in candidates])
    harmful = probabilities >= classifier.threshold
    labels = np.array([candidate.seed.label for candidate in candidates], dtype=bool)
    return float((harmful != labels).mean())


def _records(attacks: Sequence[Attack]) -> tuple[list[Record], dict[str, Record]]:
    """Make labelled records of attacks, and of their seeds records of the pool."""
    candidates = [attack.candidate for attack in attacks]
    records = [Record(each.id, each.exchange, each.seed.label) for each in candidates]
    return records, {each.id: Record(each.seed.id, each.seed.exchange) for each in candidates}
