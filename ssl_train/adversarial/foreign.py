"""A text-classification model that RailMatch did not make, as a judge: its own labels, read as harmful or not."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from transformers import pipeline

from ...classifier.device import Device, choose_device
from ...classifier.errors import ModelError, SettingsError, reason
from ...classifier.inputs import Exchange, without_surrogates
from ...classifier.loading import quiet_transformers
from ...classifier.metrics import Floats
from .recipe import ClassifierJudge


class ForeignClassifier:
    """Wraps a transformers pipeline; texts beyond its window are cut, as such models are commonly used."""

    def __init__(self, run: Any, harmful: Sequence[str], threshold: float) -> None:
        """Take the pipeline, the labels that mean harmful, and the probability from which a text is."""
        self.threshold = threshold
        self._run = run
        self._harmful = frozenset(harmful)

    @classmethod
    def load(cls, judge: ClassifierJudge, device: Device) -> Self:
        """Load a folder or Hub id. No code of the model's is run.

        Raises:
            ModelError: there is no such model. SettingsError: ``harmful`` does not name labels of it.
        """
        with quiet_transformers():
            try:
                run = pipeline("text-classification", model=judge.model, device=choose_device(device), top_k=None)
            except Exception as error:  # damaged files raise anything, out of three libraries
                raise ModelError(
                    f"judges.classifiers: {judge.model!r} cannot be loaded: {reason(error)} (give a RailMatch model "
                    "folder, or the folder or Hub id of a text-classification model)"
                ) from error
        labels = list((run.model.config.id2label or {}).values())
        unknown = [label for label in judge.harmful if label not in labels]
        if unknown or not judge.harmful:
            wrong = f"{', '.join(map(repr, unknown))} is not among" if unknown else "harmful must name some of"
            raise SettingsError(f"judges.classifiers: {judge.model}: {wrong} its labels: {', '.join(labels)}")
        return cls(run, judge.harmful, judge.threshold)

    def predict_proba(self, exchanges: Sequence[Exchange]) -> Floats:
        """Give the probability of the harmful labels together, shape (exchanges,)."""
        inputs = [_input(exchange) for exchange in exchanges]
        found = self._run(inputs, truncation=True) if inputs else []
        return np.array([sum(each["score"] for each in row if each["label"] in self._harmful) for row in found])


def _input(exchange: Exchange) -> dict[str, str]:
    prompt = without_surrogates(exchange.prompt)
    return (
        {"text": prompt}
        if exchange.response is None
        else {
            "text": prompt,
            "text_pair": without_surrogates(exchange.response),
        }
    )
