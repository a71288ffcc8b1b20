"""The words that letters may form: the embedded encoder's vocabulary, which lists the most frequent first."""

import math
from functools import cache

from .backbone import embedded_folder

LONGEST = 18
"""Letters of the longest word that is looked for."""

_SHORT = "a i am an as at be by do go he hi if im in is it me my no of oh ok on or so to tv uk up us we".split()  # noqa: SIM905 - as one reads it
_UNKNOWN = 4.0
_UNKNOWN_LETTER = 3.2
"""An unknown word costs so much, and so much a letter, that known words win where they fill the place."""


@cache
def word_costs() -> dict[str, float]:
    """Give each word minus the logarithm of its probability, after Zipf's law.

    Vocabularies hold word parts of one and two letters, too; of these only real words count.

    Raises:
        ModelError: the embedded encoder's files are missing or were changed.
    """
    entries = (embedded_folder() / "vocab.txt").read_text("utf-8").split("\n")
    words = [word for word in entries if word.isascii() and word.isalpha() and (len(word) > 2 or word in _SHORT)]
    return {word: math.log((rank + 1) * math.log(len(words))) for rank, word in enumerate(words)}


def split_words(letters: str) -> str:
    """Put spaces where the words have the highest probability together (Viterbi); an unknown word may be among them.

    Raises:
        ModelError: the embedded encoder's files are missing or were changed.
    """
    costs = word_costs()
    lowered = letters.lower()
    best = [0.0]
    begins = [0]
    for end in range(1, len(letters) + 1):
        lowest, begin = math.inf, 0
        for start in range(max(0, end - LONGEST), end):
            unknown = _UNKNOWN + _UNKNOWN_LETTER * max(end - start, 4)
            cost = best[start] + costs.get(lowered[start:end], unknown)
            if cost < lowest:
                lowest, begin = cost, start
        best.append(lowest)
        begins.append(begin)
    words = []
    end = len(letters)
    while end:
        words.append(letters[begins[end] : end])
        end = begins[end]
    return " ".join(reversed(words))
