"""What a model folder tells of its training: training.json, and in scores.json what is too long to be read there.

The report is made from these two and railmatch.json alone, so it can be made again where the training data is not.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ...classifier.errors import ModelError
from ...classifier.inputs import without_surrogates
from ...classifier.metrics import Floats, Ints, checked
from ...classifier.model_folder import ModelSettings, read_settings
from ..data.records import Record

TRAINING_FILE = "training.json"
SCORES_FILE = "scores.json"

MISTAKES = 20
"""How many mistakes a report shows."""


class _Part(BaseModel):
    """Base of what scores.json holds: unknown keys and wrong types are errors, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Scored(_Part):
    """Examples that the judging model was not trained on: labels (1 is harmful) and harmful probabilities, both (n,).

    Both classes are among them. The probabilities are calibrated, so they compare with the model's threshold.
    """

    labels: list[int]
    scores: list[float]

    @classmethod
    def of(cls, labels: Sequence[int] | Ints, scores: Sequence[float] | Floats) -> Self:
        """Take labels and scores of any kind of list.

        Raises:
            DataError: they are of different lengths, or not labels and scores of both classes.
        """
        truth, values = checked(labels, scores)
        return cls(labels=truth.tolist(), scores=values.tolist())

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if len(self.labels) != len(self.scores) or set(self.labels) != {0, 1}:
            raise ValueError("labels and scores must be two lists of one length, with both classes among them")
        return self

    def arrays(self) -> tuple[Ints, Floats]:
        """Give labels and scores as arrays of shape (n,)."""
        return np.array(self.labels, dtype=np.int64), np.array(self.scores, dtype=np.float64)

    def mistaken(self, threshold: float) -> Ints:
        """Give the positions of the examples on the wrong side of a threshold."""
        labels, scores = self.arrays()
        return np.flatnonzero((scores >= threshold) != (labels == 1))


class Mistake(_Part):
    """A labelled example that the model, trained without it, put on the wrong side of the threshold of that training.

    ``label`` is 1 for harmful, ``score`` the harmful probability. ``prompt`` is None where texts were not to be stored,
    ``response`` also where prompts are judged.
    """

    id: str
    label: int
    score: float
    prompt: str | None = None
    response: str | None = None

    def stands(self, threshold: float) -> bool:
        """Tell whether it is a mistake at this threshold, too."""
        return (self.score >= threshold) != (self.label == 1)


class Scores(_Part):
    """``scores.json``: scores on the labels held back in calibration and on the test examples, where there are any.

    ``decision`` are the held-out examples by which the rounds of a hardening were decided. ``mistakes`` are those on
    held-back labels at the threshold that the training chose, the most confident first; None where nothing was held
    back.
    """

    held_back: Scored | None = None
    test: Scored | None = None
    decision: Scored | None = None
    mistakes: list[Mistake] | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a report is made of: railmatch.json, training.json as it stands there, and scores.json."""

    settings: ModelSettings
    training: dict[str, Any]
    scores: Scores

    @property
    def hardened(self) -> bool:
        """Tell whether the weights are those of a round of hardening."""
        return "attacks" in self.training


def worst_mistakes(records: Sequence[Record], scored: Scored, threshold: float, *, texts: bool) -> list[Mistake]:
    """Pick the records on the wrong side of the threshold whose own label the model found least likely.

    Args:
        records: the examples that were scored, in the same order.
        scored: their labels and scores.
        threshold: the harmful probability from which the model says harmful.
        texts: whether the mistakes hold their texts.
    """
    labels, scores = scored.arrays()
    wrong = scored.mistaken(threshold)
    of_own_label = np.where(labels == 1, scores, 1 - scores)
    worst = wrong[np.argsort(of_own_label[wrong], kind="stable")][:MISTAKES]
    return [_mistake(records[at], int(labels[at]), float(scores[at]), texts) for at in worst]


def _mistake(record: Record, label: int, score: float, texts: bool) -> Mistake:
    if not texts:
        return Mistake(id=without_surrogates(record.id), label=label, score=score)
    prompt, response = (None if text is None else without_surrogates(text) for text in record.exchange)
    return Mistake(id=without_surrogates(record.id), label=label, score=score, prompt=prompt, response=response)


def read_facts(folder: Path) -> Facts:
    """Read what a model folder tells of its training; without scores.json there are no scores.

    Raises:
        ModelError: it is no model folder, ``railmatch train`` did not write it, or a file in it is damaged.
    """
    settings = read_settings(folder)
    if not (folder / TRAINING_FILE).is_file():
        raise ModelError(
            f"{folder} holds no {TRAINING_FILE}, which railmatch train writes: without it there is nothing to report"
        )
    try:
        training = json.loads((folder / TRAINING_FILE).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{folder / TRAINING_FILE} cannot be read: {error}; train the model again") from error
    return Facts(settings, training, read_scores(folder))


def read_scores(folder: Path) -> Scores:
    """Read a folder's scores.json; where there is none there are no scores.

    Raises:
        ModelError: it is damaged.
    """
    file = folder / SCORES_FILE
    if not file.is_file():
        return Scores()
    try:
        return Scores.model_validate_json(file.read_bytes())
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise ModelError(
            f"{file} cannot be read: {reason}; delete it for a report without curves, or train the model again"
        ) from error
