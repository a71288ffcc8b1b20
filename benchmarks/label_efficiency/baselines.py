"""What RailMatch is compared with: TF-IDF with logistic regression, and SetFit, on the same labels.

Both read a pair as one text, the prompt above the response, and choose nothing by test examples.
"""

import time
from collections.abc import Callable, Sequence

import numpy as np
from railmatch.classifier.calibration import threshold_at_fpr
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.data.training_texts import load_texts
from railmatch.ssl_train.folds import held_back_folds
from railmatch.ssl_train.recipe import Recipe

from .measuring import Outcome
from .setfit_baseline import setfit
from .tfidf_baseline import tfidf

Texts = list[str]
Judge = Callable[[Texts], np.ndarray]
Fit = Callable[[Texts, np.ndarray, Recipe], Judge]
"""Given texts, labels (texts,) and the recipe, trains what gives texts their harmful probabilities (texts,)."""


def as_text(record: Record) -> str:
    """Write what is judged as one text."""
    prompt, response = record.exchange
    return prompt if response is None else f"{prompt}\n{response}"


def baseline(fit: Fit, recipe: Recipe, test: Sequence[Record]) -> Outcome:
    """Train a baseline on the labels of a recipe, set its threshold on held-back ones, and judge the test examples."""
    started = time.perf_counter()
    records = load_texts(recipe).labelled
    texts, labels = [as_text(record) for record in records], np.array([record.label for record in records])
    folds = held_back_folds(records, recipe.calibration.folds, recipe.seed)
    threshold = _threshold(fit, texts, labels, folds, recipe) if folds else None
    judge = fit(texts, labels, recipe)
    seconds = time.perf_counter() - started
    return Outcome(judge([as_text(record) for record in test]), seconds=seconds, threshold=threshold)


def _threshold(fit: Fit, texts: Texts, labels: np.ndarray, folds: Sequence[list[int]], recipe: Recipe) -> float:
    scores = np.zeros(len(texts))
    for held_back in folds:
        rest = np.setdiff1d(np.arange(len(texts)), held_back)
        judge = fit([texts[at] for at in rest], labels[rest], recipe)
        scores[held_back] = judge([texts[at] for at in held_back])
    return threshold_at_fpr(scores, labels, target_fpr=recipe.calibration.target_fpr).threshold


BASELINES: dict[str, Callable[[Recipe, Sequence[Record]], Outcome]] = {
    "tfidf": lambda recipe, test: baseline(tfidf, recipe, test),
    "setfit": lambda recipe, test: baseline(setfit, recipe, test),
}
"""By the name of their row."""
