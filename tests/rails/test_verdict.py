"""A verdict cannot contradict itself."""

import json
from typing import Any

import pytest
from railmatch.rails.verdict import Verdict

JUDGED = {"windows": 1, "milliseconds": 2.0, "task": "prompt", "model": "models/prompt", "version": "0123456789ab"}


@pytest.mark.parametrize(("score", "decision"), [(0.69, "allow"), (0.7, "block"), (1.0, "block"), (0.0, "allow")])
def test_the_threshold_itself_blocks(score: float, decision: str) -> None:
    assert Verdict.judged(score, 0.7, **JUDGED).decision == decision


def test_the_reason_names_score_and_threshold() -> None:
    assert Verdict.judged(0.25, 0.7, **JUDGED).reason == "score 0.2500 is below the threshold 0.7000"
    assert Verdict.judged(0.75, 0.7, **JUDGED).reason == "score 0.7500 is at or above the threshold 0.7000"


def test_undecided_has_no_score() -> None:
    verdict = Verdict.not_judged("overloaded", 0.7, milliseconds=1.0, task="response", model="m")
    assert (verdict.decision, verdict.score, verdict.windows, verdict.reason) == ("undecided", None, 0, "overloaded")


@pytest.mark.parametrize(
    "wrong",
    [
        {"decision": "allow"},
        {"decision": "undecided"},
        {"score": 0.2},
        {"score": None},
        {"score": 1.5},
        {"score": float("nan")},
        {"windows": 0},
        {"windows": -1},
        {"reason": ""},
        {"threshold": 0.95},
    ],
)
def test_fields_that_contradict_each_other_are_refused(wrong: dict[str, Any]) -> None:
    fields = {"decision": "block", "score": 0.9, "threshold": 0.7, "reason": "because", **JUDGED}
    Verdict(**fields)
    with pytest.raises(ValueError, match=r"follow|probability|window|why"):
        Verdict(**{**fields, **wrong})


def test_as_dict_is_json_ready() -> None:
    verdict = Verdict.judged(0.9, 0.5, **JUDGED)
    assert json.loads(json.dumps(verdict.as_dict())) == {
        "decision": "block", "score": 0.9, "threshold": 0.5, "windows": 1, "milliseconds": 2.0,
        "reason": "score 0.9000 is at or above the threshold 0.5000", "task": "prompt", "model": "models/prompt",
        "version": "0123456789ab", "undone": [],
    }  # fmt: skip


def test_the_most_severe_is_a_block_before_a_failure_before_a_harmless_score() -> None:
    allowed, higher, blocked = (Verdict.judged(score, 0.7, **JUDGED) for score in (0.1, 0.2, 0.8))
    failed = Verdict.not_judged("overloaded", 0.7, milliseconds=1.0, task="prompt", model="m")
    verdicts = [failed, higher, blocked, allowed]
    assert sorted(verdicts, key=lambda verdict: verdict.severity) == [allowed, higher, failed, blocked]
