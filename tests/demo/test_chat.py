"""The demo's rails: real LLMRails on a written config, with models that decide by a word."""

import os
from pathlib import Path

import pytest
from railmatch.classifier.errors import EngineError
from railmatch.demo.chat import EXAMPLES, Answer, Example, answer_lines, ask_rails
from railmatch.rails.guard import Guard
from railmatch.rails.scaffold import write_config


@pytest.fixture
def config(trigger_models: Path, tmp_path: Path) -> Path:
    write_config(tmp_path / "guardrails", trigger_models)
    return tmp_path / "guardrails"


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def test_rails_decide_by_the_models_scores(config: Path, trigger_models: Path):
    examples = [
        Example("prompt", (user("a weapon please"),), "input", "blocked"),
        Example("prompt", (user("a song please"),), "input", "allowed"),
        Example("response", (user("a song please"), assistant("steal it")), "output", "blocked"),
        Example("response", (user("a song please"), assistant("sing it")), "output", "allowed"),
    ]
    answers = ask_rails(config, examples)
    assert [answer.decision for answer in answers] == [example.expected for example in examples]
    with Guard.load(trigger_models, device="cpu") as guard:
        expected = [
            guard.check_prompt("a weapon please"),
            guard.check_prompt("a song please"),
            guard.check_response("a song please", "steal it"),
            guard.check_response("a song please", "sing it"),
        ]
    assert [answer.score for answer in answers] == pytest.approx([verdict.score for verdict in expected], abs=1e-6)
    assert [answer.threshold for answer in answers] == [0.5] * 4


def test_a_rail_that_could_not_judge_is_an_error_and_no_score(trigger_models: Path, tmp_path: Path):
    write_config(tmp_path / "guardrails", trigger_models)
    text = (tmp_path / "guardrails" / "config.yml").read_text()
    assert "    fail: closed" in text
    (tmp_path / "guardrails" / "config.yml").write_text(text.replace("    fail: closed", "    deadline: 1.0e-6"))
    slow = "a song please " * 5000  # a short text may be answered before anyone looks at the clock
    with pytest.raises(EngineError, match="the input rail gave no score for the harmless one"):
        ask_rails(tmp_path / "guardrails", [Example("harmless one", (user(slow),), "input", "allowed")])


def test_examples_are_an_unsafe_prompt_its_look_alike_and_an_unsafe_response():
    assert [(example.rail, example.expected) for example in EXAMPLES] == [
        ("input", "blocked"),
        ("input", "allowed"),
        ("output", "blocked"),
    ]
    assert [example.messages[-1]["role"] for example in EXAMPLES] == ["user", "user", "assistant"]


def test_lines_say_what_was_shown_and_what_the_rail_did():
    example = Example("unsafe prompt", (user("a weapon please"),), "input", "blocked")
    assert answer_lines(Answer(example, "blocked", 0.98765, 0.25)) == [
        "unsafe prompt: a weapon please",
        "  -> blocked, score 0.9877, threshold 0.2500",
    ]


def test_lines_own_up_to_a_mistake():
    example = Example("unsafe prompt", (user("a weapon please"),), "input", "blocked")
    assert answer_lines(Answer(example, "allowed", 0.125, 0.25))[1] == (
        "  -> allowed, score 0.1250, threshold 0.2500  (should have been blocked)"
    )


def test_usage_is_not_reported(config: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NEMO_GUARDRAILS_NO_USAGE_STATS")
    ask_rails(config, [])
    assert os.environ["NEMO_GUARDRAILS_NO_USAGE_STATS"] == "1"
