"""Verdict: what a check found, with "could not decide" kept apart from both findings."""

from dataclasses import dataclass
from typing import Any, Literal, Self

from ..classifier.tasks import Task

Decision = Literal["allow", "block", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome of one check.

    Attributes:
        decision: ``allow`` or ``block`` where the model judged, ``undecided`` where it could not.
        score: the harmful probability in [0, 1] of the highest window; None when undecided.
        threshold: in [0, 1]; from this score on a text is blocked.
        windows: how many windows the text had; 0 when undecided.
        milliseconds: from the question to the answer, waiting included.
        reason: why, in one sentence.
        task: whether a prompt or a response was judged.
        model: the folder of the model that judged.
        version: the first digits of the SHA-256 of that model's weights, which changes with every training.
        undone: the rewrites against tokenizers that were found and undone; both forms of the text were judged.
    """

    decision: Decision
    score: float | None
    threshold: float
    windows: int
    milliseconds: float
    reason: str
    task: Task
    model: str
    version: str = ""
    undone: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse combinations that contradict themselves, so that a failure can never look like a finding.

        Raises:
            ValueError: the decision does not follow from the score, or there is no reason.
        """
        if self.decision != self._expected_decision():
            raise ValueError(f"{self.decision!r} does not follow from score {self.score} at threshold {self.threshold}")
        if self.windows < 0 or (self.windows == 0) != (self.score is None):
            raise ValueError(f"a score comes from at least one window, not from {self.windows}")
        if not self.reason:
            raise ValueError("a verdict says why")

    @classmethod
    def judged(cls, score: float, threshold: float, *, windows: int, milliseconds: float, **about: Any) -> Self:
        """Compare a score with the threshold: at or above it, block; ``about`` are the fields from ``task`` on."""
        blocked = score >= threshold
        reason = f"score {score:.4f} is {'at or above' if blocked else 'below'} the threshold {threshold:.4f}"
        decision: Decision = "block" if blocked else "allow"
        return cls(
            decision=decision, score=score, threshold=threshold, windows=windows, milliseconds=milliseconds,
            reason=reason, **about,
        )  # fmt: skip

    @classmethod
    def not_judged(cls, reason: str, threshold: float, *, milliseconds: float, **about: Any) -> Self:
        """Say that the text could not be judged, and why."""
        return cls(
            decision="undecided", score=None, threshold=threshold, windows=0, milliseconds=milliseconds,
            reason=reason, **about,
        )  # fmt: skip

    @property
    def severity(self) -> tuple[int, float]:
        """Order verdicts: allowed before undecided before blocked, and by score."""
        return ("allow", "undecided", "block").index(self.decision), self.score or 0.0

    def as_dict(self) -> dict[str, Any]:
        """Give the fields as JSON-ready values."""
        return {name: getattr(self, name) for name in self.__slots__}  # asdict would copy each, at ten times the time

    def _expected_decision(self) -> Decision:
        if self.score is None:
            return "undecided"
        if not 0 <= self.score <= 1:
            raise ValueError(f"a score is a probability in [0, 1], not {self.score}")
        return "block" if self.score >= self.threshold else "allow"
