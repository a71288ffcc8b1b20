"""The actions: what of a message is judged, and what NeMo Guardrails is told."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from railmatch.rails.actions import GuardActions, outcome, text_of
from railmatch.rails.guard import Guard
from railmatch.rails.verdict import Verdict


@pytest.fixture(scope="module")
def actions(trigger_models: Path) -> Iterator[GuardActions]:
    with Guard.load(trigger_models, device="cpu") as guard:
        yield GuardActions(guard)


def test_actions_carry_their_names(actions: GuardActions) -> None:
    assert actions.check_input.action_meta["name"] == "railmatch_check_input"
    assert actions.check_output.action_meta["name"] == "railmatch_check_output"


def test_the_text_given_counts_before_the_context(actions: GuardActions) -> None:
    context = {"user_message": "weapon", "bot_message": "steal"}
    assert not asyncio.run(actions.check_input(text="bread", context=context)).is_blocked
    assert asyncio.run(actions.check_input(context=context)).is_blocked
    assert not asyncio.run(actions.check_output(text="bread", context=context)).is_blocked
    assert asyncio.run(actions.check_output(context=context)).is_blocked


def test_a_response_is_judged_with_the_prompt_of_the_context(actions: GuardActions) -> None:
    assert asyncio.run(actions.check_output(text="bread", context={"user_message": "steal"})).is_blocked
    assert not asyncio.run(actions.check_output(text="bread", context={"user_message": None})).is_blocked
    assert not asyncio.run(actions.check_output(text="bread")).is_blocked


def test_whatever_else_nemo_passes_is_ignored(actions: GuardActions) -> None:
    more = {"config": object(), "llm": None, "llms": {}, "llm_task_manager": object(), "model_name": "x", "events": []}
    assert not asyncio.run(actions.check_output(text="bread", context={}, **more)).is_blocked


def test_parts_of_text_are_one_text() -> None:
    assert text_of([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]) == "a\nb"
    assert text_of([]) == ""


@pytest.mark.parametrize(
    "content",
    [
        *(7, ["a"], {"type": "image_url"}, [{"type": "text", "text": "a"}, {"type": "file"}]),
        [{"type": "image_url", "image_url": {"url": "data:,"}, "text": "a picture, whatever it says beside it"}],
    ],
)
def test_what_is_not_text_is_an_error_not_an_empty_text(content: Any) -> None:
    with pytest.raises(TypeError, match="only text can be judged"):
        text_of(content)


@pytest.mark.parametrize(
    ("decision", "fail", "blocked", "failed"),
    [
        ("allow", "closed", False, False),
        ("allow", "open", False, False),
        ("block", "closed", True, False),
        ("block", "open", True, False),
        ("undecided", "closed", True, True),
        ("undecided", "open", False, False),
    ],
)
def test_what_a_verdict_means_to_nemo(decision: str, fail: str, blocked: bool, failed: bool) -> None:
    about = {"milliseconds": 1.0, "task": "prompt", "model": "m"}
    verdict = {
        "allow": Verdict.judged(0.1, 0.5, windows=1, **about),
        "block": Verdict.judged(0.9, 0.5, windows=1, **about),
        "undecided": Verdict.not_judged("overloaded", 0.5, **about),
    }[decision]
    told = outcome(verdict, Guard({}, fail=fail))
    assert (told.is_blocked, told.failed) == (blocked, failed)
    assert told.metadata == {
        **verdict.as_dict(),
        "category": "harmful" if decision == "block" else None,
        "fail": fail,
    }
    assert told.reason == verdict.reason
