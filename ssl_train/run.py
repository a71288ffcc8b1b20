"""From a recipe to a model folder: data, rewrites, training, threshold, and only then the test examples."""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..classifier.calibration import ThresholdReport, fit_temperature, margins, require_support, threshold_at_fpr
from ..classifier.metrics import Evaluation, evaluate_scores
from ..classifier.model import SafetyClassifier
from ..classifier.onnx_export import export_int8
from .data.leakage import find_leaks
from .data.records import Record, load_records
from .data.training_texts import TrainingTexts, load_texts
from .evaluation import score_records
from .folds import held_back_folds
from .job import Job
from .loop.processes import make_accelerator
from .loop.trainer import Observe
from .preflight import require_passes, require_room, require_test
from .progress import Progress, silent
from .recipe import Recipe
from .report.describing import describe_inputs
from .report.facts import Scored, Scores, worst_mistakes
from .report.writing import write_page, write_training
from .strong_texts import gather_strong_texts
from .voting.checks import require_votes_of_use
from .voting.gathering import gather_votes


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The trained model, its figures on the test examples where the recipe names some, and what happened on the way.

    Of several processes every one has a result, but only that of the ``first_process`` need be told to a person.
    """

    model: SafetyClassifier
    evaluation: Evaluation | None
    report: dict[str, Any]
    first_process: bool = True


def train(
    recipe: Recipe,
    out: Path,
    *,
    texts: TrainingTexts | None = None,
    base: Path | None = None,
    progress: Progress = silent,
    observe: Callable[[Sequence[Record]], Observe] | None = None,
) -> TrainingResult:
    """Train the classifier that a recipe describes and save it as the folder ``out``.

    A run that was stopped goes on from its last checkpoint, which lies beside ``out`` until the run is over. The test
    examples are read after training; copies of training texts among them are counted in the report, which lies in the
    model folder: ``training.json``, ``scores.json``, the page ``report.html`` and the model card. Of several processes
    only the first asks the endpoint and writes.

    Args:
        recipe: what to train.
        out: the model folder; an older one is replaced when the new one is complete.
        texts: those of the recipe, where they are loaded already.
        base: where relative paths of the recipe start if the current folder does not hold them.
        progress: how to tell a person how far it is.
        observe: given the pool, makes what is told of every step's pseudo-labels in the training on all labels, by
            position in that pool: for measuring, never for training.

    Raises:
        DataError: the data cannot be used. EndpointError: answers are missing and the endpoint cannot be used.
        SettingsError: the labels cannot support the folds or the target false-positive rate, the method needs more
            steps, or ``out`` holds something else than a model.
        ModelError: the encoder or the device cannot be used, or the training diverged.
        OSError: a file cannot be written; an older model is then as it was.
    """
    started = time.perf_counter()
    accelerator = make_accelerator(recipe.training.device)
    progress = progress if accelerator.is_main_process else silent
    require_room(out)
    require_test(recipe, base)
    texts = texts or load_texts(recipe, base)
    if recipe.method.name == "supervised":
        texts = replace(texts, pool=[])  # it is not learnt from, so nothing that is told of the training is about it
    require_passes(recipe, len(texts.pool))
    folds = held_back_folds(texts.labelled, recipe.calibration.folds, recipe.seed)
    require_votes_of_use(recipe, texts, folds)
    if folds:
        require_support(sum(record.label == 0 for record in texts.labelled), recipe.calibration.target_fpr)
    work = out.parent / f".{out.name}.training"
    texts, votes = gather_votes(recipe, texts, work, accelerator, folds=folds, base=base, progress=progress)
    with accelerator.main_process_first():
        texts, rewrites, counts = gather_strong_texts(recipe, texts, base=base, progress=progress)
    job = Job(recipe, texts, rewrites, work, accelerator)
    with progress(f"training on {recipe.task}s", recipe.training.steps * (len(folds) + 1)) as advance:
        scores = job.held_back_scores(folds, advance) if folds else None
        trainer = job.fit(texts.labelled, "final", advance, observe=observe(texts.pool) if observe else None)
    classifier = trainer.classifier
    report = describe_inputs(recipe, texts) | {"rewrites": counts, "votes": votes, "shortened": trainer.views.shortened}
    report["history"] = trainer.history.as_dict()
    outcome = _calibrate(classifier, scores, texts, report)
    report["seconds"] = round(time.perf_counter() - started, 1)
    if accelerator.is_main_process:
        classifier.save(out)
        if recipe.export.int8:
            report["int8"] = export_int8(classifier, out, [record.exchange for record in texts.labelled]).as_dict()
        write_training(out, report, outcome)
        shutil.rmtree(work, ignore_errors=True)
    classifier.to(recipe.training.device)  # after saving, since on a GPU this rounds the weights to bfloat16
    evaluation, tested = _test(recipe, classifier, texts, report, base, progress)
    if accelerator.is_main_process:
        write_training(out, report, outcome.model_copy(update={"test": tested}))
        write_page(out)
    accelerator.wait_for_everyone()
    return TrainingResult(classifier, evaluation, report, accelerator.is_main_process)


def _test(
    recipe: Recipe,
    classifier: SafetyClassifier,
    texts: TrainingTexts,
    report: dict[str, Any],
    base: Path | None,
    progress: Progress,
) -> tuple[Evaluation, Scored] | tuple[None, None]:
    """Measure on the test examples, and look for copies of them among the training texts."""
    if recipe.data.test is None:
        return None, None
    test = load_records(recipe.data.test, recipe.task, labelled=True, base=base)
    leaks = find_leaks([*texts.labelled, *texts.pool], test)
    labels, scores = score_records(classifier, test, progress=progress)
    evaluation = evaluate_scores(labels, scores, threshold=classifier.threshold)
    report |= {"leaks": leaks.as_dict(), "evaluation": evaluation.as_dict()}
    return evaluation, Scored.of(labels, scores)


def _calibrate(
    classifier: SafetyClassifier, scores: np.ndarray | None, texts: TrainingTexts, report: dict[str, Any]
) -> Scores:
    """Give the classifier its temperature and threshold, from held-back scores only; without any it keeps its own."""
    found: ThresholdReport | None = None
    temperature, outcome = 1.0, Scores()
    if scores is not None:
        truth = np.array([record.label for record in texts.labelled])
        temperature = fit_temperature(margins(scores), truth)
        calibrated = 1 / (1 + np.exp(-margins(scores) / temperature))
        found = threshold_at_fpr(calibrated, truth, target_fpr=report["recipe"]["calibration"]["target_fpr"])
        report["held_back"] = evaluate_scores(truth, calibrated, threshold=found.threshold).as_dict()
        outcome = _held_back(texts, Scored.of(truth, calibrated), found.threshold, report)
    report["calibration"] = found.as_dict() | {"temperature": temperature} if found else None
    summary = {name: report[name] for name in ("method", "encoder", "labels", "pool", "seed", "steps")}
    classifier.calibrated(temperature, found, summary)
    return outcome


def _held_back(texts: TrainingTexts, scored: Scored, threshold: float, report: dict[str, Any]) -> Scores:
    """Keep held-back scores and the worst mistakes, with their texts where the recipe allows it."""
    allowed = report["recipe"]["report"]["texts"]
    return Scores(held_back=scored, mistakes=worst_mistakes(texts.labelled, scored, threshold, texts=allowed))
