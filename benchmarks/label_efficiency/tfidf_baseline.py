"""TF-IDF of words and pairs of words with logistic regression, whose strength of regularisation the labels choose."""

from collections.abc import Callable

import numpy as np
from railmatch.ssl_train.recipe import Recipe
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline

STRENGTHS = (0.1, 1.0, 10.0, 100.0)
FOLDS = 5


def tfidf(texts: list[str], labels: np.ndarray, recipe: Recipe) -> Callable[[list[str]], np.ndarray]:
    """Train on texts with labels (texts,); gives what judges texts, as harmful probabilities."""
    pipeline = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(max_iter=1000))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=recipe.seed)
    search = GridSearchCV(pipeline, {"logisticregression__C": STRENGTHS}, scoring="average_precision", cv=folds)
    search.fit(texts, labels)
    return lambda judged: search.predict_proba(judged)[:, 1]
