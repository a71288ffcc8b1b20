"""How fluent a text is: measured by its least likely pieces, and compared with the user's own texts.

A hard gate on the least likely pieces stops gibberish where a penalty on the mean does not (Stable-GFN,
arXiv:2605.00553, which rejects below a fixed -10). What differs here: the floor is that of the user's own texts.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from ...classifier.metrics import Floats
from ..data.records import normalised

Score = Callable[[Sequence[str]], Floats]
"""Gives for each text ``lowest_mean`` of the log-probabilities of its pieces, shape (texts,)."""

LOWEST = 7
"""So many pieces decide how fluent a text is."""


def lowest_mean(values: Iterable[float], count: int = LOWEST) -> float:
    """Give the mean of the ``count`` lowest values, or of all; minus infinity where there is none."""
    lowest = sorted(values)[:count]
    return sum(lowest) / len(lowest) if lowest else -math.inf


@dataclass(frozen=True, slots=True)
class Fluency:
    """A measure of fluency with what is usual: ``median`` of the user's own texts, and the ``floor`` of the gate."""

    score: Score
    floor: float
    median: float

    @classmethod
    def of(cls, score: Score, own_texts: Sequence[str], share: float) -> Self:
        """Set the floor so that about ``share`` of the user's own texts, the least fluent ones, would not pass it."""
        scores = score(own_texts)
        scores = scores[np.isfinite(scores)]  # a text without words has none
        if not len(scores):
            scores = np.zeros(1)
        return cls(score, float(np.quantile(scores, share)), float(np.median(scores)))

    def judge(self, texts: Sequence[str]) -> tuple[np.ndarray, Floats]:
        """Tell which texts are fluent, bool (texts,), and how far each is from usual to the floor, in [0, 1]."""
        scores = self.score(texts)
        width = max(self.median - self.floor, 1e-9)
        return scores >= self.floor, np.clip((self.median - scores) / width, 0.0, 1.0)


class Letters:
    """Trigrams of letters within words, learnt from the user's own texts: fluency where there is no language model.

    It knows words that look like the user's from those that look like nothing, in any language, and no word order.
    """

    def __init__(self, own_texts: Sequence[str]) -> None:
        """Count the trigrams of some texts."""
        self._trigrams: Counter[str] = Counter()
        self._pairs: Counter[str] = Counter()
        for text in own_texts:
            for word in normalised(text).split():
                for trigram in _trigrams(word):
                    self._trigrams[trigram] += 1
                    self._pairs[trigram[:2]] += 1
        self._alphabet = len({letter for trigram in self._trigrams for letter in trigram}) + 1

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Give the mean log-probability a letter of the least likely words of each text, shape (texts,)."""
        return np.array([lowest_mean(map(self._of_word, normalised(text).split())) for text in texts])

    def _of_word(self, word: str) -> float:
        trigrams = _trigrams(word)
        return sum(map(self._of_trigram, trigrams)) / len(trigrams)

    def _of_trigram(self, trigram: str) -> float:
        """Give the log-probability of a letter after two others, smoothed by one of each letter (Laplace's rule)."""
        return math.log((self._trigrams[trigram] + 1) / (self._pairs[trigram[:2]] + self._alphabet))


def _trigrams(word: str) -> list[str]:
    framed = f"  {word} "
    return [framed[at : at + 3] for at in range(len(framed) - 2)]
