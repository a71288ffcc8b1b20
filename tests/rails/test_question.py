"""A text is judged as it is and as a reader reads it; the higher score counts, and a failure hides no finding."""

import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from railmatch.classifier import normalising_vocabulary
from railmatch.classifier.engine.batching import Engine
from railmatch.classifier.errors import ModelError
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier
from railmatch.rails.guard import Guard
from railmatch.rails.question import LONG, Check, Question

ZERO_WIDTH, CYRILLIC, FULLWIDTH = "wea\u200bpon", "we\u0430pon", "\uff57\uff45\uff41\uff50\uff4f\uff4e"
SPACED = "w e a p o n"


@pytest.fixture(scope="module")
def guard(trigger_models: Path) -> Iterator[Guard]:
    with Guard.load(trigger_models, device="cpu") as guard:
        yield guard


@pytest.mark.parametrize(
    ("text", "undone"),
    [
        (ZERO_WIDTH, "invisible characters"),
        (CYRILLIC, "homoglyphs"),
        (FULLWIDTH, "compatibility forms"),
        (SPACED, "letter-spacing"),
    ],
)
def test_evasion_is_undone_and_said(guard: Guard, text: str, undone: str) -> None:
    verdict = guard.check_prompt(text)
    assert (verdict.decision, verdict.undone, verdict.windows) == ("block", (undone,), 2)
    assert asyncio.run(guard.check_prompt_async(text)).undone == (undone,)
    assert guard.check_response("hi", text.replace("w", "s")).undone == (undone,)


def test_undoing_cannot_hide_what_the_text_itself_says(guard: Guard) -> None:
    verdict = guard.check_prompt("weapon a b c d")
    assert (verdict.decision, verdict.undone) == ("block", ("letter-spacing",))


def test_an_ordinary_text_is_judged_once(guard: Guard) -> None:
    verdict = guard.check_prompt("how do i bake bread")
    assert (verdict.windows, verdict.undone) == (1, ())


def test_a_prompt_is_undone_with_its_response(guard: Guard) -> None:
    verdict = guard.check_response("how do i ste\u200bal", "w o r k")
    assert (verdict.decision, verdict.undone) == ("block", ("invisible characters", "letter-spacing"))


def test_a_long_text_is_undone_beside_the_event_loop(guard: Guard) -> None:
    text = "bread " * LONG + ZERO_WIDTH
    assert asyncio.run(guard.check_prompt_async(text)).decision == "block"


ENDLESS = "w e a p o n " * 8_000
"""Takes tenths of a second to undo."""


def test_the_deadline_does_not_wait_for_undoing(trigger_models: Path) -> None:
    with Guard.load(trigger_models, device="cpu", deadline=0.01) as guard:
        for verdict in (guard.check_prompt(ENDLESS), asyncio.run(guard.check_prompt_async(ENDLESS))):
            assert (verdict.decision, verdict.reason) == ("undecided", "not judged before its deadline")
            assert verdict.undone == ()  # or undoing has come to its end


def test_a_question_that_the_engine_refuses_is_not_undone(trigger_models: Path) -> None:
    guard = Guard.load(trigger_models, device="cpu")
    guard.close()
    for text in (SPACED, SPACED * LONG):
        verdict = guard.check_prompt(text)
        assert (verdict.decision, verdict.undone) == ("undecided", ())


def test_whatever_undoing_raises_reaches_the_caller(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> Path:
        raise ModelError("the embedded encoder's files are missing")

    monkeypatch.setattr(normalising_vocabulary, "embedded_folder", gone)
    normalising_vocabulary.word_costs.cache_clear()
    text = SPACED + " bread" * LONG
    with pytest.raises(ModelError, match="files are missing"):
        guard.check_prompt(text)
    with pytest.raises(ModelError, match="files are missing"):
        asyncio.run(guard.check_prompt_async(text))


@pytest.mark.parametrize(("text", "decision"), [(SPACED, "undecided"), (f"weapon {CYRILLIC}", "block")])
def test_where_one_form_fails_only_a_finding_counts(trigger_models: Path, text: str, decision: str) -> None:
    classifier = SafetyClassifier.load(trigger_models / "prompt", device="cpu")
    engine = Engine(classifier)
    question = Question(Check(engine, "prompt", 0.5, "m"), Exchange(text), None)
    engine.close()  # what was submitted is still answered, the second form is not taken any more
    verdict = question.verdict()
    assert verdict.decision == decision
    assert ("closed" in verdict.reason) == (decision == "undecided")


def test_the_version_is_the_beginning_of_the_weights_sha256(guard: Guard, trigger_models: Path) -> None:
    weights = (trigger_models / "prompt" / "model.safetensors").read_bytes()
    assert guard.check_prompt("hi").version == hashlib.sha256(weights).hexdigest()[:12]
    assert guard.check_response("hi", "ho").version != guard.check_prompt("hi").version
