"""Scenarios of NeMo Guardrails' own suite, told anew for our flows and the 0.24 interface; theirs on the left.

streamed output rails (tests/test_streaming_output_rails.py)
    enabled, blocked                        test_a_blocked_stream_ends_with_one_error_and_no_unsafe_token
    blocked at the start                    test_a_stream_that_begins_unsafe_is_one_error
    not enabled                             test_streaming_must_be_enabled
    default config, which shows what is     test_settings.py: test_a_response_must_not_be_shown_before_it_is_checked;
    unsafe before it is checked             we refuse it when the app starts
parallel streamed output rails (tests/test_parallel_streaming_output_rails.py)
    all of the above                        the same tests, with parallel=True
    allowed; as the sequential ones         test_an_allowed_stream_arrives_token_by_token
    blocked by one of several, by any       test_beside_a_rail_of_the_apps_own_either_may_block
    a rail that fails                       test_a_rail_that_breaks_beside_ours_stops_the_stream
    larger chunks                           test_large_chunks_arrive_whole
    faster than sequential rails            test_parallel_rails_run_at_the_same_time, without a clock
parallel rails (tests/test_parallel_rails.py)
    all pass                                test_all_rails_that_pass_are_in_the_log
    input or output, first or second fails, test_exactly_the_rail_that_blocked_is_marked
    and the stop flag of exactly that rail
both engines (tests/guardrails/test_cross_engine_local_rails.py)
    the same decision on both engines       service/test_nemo.py: test_both_of_their_engines_are_guarded, and
                                            test_both_engines_give_the_same_replies
    which engine takes a config             test_the_fast_engine_hands_our_actions_to_llmrails
    a rail that lacks what it needs         test_setup.py: test_a_rail_without_its_model_stops_the_app
the server's checks (tests/server/test_guardrail_checks.py)
    status, content, rail                   test_commands.py: test_checks_without_the_main_llm
    rail types                              test_commands.py: test_checks_of_the_rails_asked_for
    one config and several, config.py       test_commands.py: test_checks_of_another_config_and_of_several
    context given beside the messages       test_commands.py: test_checks_of_chunks_given_as_context
    everything refused with 422             test_commands.py: test_checks_that_cannot_be_made_are_refused
    a config that fails                     test_commands.py: test_a_config_that_cannot_be_loaded_checks_nothing_...

Left out is what concerns NeMo's server alone: its default config and violations of tool schemas.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from nemoguardrails import LLMRails, RailsConfig
from nemoguardrails.actions import action
from nemoguardrails.actions.rail_outcome import RailOutcome
from nemoguardrails.exceptions import StreamingNotSupportedError
from nemoguardrails.guardrails.guardrails import Guardrails
from nemoguardrails.guardrails.iorails import IORails
from nemoguardrails.testing import FakeLLMModel
from railmatch.classifier.engine.batching import Engine
from railmatch.classifier.engine.scorer import TorchScorer
from railmatch.classifier.inputs import Exchange, Window
from railmatch.classifier.model import SafetyClassifier
from railmatch.rails.actions import GuardActions
from railmatch.rails.guard import Check, Guard
from railmatch.rails.scaffold import write_config
from railmatch.rails.verdict import Verdict

INPUT, OUTPUT = "railmatch check input", "railmatch check output"
REFUSAL = "I'm sorry, I can't respond to that."
PROMPT = "how do i bake bread"
FINE = ["ask ", "the ", "police ", "first ", "and ", "then ", "wait ", "at ", "home"]
UNSAFE = ["ask ", "the ", "police ", "first ", "and ", "then ", "steal ", "it ", "all"]
BLOCKED = {
    "message": f"Blocked by {OUTPUT} rails.",
    "type": "guardrails_violation",
    "param": OUTPUT,
    "code": "content_blocked",
}
OWN_RAILS = """
define subflow own rail on input
  $own = execute own_check(text=$user_message)
  if $own.is_blocked
    bot refuse to respond
    stop

define subflow own rail on output
  $own = execute own_check(text=$bot_message)
  if $own.is_blocked
    bot refuse to respond
    stop
"""


@action(name="own_check")
async def own_check(text: str = "", **_: Any) -> RailOutcome:
    """A rail of the app's own, beside ours: it blocks "tax" and breaks at "boss"."""
    if "boss" in text:
        raise RuntimeError("the app's own rail broke")
    return RailOutcome.block(reason="tax") if "tax" in text else RailOutcome.allow(reason="no tax")


Build = Callable[..., LLMRails]


