"""Find the test texts that stand in the training set too, word for word or nearly: what a test must not contain.

The search is exact. By prefix filtering (Bayardo et al. 2007, "Scaling up all pairs similarity search"), two sets can
only reach a Jaccard similarity of s if they share one of the rarest ``n - ceil(s * n) + 1`` members of each, so an
index of the test set's rare shingles leaves few pairs to compare in full.
"""

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import ceil
from typing import Any

from ...classifier.errors import SettingsError
from ...classifier.inputs import Exchange
from .records import Record, normalised, text_key

log = logging.getLogger(__name__)

SHINGLE_WORDS = 2
"""Words in one shingle: two keep some of the order, and one changed word does not hide that short prompts are alike."""

SIMILARITY = 0.6
"""Jaccard similarity of two texts' shingles from which they count as nearly the same."""

EXAMPLES = 10
"""Pairs that a report names."""

WORD = re.compile(r"\w+")

Shingles = frozenset[str]


@dataclass(frozen=True, slots=True)
class Leak:
    """A test record and a training record that say the same; ``similarity`` is 1.0 where they are equal."""

    test: str
    train: str
    similarity: float


@dataclass(frozen=True, slots=True)
class LeakReport:
    """How many test records have a copy (``exact``) or only a near-copy (``near``) in the training set.

    ``test`` and ``train`` count the records compared; ``examples`` are up to ten pairs, the most similar first.
    """

    exact: int
    near: int
    test: int
    train: int
    similarity: float
    examples: tuple[Leak, ...]

    def as_dict(self) -> dict[str, Any]:
        """Give the report as plain values, ready for JSON."""
        return asdict(self)


def find_leaks(train: Sequence[Record], test: Sequence[Record], *, similarity: float = SIMILARITY) -> LeakReport:
    """Compare every test record with every training record, by normalised text and by shingles of words.

    A prompt with its response is one text. Words are runs of letters and digits, so in scripts that set no spaces
    only copies and texts of equal clauses are found. Nothing is removed: what to do about a leak is for the reader.

    Raises:
        SettingsError: ``similarity`` is not above 0 and at most 1.
    """
    if not 0 < similarity <= 1:
        raise SettingsError(f"the similarity of near-duplicates must be above 0 and at most 1, not {similarity}")
    leaks = _copies(train, test)
    copies = len(leaks)
    rest = [record for record in test if record.id not in leaks]
    for leak in _Index(rest, Fraction(str(similarity))).leaks(train):
        if leak.test not in leaks or leak.similarity > leaks[leak.test].similarity:
            leaks[leak.test] = leak
    examples = sorted(leaks.values(), key=lambda leak: (-leak.similarity, leak.test, leak.train))[:EXAMPLES]
    report = LeakReport(copies, len(leaks) - copies, len(test), len(train), similarity, tuple(examples))
    if leaks:
        log.warning(
            "%d of %d test texts are in the training set word for word and %d nearly: their figures flatter",
            report.exact,
            report.test,
            report.near,
        )
    return report


def _copies(train: Sequence[Record], test: Sequence[Record]) -> dict[str, Leak]:
    known = {text_key(record.exchange): record.id for record in train}
    keys = ((record.id, text_key(record.exchange)) for record in test)
    return {identity: Leak(identity, known[key], 1.0) for identity, key in keys if key in known}


def shingles(exchange: Exchange) -> Shingles:
    """Cut an exchange into its runs of ``SHINGLE_WORDS`` words; a shorter text is one, a text without words none."""
    return frozenset(shingle for part in exchange if part is not None for shingle in _text_shingles(part))


def _text_shingles(text: str) -> Iterator[str]:
    words = WORD.findall(normalised(text))
    if 0 < len(words) < SHINGLE_WORDS:
        yield " ".join(words)
    for start in range(len(words) - SHINGLE_WORDS + 1):
        yield " ".join(words[start : start + SHINGLE_WORDS])


class _Index:
    """The test set, to be found by its rare shingles."""

    def __init__(self, test: Sequence[Record], similarity: Fraction) -> None:
        self.similarity = similarity  # a fraction, because rounding in ceil(s * n) could lose a pair
        self.test = [(record.id, shingles(record.exchange)) for record in test]
        self.frequency = Counter(shingle for _, cut in self.test for shingle in cut)
        self.by_shingle: defaultdict[str, list[int]] = defaultdict(list)
        for number, (_, cut) in enumerate(self.test):
            for shingle in self._rarest(cut, self._prefix(len(cut))):
                self.by_shingle[shingle].append(number)

    def _prefix(self, size: int) -> int:
        return size - ceil(self.similarity * size) + 1 if size else 0

    def _rarest(self, cut: Iterable[str], count: int) -> list[str]:
        return sorted(cut, key=lambda shingle: (self.frequency[shingle], shingle))[:count]

    def leaks(self, train: Sequence[Record]) -> Iterator[Leak]:
        """Give every pair that is similar enough."""
        for record in train:
            cut = shingles(record.exchange)
            known = [shingle for shingle in cut if shingle in self.frequency]
            # shingles that the test set lacks are the rarest of all, and find nothing
            count = self._prefix(len(cut)) - (len(cut) - len(known))
            if count > 0:
                found = {
                    number for shingle in self._rarest(known, count) for number in self.by_shingle.get(shingle, ())
                }
                yield from self._similar(record.id, cut, found)

    def _similar(self, train: str, cut: Shingles, found: Iterable[int]) -> Iterator[Leak]:
        for number in found:
            identity, other = self.test[number]
            shared = len(cut & other)
            union = len(cut) + len(other) - shared
            if shared >= self.similarity * union:
                yield Leak(identity, train, shared / union)
