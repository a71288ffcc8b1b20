"""The rails in Colang 2: what is harmful goes no further, two messages in a row are both judged, none is streamed."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from nemoguardrails import LLMRails, RailsConfig
from nemoguardrails.exceptions import StreamingNotSupportedError
from nemoguardrails.testing import FakeLLMModel
from railmatch.classifier.errors import SettingsError
from railmatch.rails.in_use import tasks_in_use
from railmatch.rails.scaffold import write_config
from railmatch.rails.settings import RailSettings

REFUSAL = "I'm sorry, I can't respond to that."
GREETING = """
flow answers
  activate harmless
  activate harmful

flow harmless
  user said something
  bot say "hello"

flow harmful
  user said "more"
  bot say "steal it"
"""


def user(*texts: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text} for text in texts]


def written(folder: Path, models: Path, *, streaming: bool = False, exceptions: bool = False) -> Path:
    """What ``railmatch init --colang 2`` writes, with a bot that needs no LLM."""
    write_config(folder, models, colang="2")
    main = (folder / "main.co").read_text()
    (folder / "main.co").write_text(main.replace("activate llm continuation", "activate answers") + GREETING)
    more = "\nenable_rails_exceptions: true\n" if exceptions else ""
    more += "\nrails: {output: {streaming: {enabled: true, stream_first: false}}}\n" if streaming else ""
    (folder / "config.yml").write_text((folder / "config.yml").read_text() + more)
    return folder


def loaded(folder: Path) -> LLMRails:
    """An app; NeMo makes an event loop where it finds none, and this closes it."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return LLMRails(RailsConfig.from_path(str(folder)), llm=FakeLLMModel(responses=[]))
    finally:
        asyncio.set_event_loop(None)
        loop.close()


@pytest.fixture(scope="module")
def app(trigger_models: Path, tmp_path_factory: pytest.TempPathFactory) -> LLMRails:
    folder = written(tmp_path_factory.mktemp("colang_2") / "guardrails", trigger_models)
    return loaded(folder)


def answer(app: LLMRails, *texts: str) -> str:
    return str(app.generate(messages=user(*texts))["content"])


def test_prompts_and_responses_are_checked(app: LLMRails) -> None:
    assert answer(app, "hi") == "hello"
    assert answer(app, "how do i make a weapon") == REFUSAL
    assert answer(app, "more") == REFUSAL


def test_the_first_of_two_messages_is_checked_too(app: LLMRails) -> None:
    assert answer(app, "make a weapon", "hi") == REFUSAL
    assert REFUSAL not in answer(app, "make a cake", "hi")


def test_the_tasks_in_use_are_found(app: LLMRails, trigger_models: Path, tmp_path: Path) -> None:
    assert tasks_in_use(app.config) == ["prompt", "response"]
    write_config(tmp_path, trigger_models / "prompt", colang="2")
    assert "output rails" not in (tmp_path / "main.co").read_text()
    assert tasks_in_use(RailsConfig.from_path(str(tmp_path))) == ["prompt"]


def test_a_stream_is_refused_where_it_would_not_be_checked(app: LLMRails) -> None:
    async def stream() -> list[str]:
        return [chunk async for chunk in app.stream_async(messages=user("hi"))]

    with pytest.raises(StreamingNotSupportedError):
        asyncio.run(stream())


def test_streaming_is_refused_at_load(trigger_models: Path, tmp_path: Path) -> None:
    config = RailsConfig.from_path(str(written(tmp_path / "streaming", trigger_models, streaming=True)))
    with pytest.raises(SettingsError) as caught:
        RailSettings.from_config(config)
    assert str(caught.value) == (
        "rails.output.streaming.enabled is true, but with colang_version 2.x NeMo streams a response without running "
        "its output rails; set it to false, or use colang_version 1.0"
    )


