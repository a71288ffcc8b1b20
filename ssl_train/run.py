"""From a recipe to a model folder: data, rewrites, training, threshold, and only then the test examples."""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState

from ..classifier.calibration import ThresholdReport, fit_temperature, margins, require_support, threshold_at_fpr
from ..classifier.metrics import Evaluation
from ..classifier.model import SafetyClassifier, choose_device
from ..classifier.storage import write_text_atomically
from .augment.rewrites import collect_rewrites
from .checkpoint import Checkpoint
from .data import Record, load_records
from .evaluation import evaluate_records
from .folds import held_back_folds
from .leakage import find_leaks
from .methods import make_method
from .progress import Progress, silent
from .recipe import Recipe
from .rewriting import TrainingTexts, load_texts
from .trainer import History, Trainer
from .views import Rewrites, Views
from .votes import VoteTeacher

REPORT_FILE = "training.json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The trained model, its figures on the test examples where the recipe names some, and what happened on the way."""

    model: SafetyClassifier
    evaluation: Evaluation | None
    report: dict[str, Any]


def train(recipe: Recipe, out: Path, *, base: Path | None = None, progress: Progress = silent) -> TrainingResult:
    """Train the classifier that a recipe describes and save it as the folder ``out``.

    A run that was stopped goes on from its last checkpoint, which lies beside ``out`` until the run is over. The test
    examples are read after training; copies of training texts among them are counted in the report.

    Args:
        recipe: what to train.
        out: the model folder; an older one is replaced when the new one is complete.
        base: where relative paths of the recipe start if the current folder does not hold them.
        progress: how to tell a person how far it is.

    Raises:
        DataError: the data cannot be used. EndpointError: rewrites are missing and the endpoint cannot be used.
        SettingsError: the labels cannot support the target false-positive rate.
        ModelError: the encoder or the device cannot be used. OSError: a file cannot be written.
    """
    started = time.perf_counter()
    choose_device(recipe.training.device)
    texts = load_texts(recipe, base)
    folds = recipe.calibration.folds
    if folds:
        require_support(sum(record.label == 0 for record in texts.labelled), recipe.calibration.target_fpr)
    rewrites, counts = _rewrites(recipe, texts, base, progress)
    job = _Job(recipe, texts, rewrites, out)
    with progress(f"training on {recipe.task}s", recipe.training.steps * (folds + 1)) as advance:
        scores = job.held_back_scores(advance) if folds else None
        classifier, history = job.fit(texts.labelled, "final", advance)
    report: dict[str, Any] = job.describe() | {"rewrites": counts, "history": history.state_dict()}
    job.calibrate(classifier, scores, report)
    report["seconds"] = round(time.perf_counter() - started, 1)
    job.save(classifier, report)
    evaluation = _test(recipe, classifier, texts, report, base, progress)
    return TrainingResult(classifier, evaluation, report)


