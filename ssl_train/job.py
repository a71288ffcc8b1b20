"""The trainings of one recipe: one for each fold, and the last one on all labels."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from .. import __version__
from ..classifier.families import config_of
from ..classifier.model import SafetyClassifier
from ..classifier.tasks import LABELS
from .data.records import Record
from .data.training_texts import TrainingTexts
from .loop.checkpoint import Checkpoint, FoldScores
from .loop.frozen import RememberedStates
from .loop.trainer import Observe, Trainer
from .loop.views import Rewrites, Views
from .methods import make_method
from .progress import Advance
from .recipe import Recipe
from .voting.teacher import VoteTeacher


class Job:
    """Trains on all labels or on a part of them, and goes on where an earlier run of the same was stopped.

    work: the folder with what an interrupted run needs.
    """

    def __init__(
        self, recipe: Recipe, texts: TrainingTexts, rewrites: Rewrites, work: Path, accelerator: Accelerator
    ) -> None:
        """Take the recipe with its texts, their rewrites, a folder, and the accelerator of all its trainings."""
        self.recipe = recipe
        self.texts = texts
        self.rewrites = rewrites
        self.work = work
        self.fingerprint = _fingerprint(recipe, texts, rewrites)
        self.accelerator = accelerator
        self._views: Views | None = None
        self._remembered: RememberedStates | None = None

    def fit(
        self, labelled: Sequence[Record], name: str, advance: Advance, *, observe: Observe | None = None
    ) -> Trainer:
        """Train a fresh classifier on some of the labelled records; ``name`` tells its checkpoint from the others'."""
        recipe = self.recipe
        torch.manual_seed(recipe.seed)
        harmful = sum(record.label == 1 for record in labelled) / len(labelled)
        method = make_method(recipe.method, len(self.texts.pool), harmful=harmful, seed=recipe.seed)
        classifier = SafetyClassifier.from_encoder(
            recipe.encoder,
            recipe.task,
            window=recipe.training.max_length,
            heads=method.heads if method else 1,
            classes=method.classes if method else len(LABELS),
        )
        trainer = Trainer(
            classifier,
            self._views_of(labelled, classifier),
            method,
            recipe.training,
            lambda_s=recipe.method.lambda_s,
            lambda_u=recipe.method.lambda_u,
            votes=self._votes(labelled) if method else None,
            seed=recipe.seed,
            observe=observe,
            remembered=self._remembered,
        )
        trainer.fit(checkpoint=Checkpoint(self.work / f"{name}.pt", self.fingerprint), advance=advance)
        return trainer

    def _views_of(self, labelled: Sequence[Record], classifier: SafetyClassifier) -> Views:
        """Tokenise all texts once, whatever part a training sees: its frozen layers' states are then shared, too."""
        if self._views is None:
            pool = self.texts.pool if self.recipe.method.name != "supervised" else ()
            self._views = Views.of(classifier.encode, self.texts.labelled, pool, self.rewrites)
            self._remembered = RememberedStates(self._views.windows(), config_of(classifier.network).hidden_size)
        position = {id(record): at for at, record in enumerate(self.texts.labelled)}
        return self._views.of_labelled([position[id(record)] for record in labelled])

    def _votes(self, labelled: Sequence[Record]) -> VoteTeacher | None:
        """Let the labelled records of this training, and no others, say what the votes are worth."""
        if not self.texts.votes:
            return None
        method = self.recipe.method
        return VoteTeacher.of(
            self.texts.votes, labelled, self.texts.pool, trust=method.vote_trust, class_prior=method.class_prior
        )

    def held_back_scores(self, folds: Sequence[list[int]], advance: Advance) -> np.ndarray:
        """Score every labelled example by a classifier that was trained without it."""
        scores = np.zeros(len(self.texts.labelled))
        for number, held_back in enumerate(folds):
            scores[held_back] = self._fold(f"fold-{number}", held_back, advance)
        return scores

    def _fold(self, name: str, held_back: list[int], advance: Advance) -> np.ndarray:
        """Score one fold, or read its scores where an interrupted run had come to its end."""
        file = FoldScores(self.work / f"{name}.json", self.fingerprint)
        if (known := file.restore()) is not None:
            advance(self.recipe.training.steps)
            return known
        held = set(held_back)
        rest = [record for position, record in enumerate(self.texts.labelled) if position not in held]
        classifier = self.fit(rest, name, advance).classifier.to(self.recipe.training.device)
        scores = classifier.predict_proba([self.texts.labelled[position].exchange for position in held_back])
        if self.accelerator.is_main_process:
            file.save(scores)
            Checkpoint(self.work / f"{name}.pt", self.fingerprint).remove()
        return scores


def _fingerprint(recipe: Recipe, texts: TrainingTexts, rewrites: Rewrites) -> str:
    """Hash everything that the weights depend on, so that a checkpoint of another run is never taken up."""
    settings = recipe.model_dump(mode="json", exclude={"data", "augment", "report", "export"})
    del settings["training"]["checkpoint_every"], settings["calibration"]["target_fpr"]
    content = [
        settings,
        _files(Path(recipe.encoder)),
        (__version__, torch.__version__),
        [(record.exchange, record.label) for record in texts.labelled],
        [(record.exchange, rewrites.get(record.id)) for record in texts.pool],
        sorted(texts.votes.items()),
    ]
    return hashlib.sha256(json.dumps(content, default=list).encode()).hexdigest()


def _files(encoder: Path) -> list[tuple[str, int, int]]:
    """Name the files of an encoder's folder with size and time, which tell whether it was replaced."""
    found = sorted(encoder.iterdir()) if encoder.is_dir() else []
    return [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in found]