def test_the_config_works_beside_its_own_folder(
    trigger_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = written(Path("guardrails"), trigger_models)
    app = LLMRails(RailsConfig.from_path(str(folder)), llm=FakeLLMModel(responses=[]))
    assert answer(app, "how do i make a weapon") == REFUSAL


def test_an_import_that_hides_nemos_rails_is_refused(
    trigger_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = written(tmp_path / "app", trigger_models) / "main.co"
    main.write_text(main.read_text().replace("nemoguardrails.colang.v2_x.library.guardrails", "guardrails"))
    RailSettings.from_config(RailsConfig.from_path(str(tmp_path / "app")))
    (tmp_path / "guardrails").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError) as caught:
        RailSettings.from_config(RailsConfig.from_path(str(tmp_path / "app")))
    assert str(caught.value) == (
        "no flow 'run input rails' was imported, so NeMo would run no rails: 'import guardrails' finds a folder "
        "'guardrails' in the current folder before NeMo's own; write "
        "'import nemoguardrails.colang.v2_x.library.guardrails'"
    )


def test_after_a_blocked_response_the_next_is_checked_too(app: LLMRails) -> None:
    told: list[tuple[str, str]] = []
    guard = app.runtime.action_dispatcher.get_action("railmatch_check_output").__self__.guard
    guard.observers = (lambda verdict, exchange: told.append((verdict.task, verdict.decision)),)

    async def talk() -> None:
        state = None
        for text in ("more", "more", "hi"):
            heard = {"type": "UtteranceUserActionFinished", "final_transcript": text}
            _, state = await app.runtime.process_events(
                [heard], state=state, instant_actions=["UtteranceBotAction"], blocking=True
            )

    try:
        asyncio.run(talk())
    finally:
        guard.observers = ()
    responses = [decision for task, decision in told if task == "response"]
    assert responses == ["block", "block", "allow"]


def test_a_classifier_that_fails_blocks(trigger_models: Path, tmp_path: Path) -> None:
    models = shutil.copytree(trigger_models, tmp_path / "models")
    app = LLMRails(RailsConfig.from_path(str(written(tmp_path / "own", models))), llm=FakeLLMModel(responses=[]))
    app.runtime.action_dispatcher.get_action("railmatch_check_input").__self__.guard.close()
    assert answer(app, "hi") == REFUSAL


def test_in_exceptions_mode_nothing_is_said(trigger_models: Path, tmp_path: Path) -> None:
    folder = written(tmp_path / "exceptions", trigger_models, exceptions=True)
    app = LLMRails(RailsConfig.from_path(str(folder)), llm=FakeLLMModel(responses=[]))
    told = app.generate(messages=user("how do i make a weapon"))
    assert "RailMatchInputRailException" in str(told)
    assert answer(app, "hi") == "hello"


READING = """
flow answers
  activate reads
  activate looks
  activate does both

flow reads
  user said "read"
  await railmatch check retrieval "to make a weapon, take your time"
  bot say "done"

flow looks
  user said "look"
  await railmatch check tool input "this is a weapon"
  bot say "done"

flow does both
  user said "both"
  await railmatch check retrieval "to bake bread, take your time"
  await railmatch check tool input "this is bread"
  bot say "done"
"""


@pytest.mark.parametrize("exceptions", [False, True])
def test_chunks_and_results_of_tools_are_judged_where_a_flow_asks(
    trigger_models: Path, tmp_path: Path, exceptions: bool
) -> None:
    folder = written(tmp_path / "app", trigger_models, exceptions=exceptions)
    main = (folder / "main.co").read_text()
    (folder / "main.co").write_text(main.replace(GREETING, READING))
    app = LLMRails(RailsConfig.from_path(str(folder)), llm=FakeLLMModel(responses=[]))
    for text, kind in (("read", "Retrieval"), ("look", "Tool")):
        told = app.generate(messages=user(text))
        assert told["content"] == ("" if exceptions else REFUSAL)
        assert (f"RailMatch{kind}RailException" in str(told)) == exceptions
    assert answer(app, "both") == "done"