class _Job:
    """One recipe with its texts: trains on all labels or on a part of them."""

    def __init__(self, recipe: Recipe, texts: TrainingTexts, rewrites: Rewrites, out: Path) -> None:
        self.recipe = recipe
        self.texts = texts
        self.rewrites = rewrites
        self.out = out
        self.work = out.parent / f".{out.name}.training"
        self.fingerprint = _fingerprint(recipe, texts, rewrites)

    def fit(
        self, labelled: Sequence[Record], name: str, advance: Callable[[int], None]
    ) -> tuple[SafetyClassifier, History]:
        """Train a fresh classifier; ``name`` tells its checkpoint from those of the other parts."""
        recipe = self.recipe
        torch.manual_seed(recipe.seed)
        method = make_method(recipe.method, len(self.texts.pool))
        classifier = SafetyClassifier.from_encoder(
            recipe.encoder, recipe.task, window=recipe.training.max_length, heads=method.heads if method else 1
        )
        trainer = Trainer(
            classifier,
            Views.of(classifier.encode, labelled, self.texts.pool if method else (), self.rewrites),
            method,
            recipe.training,
            lambda_u=recipe.method.lambda_u,
            votes=self._votes(labelled) if method else None,
            seed=recipe.seed,
        )
        history = trainer.fit(checkpoint=Checkpoint(self.work / f"{name}.pt", self.fingerprint), advance=advance)
        return classifier.to(recipe.training.device), history

    def _votes(self, labelled: Sequence[Record]) -> VoteTeacher | None:
        """Let the labelled records of this training, and no others, say what the votes are worth."""
        if not self.texts.votes:
            return None
        return VoteTeacher.of(self.texts.votes, labelled, self.texts.pool, trust=self.recipe.method.vote_trust)

    def held_back_scores(self, advance: Callable[[int], None]) -> np.ndarray:
        """Score every labelled example by a classifier that was trained without it."""
        labelled = self.texts.labelled
        scores = np.zeros(len(labelled))
        for number, held_back in enumerate(held_back_folds(labelled, self.recipe.calibration.folds, self.recipe.seed)):
            scores[held_back] = self._fold(number, held_back, advance)
        return scores

    def _fold(self, number: int, held_back: list[int], advance: Callable[[int], None]) -> np.ndarray:
        """Score one fold, or read its scores where an interrupted run had come to its end."""
        file = self.work / f"fold-{number}.json"
        if file.is_file() and (saved := json.loads(file.read_text(encoding="utf-8")))["run"] == self.fingerprint:
            advance(self.recipe.training.steps)
            return np.array(saved["scores"])
        held = set(held_back)
        rest = [record for position, record in enumerate(self.texts.labelled) if position not in held]
        classifier, _ = self.fit(rest, f"fold-{number}", advance)
        scores = classifier.predict_proba([self.texts.labelled[position].exchange for position in held_back])
        write_text_atomically(file, json.dumps({"run": self.fingerprint, "scores": scores.tolist()}))
        return scores

    def calibrate(self, classifier: SafetyClassifier, scores: np.ndarray | None, report: dict[str, Any]) -> None:
        """Give the classifier its temperature and threshold, from held-back scores only."""
        found: ThresholdReport | None = None
        temperature = 1.0
        if scores is not None:
            truth = [record.label for record in self.texts.labelled]
            held_back = margins(scores)
            temperature = fit_temperature(held_back, truth)
            found = threshold_at_fpr(
                1 / (1 + np.exp(-held_back / temperature)), truth, target_fpr=self.recipe.calibration.target_fpr
            )
        report["calibration"] = found.as_dict() | {"temperature": temperature} if found else None
        summary = {name: report[name] for name in ("method", "encoder", "labels", "pool", "seed", "steps")}
        classifier.calibrated(temperature, found, summary)

    def describe(self) -> dict[str, Any]:
        """Name what went in."""
        recipe = self.recipe
        return {
            "task": recipe.task,
            "method": recipe.method.name,
            "encoder": recipe.encoder,
            "labels": len(self.texts.labelled),
            "pool": len(self.texts.pool),
            "seed": recipe.seed,
            "steps": recipe.training.steps,
            "recipe": recipe.model_dump(mode="json"),
        }

    def save(self, classifier: SafetyClassifier, report: dict[str, Any]) -> None:
        """Write the model folder with the report in it, and remove what an interrupted run would need."""
        if PartialState().is_main_process:
            classifier.save(self.out)
            write_text_atomically(self.out / REPORT_FILE, json.dumps(report, indent=2) + "\n")
            shutil.rmtree(self.work, ignore_errors=True)
        PartialState().wait_for_everyone()


def _rewrites(
    recipe: Recipe, texts: TrainingTexts, base: Path | None, progress: Progress
) -> tuple[Rewrites, dict[str, int]]:
    if recipe.method.name == "supervised":
        return {}, {}
    found = collect_rewrites(
        texts.pool, recipe.task, recipe.augment, recorded=texts.recorded, base=base, progress=progress
    )
    return found.rewrites, dict(found.counts)


def _test(
    recipe: Recipe,
    classifier: SafetyClassifier,
    texts: TrainingTexts,
    report: dict[str, Any],
    base: Path | None,
    progress: Progress,
) -> Evaluation | None:
    """Measure on the test examples, and look for copies of them among the training texts."""
    if recipe.data.test is None:
        return None
    test = load_records(recipe.data.test, recipe.task, labelled=True, base=base)
    leaks = find_leaks([*texts.labelled, *texts.pool], test)
    if leaks.exact or leaks.near:
        _log.warning("%d test texts are copies of training texts, %d nearly so", leaks.exact, leaks.near)
    evaluation = evaluate_records(classifier, test, progress=progress)
    report |= {"leaks": leaks.as_dict(), "evaluation": evaluation.as_dict()}
    return evaluation


def _fingerprint(recipe: Recipe, texts: TrainingTexts, rewrites: Rewrites) -> str:
    """Hash everything that the weights depend on, so that a checkpoint of another run is never taken up."""
    without = {"data": True, "augment": True, "training": {"checkpoint_every"}}
    content = [
        recipe.model_dump_json(exclude=without),
        torch.__version__,
        [(record.exchange, record.label) for record in texts.labelled],
        [(record.exchange, rewrites.get(record.id)) for record in texts.pool],
        sorted(texts.votes.items()),
    ]
    return hashlib.sha256(json.dumps(content, default=list).encode()).hexdigest()
