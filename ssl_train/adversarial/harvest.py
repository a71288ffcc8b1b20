"""What is kept of a generator's candidates: what passes the gate, is new, and is not too much of one kind."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from ...classifier.tasks import LABELS
from ..embedding import Embed
from ..progress import Advance
from ..synthesis.duplicates import near_copies, same_meanings, same_texts
from ..synthesis.sample import Sample
from .attack import Candidate
from .recipe import HarvestSettings
from .rewards import Reward, Terms

SEEDS_AT_ONCE = 16
"""The candidates of so many seeds are scored together: a seed's are a group, and judges are asked for batches."""


@dataclass(frozen=True, slots=True)
class Attack:
    """A candidate with its terms, the round it is of, and why it was not kept; ``threshold`` is the classifier's."""

    candidate: Candidate
    terms: Terms
    round: int
    threshold: float
    rejected: str = ""

    @property
    def succeeds(self) -> bool:
        """Tell whether it is what its seed is, and the classifier is wrong about it."""
        return bool(self.terms.gate) and (self.terms.harmful >= self.threshold) != bool(self.candidate.seed.label)

    def as_dict(self) -> dict[str, Any]:
        """Give the attack with its score and lineage as it stands in the files."""
        terms = asdict(self.terms) | {"gates": dict(self.terms.gates), "shaping": dict(self.terms.shaping)}
        row = {"round": self.round, "rejected": self.rejected, "text": self.candidate.text}
        return (
            row | self.candidate.as_dict() | {"reward": self.terms.reward, "terms": terms, "threshold": self.threshold}
        )

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Self:
        """Read what ``as_dict`` gave."""
        return cls(Candidate.from_dict(row), Terms(**row["terms"]), row["round"], row["threshold"], row["rejected"])


@dataclass(frozen=True, slots=True)
class Harvest:
    """Every candidate of a round with what became of it, those that were kept first, the best before the others."""

    attacks: list[Attack]

    @property
    def kept(self) -> list[Attack]:
        """List what was kept."""
        return [attack for attack in self.attacks if not attack.rejected]

    def figures(self, seeds: int, embed: Embed) -> dict[str, Any]:
        """Count what became of the candidates for so many ``seeds``, and measure success, faithfulness and diversity.

        ``success`` is the share of seeds with a successful attack; ``faithful`` that of judged texts whose label
        the judges found; ``diversity`` the mean distance, 1 - cosine, of a kept attack to its nearest; None where
        there is nothing to measure.
        """
        judged = [attack for attack in self.attacks if attack.terms.asked]
        faithful = sum(attack.terms.gates["label"] for attack in judged)
        broken = {attack.candidate.seed.id: attack.candidate.seed.label for attack in self.attacks if attack.succeeds}
        return {
            "seeds": seeds,
            "texts": len(self.attacks),
            "kept": len(self.kept),
            "rejected": dict(Counter(attack.rejected for attack in self.attacks if attack.rejected).most_common()),
            "success": len(broken) / seeds if seeds else None,
            "broken": {name: sum(value == label for value in broken.values()) for label, name in enumerate(LABELS)},
            "faithful": faithful / len(judged) if judged else None,
            "diversity": diversity(embed([attack.candidate.text for attack in self.kept])),
            "fool": float(np.mean([attack.terms.fool for attack in self.kept])) if self.kept else None,
        }


def diversity(vectors: np.ndarray) -> float | None:
    """Give the mean distance, 1 - cosine, of unit rows (n, width) to their nearest; None for fewer than two."""
    if len(vectors) < 2:
        return None
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1.0)
    return float((1 - cosines.max(axis=1)).mean())


def score(candidates: Sequence[Candidate], reward: Reward, number: int, advance: Advance) -> list[Attack]:
    """Score candidates for round ``number``, those of some seeds at a time; ``advance`` counts candidates.

    Raises:
        EndpointError: a judge did not answer for as long as a round waits.
    """
    by_seed: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        by_seed.setdefault(candidate.seed.id, []).append(candidate)
    groups = list(by_seed.values())
    found = []
    for start in range(0, len(groups), SEEDS_AT_ONCE):
        some = [candidate for group in groups[start : start + SEEDS_AT_ONCE] for candidate in group]
        for candidate, terms in zip(some, reward.score(some), strict=True):
            found.append(Attack(candidate, terms, number, reward.classifier.threshold, terms.stopped_by))
        advance(len(some))
    return found


def harvest(scored: Sequence[Attack], known: Sequence[Attack], settings: HarvestSettings, embed: Embed) -> Harvest:
    """Keep of scored attacks the best that are unlike each other and unlike the ``known`` ones of earlier rounds."""
    ranked = sorted(scored, key=lambda attack: (-attack.terms.reward, attack.candidate.id))
    left = [attack for attack in ranked if not attack.rejected]
    gone = [attack for attack in ranked if attack.rejected]
    earlier = [attack.candidate.as_sample() for attack in known]
    earlier_vectors = embed([sample.text for sample in earlier])

    def same_meaning(samples: Sequence[Sample]) -> list[str]:
        vectors = embed([sample.text for sample in samples])
        return same_meanings(samples, earlier, vectors, earlier_vectors, settings.same_meaning)

    checks: list[tuple[str, Callable[[Sequence[Sample]], Sequence[str]]]] = [
        ("same text", lambda samples: same_texts(samples, earlier)),
        ("near copy", lambda samples: near_copies(samples, earlier, settings.near_copy)),
        ("same meaning", same_meaning),
        ("enough of this seed", lambda samples: _beyond([sample.seed for sample in samples], settings.a_seed)),
        ("enough of this category", lambda samples: _beyond([sample.cell for sample in samples], settings.a_category)),
        ("enough of this class", lambda samples: _beyond([sample.label for sample in samples], settings.accepted // 2)),
    ]
    for name, check in checks:
        reasons = check([attack.candidate.as_sample() for attack in left])
        gone += [_rejected(attack, name) for attack, reason in zip(left, reasons, strict=True) if reason]
        left = [attack for attack, reason in zip(left, reasons, strict=True) if not reason]
    return Harvest([*left, *gone])


def _beyond(kinds: Sequence[object], most: int) -> list[str]:
    """Give a reason against each one beyond the first ``most`` of its kind."""
    seen: Counter[object] = Counter()
    reasons = []
    for kind in kinds:
        seen[kind] += 1
        reasons.append("beyond" if seen[kind] > most else "")
    return reasons


def _rejected(attack: Attack, reason: str) -> Attack:
    return Attack(attack.candidate, attack.terms, attack.round, attack.threshold, reason)
