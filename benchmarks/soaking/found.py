"""What a soak found, and what of it must not be."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

GROWTH = 16.0
"""MiB by which the process may grow in all, after the first fifth of the time."""

ENOUGH = 0.5
"""Share of what is sustainable that must be judged in overload, where refusing and sending take their part."""

TOLERANCE = 1e-4
"""How far a score may be from that of the text alone: in float32 the shape of a batch rounds differently."""


@dataclass
class Answers:
    """Counts answers as they come; ``slowest`` is in seconds, ``lost`` holds what was raised instead of an answer."""

    sent: int = 0
    judged: int = 0
    undecided: int = 0
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def note(self, text: str, score: float | None, expected: float, seconds: float) -> None:
        """Count an answer and compare its score."""
        self.slowest = max(self.slowest, seconds)
        if score is None:
            self.undecided += 1
        elif abs(score - expected) <= TOLERANCE:
            self.judged += 1
        else:
            self.wrong.append(f"{score:.6f} and not {expected:.6f} of {text!r}")


@dataclass(frozen=True)
class Found:
    """One soak.

    Attributes:
        sustainable: texts a second of callers who wait for their answers.
        rate: texts a second that were sent.
        share: texts judged in overload, as a share of those that could have been at the sustainable rate.
        answers: what came back.
        size: MiB of the process at the end.
        growth: MiB by which the line through its sizes rises.
        slope: the same, in MiB an hour.
    """

    sustainable: float
    rate: float
    share: float
    answers: Answers
    size: float
    growth: float
    slope: float

    def __str__(self) -> str:
        """Say it in a sentence."""
        answers = self.answers
        return (
            f"{self.sustainable:.0f} texts/s sustained, {self.rate:.0f} sent; {answers.sent} texts: {answers.judged} "
            f"judged ({self.share:.0%} of what is sustained), {answers.undecided} undecided, "
            f"{len(answers.wrong)} wrong, {len(answers.lost)} lost; slowest answer {answers.slowest:.2f} s; "
            f"{self.size:.0f} MiB, {self.growth:+.1f} MiB ({self.slope:+.1f} an hour)"
        )

    def as_dict(self) -> dict[str, Any]:
        """Give everything as JSON-ready values."""
        return asdict(self)


def line_through(sizes: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Fit a line through (seconds, MiB) after the first fifth; give its rise in MiB, and its slope in MiB an hour."""
    kept = [sample for sample in sizes if sample[0] >= sizes[-1][0] / 5]
    if len(kept) < 2:
        return 0.0, 0.0
    seconds, mebibytes = np.array(kept).T
    slope = float(np.polyfit(seconds, mebibytes, 1)[0])
    return slope * float(seconds[-1] - seconds[0]), slope * 3600


def breaches(found: Found, seconds: float) -> list[str]:
    """Say what is wrong; nothing may be answered later than ``seconds`` after it was sent."""
    answers = found.answers
    answered = answers.judged + answers.undecided + len(answers.wrong) + len(answers.lost)
    said = [*(f"wrong: {what}" for what in answers.wrong[:5]), *(f"lost: {what}" for what in answers.lost[:5])]
    if answered != answers.sent:
        said.append(f"{answers.sent - answered} texts were never answered")
    if answers.slowest > seconds:
        said.append(f"an answer took {answers.slowest:.2f} s; allowed are {seconds:g} s")
    if not answers.judged or not answers.undecided:
        said.append("some texts must be judged and some undecided, else it was no overload")
    elif found.share < ENOUGH:
        said.append(f"{found.share:.0%} of the sustainable rate was judged in overload; at least {ENOUGH:.0%} must be")
    if found.growth > GROWTH:
        said.append(f"the process grew by {found.growth:.1f} MiB; allowed are {GROWTH:g}")
    return said
