"""The soak: memory that grows, answers that are wrong, lost or late, and load that is none are each told."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from railmatch.classifier.model import SafetyClassifier
from railmatch.rails.guard import Guard
from serving_texts import Texts
from soaking.found import Answers, Found, breaches, line_through
from soaking.judges import Judge, guard_judge
from soaking.load import soak
from soaking.model import scores_of

MINUTE = 60.0
ANSWERS = Answers(sent=10, judged=6, undecided=4, slowest=1.5)
GOOD = Found(100.0, 200.0, 0.9, ANSWERS, size=900.0, growth=2.0, slope=4.0)


def test_the_line_leaves_out_the_first_fifth() -> None:
    # From second 2 on the sizes are 100, 101, 102, 103, 104: 4 MiB in 8 seconds, 1800 an hour.
    sizes = [(0.0, 10.0), (1.0, 500.0), (2.0, 100.0), (4.0, 101.0), (6.0, 102.0), (8.0, 103.0), (10.0, 104.0)]
    assert line_through(sizes) == pytest.approx((4.0, 1800.0))
    assert line_through([(0.0, 10.0), (1.0, 20.0)]) == (0.0, 0.0)


def test_scores_are_compared_and_what_was_not_judged_is_undecided() -> None:
    answers = Answers()
    answers.note("bread", 0.25, 0.25005, 1.0)
    answers.note("cake", None, 0.5, 3.0)
    answers.note("tea", 0.25, 0.5, 2.0)
    assert (answers.judged, answers.undecided, answers.slowest) == (1, 1, 3.0)
    assert answers.wrong == ["0.250000 and not 0.500000 of 'tea'"]


def test_a_good_soak_has_no_breach() -> None:
    assert breaches(GOOD, 2.0) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"wrong": ["0.1 and not 0.2 of 'tea'"], "judged": 5}, "wrong: 0.1 and not 0.2 of 'tea'"),
        ({"lost": ["OSError()"], "judged": 5}, "lost: OSError()"),
        ({"judged": 4}, "2 texts were never answered"),
        ({"slowest": 2.25}, "an answer took 2.25 s; allowed are 2 s"),
        ({"judged": 10, "undecided": 0}, "some texts must be judged and some undecided, else it was no overload"),
        ({"judged": 0, "undecided": 10}, "some texts must be judged and some undecided, else it was no overload"),
    ],
)
def test_every_breach_is_told(change: dict[str, Any], said: str) -> None:
    assert breaches(replace(GOOD, answers=replace(GOOD.answers, **change)), 2.0) == [said]


def test_growth_is_a_breach() -> None:
    assert breaches(replace(GOOD, growth=16.5), 2.0) == ["the process grew by 16.5 MiB; allowed are 16"]


def test_an_engine_that_works_for_nothing_is_a_breach() -> None:
    said = ["40% of the sustainable rate was judged in overload; at least 50% must be"]
    assert breaches(replace(GOOD, share=0.4), 2.0) == said


@pytest.fixture(scope="module")
def expected(trigger_models: Path) -> dict[str, float]:
    tokenizer = SafetyClassifier.load(trigger_models / "prompt", device="cpu").tokenizer
    return scores_of(trigger_models / "prompt", [*Texts(tokenizer).mixed(50), "w e a p o n"])


def test_the_scores_made_beforehand_are_the_guards(trigger_models: Path, expected: dict[str, float]) -> None:
    with Guard.load(trigger_models / "prompt", device="cpu") as guard:
        found = {text: guard.check_prompt(text).score for text in expected}
    assert found == pytest.approx(expected, abs=1e-5)
    assert found["w e a p o n"] > 0.99


def test_the_real_guard_is_soaked_without_a_wrong_or_lost_answer(
    trigger_models: Path, expected: dict[str, float]
) -> None:
    async def soaked() -> Found:
        async with guard_judge(trigger_models / "prompt", deadline=MINUTE) as judge:
            return await soak(judge, expected, seconds=1.5, patience=2 * MINUTE)

    found = asyncio.run(soaked())
    answers = found.answers
    assert (answers.wrong, answers.lost) == ([], [])
    assert answers.sent == answers.judged + answers.undecided > 0
    assert found.size > 0


def test_an_answer_to_another_text_and_one_that_fails_are_found() -> None:
    async def ask(text: str) -> float | None:
        await asyncio.sleep(0.001)
        if text == "tea":
            raise OSError("the connection was cut")
        return 0.75

    found = asyncio.run(soak(Judge(ask, os.getpid()), {"bread": 0.75, "cake": 0.5, "tea": 0.75}, 0.3, MINUTE))
    assert set(found.answers.wrong) == {"0.750000 and not 0.500000 of 'cake'"}
    assert set(found.answers.lost) == {"OSError('the connection was cut')"}