@pytest.fixture(scope="module")
def build(trigger_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Make the app of a config, with its own rails and changes to its rails, once for every test that asks for it."""
    made: dict[str, LLMRails] = {}
    loop = asyncio.new_event_loop()

    def build(*, parallel: bool = False, own: bool = False, streaming: bool = True, chunk_size: int = 4) -> LLMRails:
        key = f"{parallel}{own}{streaming}{chunk_size}"
        if key not in made:
            folder = tmp_path_factory.mktemp("app") / "guardrails"
            write_config(folder, trigger_models)
            content = yaml.safe_load((folder / "config.yml").read_text())
            rails = content["rails"]
            rails["output"]["streaming"] = {"enabled": streaming, "stream_first": False}
            rails["output"]["streaming"] |= {"chunk_size": chunk_size, "context_size": 2}
            for side, flow in (("input", "own rail on input"), ("output", "own rail on output")):
                rails[side]["parallel"] = parallel
                rails[side]["flows"] += [flow] * own
            (folder / "config.yml").write_text(yaml.safe_dump(content))
            (folder / "own.co").write_text(OWN_RAILS)
            asyncio.set_event_loop(loop)
            made[key] = LLMRails(RailsConfig.from_path(str(folder)), llm=FakeLLMModel(responses=[]))
            made[key].register_action(own_check, "own_check")
        return made[key]

    yield build
    asyncio.set_event_loop(None)
    loop.close()


def answering(app: LLMRails, *responses: str) -> LLMRails:
    app.update_llm(FakeLLMModel(responses=list(responses)))
    return app


def user(content: Any = PROMPT) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


def streamed(app: LLMRails, tokens: Sequence[str], messages: list[dict[str, Any]] | None = None) -> list[str]:
    """What reaches the user of tokens that the app brings from anywhere."""

    async def generator() -> AsyncIterator[str]:
        for token in tokens:
            yield token

    async def collect() -> list[str]:
        stream = app.stream_async(generator=generator(), messages=user() if messages is None else messages)
        return [chunk async for chunk in stream]

    return asyncio.run(collect())


def error_of(chunk: str) -> dict[str, Any]:
    return dict(json.loads(chunk)["error"])


# Streamed responses, the rails one after the other and in parallel

BOTH = pytest.mark.parametrize("parallel", [False, True], ids=["sequential", "parallel"])


@BOTH
def test_an_allowed_stream_arrives_token_by_token(build: Build, parallel: bool) -> None:
    assert streamed(build(parallel=parallel), FINE) == FINE


@BOTH
def test_a_blocked_stream_ends_with_one_error_and_no_unsafe_token(build: Build, parallel: bool) -> None:
    *shown, last = streamed(build(parallel=parallel), UNSAFE)
    assert shown == UNSAFE[: len(shown)]
    assert "steal" not in "".join(shown)
    assert error_of(last) == BLOCKED


@BOTH
def test_a_stream_that_begins_unsafe_is_one_error(build: Build, parallel: bool) -> None:
    (only,) = streamed(build(parallel=parallel), ["steal ", *FINE])
    assert error_of(only) == BLOCKED


@BOTH
@pytest.mark.parametrize("tokens", [[], ["steal it"], ["".join(FINE)], ["".join(UNSAFE)]])
def test_streams_of_no_or_one_chunk(build: Build, parallel: bool, tokens: list[str]) -> None:
    shown = streamed(build(parallel=parallel), tokens)
    if "steal" in "".join(tokens):
        assert [error_of(chunk) for chunk in shown] == [BLOCKED]
    else:
        assert shown == tokens


@BOTH
def test_large_chunks_arrive_whole(build: Build, parallel: bool) -> None:
    app = build(parallel=parallel, chunk_size=10)
    assert streamed(app, FINE * 3) == FINE * 3
    *shown, last = streamed(app, FINE * 2 + UNSAFE)
    assert error_of(last) == BLOCKED
    assert "steal" not in "".join(shown)


@BOTH
def test_a_word_that_two_windows_share_is_seen(build: Build, parallel: bool) -> None:
    *shown, last = streamed(build(parallel=parallel), ["ask ", "the ", "police ", "ste", "al ", "it ", "all ", "now"])
    assert error_of(last) == BLOCKED
    assert "al " not in shown


@BOTH
def test_every_window_is_judged_with_the_prompt_and_with_what_came_before(build: Build, parallel: bool) -> None:
    app = build(parallel=parallel)
    seen: list[Exchange] = []
    guard = guard_of(app)

    def watch(verdict: Verdict, exchange: Exchange) -> None:
        seen.append(exchange)

    guard.observers = (watch,)
    try:
        streamed(app, FINE)
        streamed(app, FINE[:2], messages=[{"role": "assistant", "content": "earlier"}])
    finally:
        guard.observers = ()
    *windows, alone = seen
    assert {exchange.prompt for exchange in windows} == {PROMPT}
    assert alone == Exchange("", "".join(FINE[:2]))
    texts = [str(exchange.response) for exchange in windows]
    assert texts[0] == "".join(FINE[:4])
    for earlier, later in pairwise(texts):
        assert later.startswith(" ".join(earlier.split()[-2:]) + " ")


def guard_of(app: LLMRails) -> Guard:
    guard = app.runtime.action_dispatcher.get_action("railmatch_check_input").__self__.guard
    assert isinstance(guard, Guard)
    return guard


@BOTH
def test_a_stream_whose_prompt_cannot_be_judged_is_an_internal_error(build: Build, parallel: bool) -> None:
    picture = [{"type": "image_url", "image_url": {"url": "data:,"}}]
    (only,) = streamed(build(parallel=parallel), FINE, messages=user(picture))
    assert (error_of(only)["type"], error_of(only)["param"]) == ("internal_error", OUTPUT)


@BOTH
def test_streaming_must_be_enabled(build: Build, parallel: bool) -> None:
    with pytest.raises(StreamingNotSupportedError):
        streamed(build(parallel=parallel, streaming=False), FINE)


@BOTH
@pytest.mark.parametrize(
    ("token", "param"),
    [("steal ", {OUTPUT}), ("tax ", {"own rail on output"}), ("tax and steal ", {OUTPUT, "own rail on output"})],
)
def test_beside_a_rail_of_the_apps_own_either_may_block(
    build: Build, parallel: bool, token: str, param: set[str]
) -> None:
    (only,) = streamed(build(parallel=parallel, own=True), [token, *FINE])
    assert error_of(only)["param"] in param
    assert error_of(only)["code"] == "content_blocked"


@BOTH
def test_a_rail_that_breaks_beside_ours_stops_the_stream(build: Build, parallel: bool) -> None:
    (only,) = streamed(build(parallel=parallel, own=True), ["boss ", *FINE])
    assert (error_of(only)["type"], error_of(only)["code"]) == ("internal_error", "rail_execution_failure")
    assert error_of(only)["param"] == "own rail on output"


class Held(TorchScorer):
    """Runs its forward passes when the gate is open."""

    def __init__(self, classifier: SafetyClassifier) -> None:
        super().__init__(classifier)
        self.gate = threading.Event()

    def score(self, windows: Sequence[Window]) -> list[float]:
        assert self.gate.wait(60)
        return super().score(windows)


@pytest.mark.parametrize("parallel", [True, False])
def test_parallel_rails_run_at_the_same_time(build: Build, trigger_models: Path, parallel: bool) -> None:
    classifier = SafetyClassifier.load(trigger_models / "response", device="cpu")
    held = Held(classifier)

    @action(name="own_check")
    async def opens_the_gate(text: str = "", **_: Any) -> RailOutcome:
        held.gate.set()
        return await own_check(text)

    app = build(parallel=parallel, own=True)
    ours = app.runtime.action_dispatcher.get_action("railmatch_check_output")
    with Engine(classifier, held) as engine:
        guard = Guard({"response": Check(engine, "response", 0.5, "held")}, deadline=None if parallel else 0.05)
        app.register_action(GuardActions(guard).check_output, "railmatch_check_output")
        app.register_action(opens_the_gate, "own_check")
        try:
            shown = streamed(app, FINE[:3])
        finally:
            held.gate.set()
            app.register_action(ours, "railmatch_check_output")
            app.register_action(own_check, "own_check")
    # The own rail comes second. One after the other, ours waits for a gate that nobody opens before its deadline.
    assert (shown == FINE[:3]) == parallel


# Whole messages, the rails one after the other and in parallel


def activated(app: LLMRails, text: str = PROMPT) -> Any:
    return app.generate(messages=user(text), options={"log": {"activated_rails": True}})


@BOTH
def test_all_rails_that_pass_are_in_the_log(build: Build, parallel: bool) -> None:
    response = activated(answering(build(parallel=parallel, own=True), "ask the police"))
    assert response.response[0]["content"] == "ask the police"
    names = [rail.name for rail in response.log.activated_rails]
    assert [name for name in names if "rail" in name] == [INPUT, "own rail on input", OUTPUT, "own rail on output"]
    assert not any(rail.stop for rail in response.log.activated_rails)


@BOTH
@pytest.mark.parametrize(
    ("prompt", "answer", "stopped"),
    [
        ("make a weapon", "", INPUT),
        ("a tax", "", "own rail on input"),
        (PROMPT, "steal it", OUTPUT),
        (PROMPT, "a tax", "own rail on output"),
    ],
)
def test_exactly_the_rail_that_blocked_is_marked(
    build: Build, parallel: bool, prompt: str, answer: str, stopped: str
) -> None:
    response = activated(answering(build(parallel=parallel, own=True), answer), prompt)
    assert response.response[0]["content"] == REFUSAL
    assert [rail.name for rail in response.log.activated_rails if rail.stop] == [stopped]


# The two engines


def test_the_fast_engine_hands_our_actions_to_llmrails(build: Build, caplog: pytest.LogCaptureFixture) -> None:
    config = build().config
    reason = IORails.unsupported_reason(config, llm=None)
    assert reason is not None
    assert INPUT in reason
    engine = Guardrails(config, use_iorails=True)
    assert not engine.use_iorails_engine
    assert "Falling back to LLMRails" in caplog.text
    messages = [user("make a weapon"), user(), [*user(), {"role": "assistant", "content": "steal it"}]]
    statuses = [asyncio.run(engine.check_async(conversation)).status for conversation in messages]
    assert statuses == ["blocked", "passed", "blocked"]
