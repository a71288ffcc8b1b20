"""The accept/reject table of a round: a row for every text, and for every answer that gave none."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .sample import Sample

Check = Literal["", "answer", "same_text", "near_copy", "same_meaning", "label", "diversity", "balance"]
"""What decided: the empty one is for what passed all checks."""

HEAD = ("decision", "check", "reason")
"""The fields of a row before those of its record."""


@dataclass(frozen=True, slots=True)
class Row:
    """One decision; ``sample`` is None for an answer that was no texts at all, whose words are then in ``text``."""

    decision: Literal["accepted", "rejected"]
    check: Check = ""
    reason: str = ""
    sample: Sample | None = None
    seed: str = ""
    text: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Give the row as it stands in the file."""
        head = {"decision": self.decision, "check": self.check, "reason": self.reason}
        if self.sample is None:
            return head | {"seed": self.seed, "answer": self.text[:500]}
        return head | self.sample.as_dict()


def sifted(samples: Sequence[Sample], check: Check, reasons: Sequence[str]) -> tuple[list[Sample], list[Row]]:
    """Part samples by the reasons against them: those without any, and a row for each of the others."""
    kept = [sample for sample, reason in zip(samples, reasons, strict=True) if not reason]
    rows = [Row("rejected", check, reason, sample) for sample, reason in zip(samples, reasons, strict=True) if reason]
    return kept, rows


def checked(
    samples: Sequence[Sample], checks: Sequence[tuple[Check, Callable[[Sequence[Sample]], Sequence[str]]]]
) -> tuple[list[Sample], list[Row]]:
    """Put samples through checks, one after the other, each of which sees what the earlier ones left."""
    kept = list(samples)
    rows: list[Row] = []
    for name, check in checks:
        kept, rejected = sifted(kept, name, check(kept))
        rows += rejected
    return kept, rows


def counts(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Count a round's texts, those accepted by category and class, and those rejected by what decided.

    ``rows`` are as they stand in the file.
    """
    accepted = [row for row in rows if row["decision"] == "accepted"]
    rejected = Counter(row["check"] for row in rows if row["decision"] == "rejected")
    cells = Counter((row["category"], row["label"]) for row in accepted)
    by_category: dict[str, dict[str, int]] = {}
    for (category, label), count in sorted(cells.items()):
        by_category.setdefault(category, {})[label] = count
    return {
        "texts": sum("prompt" in row for row in rows),
        "accepted": len(accepted),
        "rejected": dict(sorted(rejected.items())),
        "by_category": by_category,
    }
