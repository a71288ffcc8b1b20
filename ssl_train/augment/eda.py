"""Easy Data Augmentation: a text with a few of its words replaced, inserted, swapped or deleted."""

import random
import re
from collections.abc import Mapping, Sequence
from typing import Literal

Synonyms = Mapping[str, Sequence[str]]
"""Words of like meaning, by lower-case word; a word that must not be replaced, such as a stop word, has none."""

Operation = Literal["replace", "insert", "swap", "delete"]

OPERATIONS: tuple[Operation, ...] = ("replace", "insert", "swap", "delete")

_WORD = re.compile(r"(?P<before>[\W_]*)(?P<letters>[^\W\d_]+)(?P<after>[\W_]*)")


def eda_variants(text: str, rng: random.Random, synonyms: Synonyms, *, alpha: float, variants: int) -> list[str]:
    """Give ``variants`` forms of a text, each made by one operation (EDA, Wei and Zou 2019, arXiv:1901.11196).

    Differs from the authors' code:

    1. Synonyms are given by the caller: in training the nearest words in the encoder's embeddings (``nearest_words``),
       opposites among them, and not those of WordNet, which no package that RailMatch needs brings along.
    2. Case and punctuation stay; a word keeps the punctuation around it when it is replaced.
    3. A synonym replaces one occurrence of a word and not all.
    4. Where an operation leaves a text as it is, as deletion often does with a short one, another one is taken.

    Args:
        text: words are what white space separates; it is not kept.
        rng: draws the operations, which are different ones in every four variants, the words and the places.
        synonyms: see ``Synonyms``.
        alpha: the share of words to change, in [0, 1]; at least one word is changed, unless it is 0.
        variants: how many forms. A text that no operation can change, such as a single word, comes back as it is.
    """
    words = text.split()
    order = rng.sample(OPERATIONS, len(OPERATIONS))
    turns = [order[turn % len(order) :] + order[: turn % len(order)] for turn in range(variants)]
    changed = [_first_change(words, operations, rng, synonyms, alpha) for operations in turns]
    return [text if new == words else " ".join(new) for new in changed]


def _first_change(
    words: Sequence[str], operations: Sequence[Operation], rng: random.Random, synonyms: Synonyms, alpha: float
) -> list[str]:
    """Try the operations in turn until one changes something."""
    for operation in operations:
        changed = change_words(words, operation, rng, synonyms, alpha=alpha)
        if changed != list(words):
            return changed
    return list(words)


def change_words(
    words: Sequence[str], operation: Operation, rng: random.Random, synonyms: Synonyms, *, alpha: float
) -> list[str]:
    """Change a share of ``alpha`` of the words by one operation."""
    count = number_of_changes(len(words), alpha)
    match operation:
        case "replace":
            return replace_words(words, count, rng, synonyms)
        case "insert":
            return insert_words(words, count, rng, synonyms)
        case "swap":
            return swap_words(words, count, rng)
        case "delete":
            return delete_words(words, alpha, rng)


def number_of_changes(length: int, alpha: float) -> int:
    """Say how many of ``length`` words are changed: n = max(1, alpha * length) rounded down, none at an alpha of 0."""
    return max(1, int(alpha * length)) if alpha else 0


def replace_words(words: Sequence[str], count: int, rng: random.Random, synonyms: Synonyms) -> list[str]:
    """Put a random synonym in the place of ``count`` random words that have some, or of all that have."""
    changed = list(words)
    places = [place for place, word in enumerate(words) if _synonyms_of(word, synonyms)]
    for place in rng.sample(places, min(count, len(places))):
        new = rng.choice(_synonyms_of(words[place], synonyms))
        before, after = _punctuation(words[place])
        changed[place] = f"{before}{new}{after}"
    return changed


def insert_words(words: Sequence[str], count: int, rng: random.Random, synonyms: Synonyms) -> list[str]:
    """Insert, ``count`` times, a synonym of a random word at a random place."""
    changed = list(words)
    known = [found for word in words if (found := _synonyms_of(word, synonyms))]
    for _ in range(count if known else 0):
        changed.insert(rng.randint(0, len(changed)), rng.choice(rng.choice(known)))
    return changed


def swap_words(words: Sequence[str], count: int, rng: random.Random) -> list[str]:
    """Swap, ``count`` times, the words at two random places."""
    changed = list(words)
    for _ in range(count if len(words) > 1 else 0):
        one, other = rng.sample(range(len(words)), 2)
        changed[one], changed[other] = changed[other], changed[one]
    return changed


def delete_words(words: Sequence[str], probability: float, rng: random.Random) -> list[str]:
    """Delete each word with a probability in [0, 1]; where none is left, a random one stays."""
    kept = [word for word in words if rng.random() >= probability]
    return kept or [rng.choice(words)] if words else []


def letters_of(word: str) -> str | None:
    """Give a word in lower case without the punctuation around it; None where anything else than letters is inside."""
    match = _WORD.fullmatch(word)
    return match["letters"].lower() if match else None


def _punctuation(word: str) -> tuple[str, str]:
    match = _WORD.fullmatch(word)
    return (match["before"], match["after"]) if match else ("", "")


def _synonyms_of(word: str, synonyms: Synonyms) -> Sequence[str]:
    letters = letters_of(word)
    return synonyms.get(letters, ()) if letters else ()
