"""NeMo Guardrails' own ``hf_classifier`` rail as the client: its FMS and vLLM backends, on LLMRails and on IORails."""

import asyncio
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from endpoint import MODEL, ChatServer
from nemoguardrails import LLMRails, RailsConfig
from nemoguardrails.guardrails.guardrails import Guardrails
from nemoguardrails.library.hf_classifier.backends import FMSBackend, VLLMBackend
from nemoguardrails.library.hf_classifier.rail_config import RemoteHFClassifierConfig
from railmatch.rails.guard import Guard

from .conftest import CLOSED, Running

REFUSAL = "I'm sorry, I can't respond to that."
BACKENDS = {"fms": FMSBackend, "vllm": VLLMBackend}


def classifier(engine: str, url: str, task: str = "prompt", **options: Any) -> dict[str, Any]:
    """What the user writes: the address says which model, because NeMo sends no model's name to a detector."""
    where = f"{url}/{task}"
    return {"engine": engine, "model": task, "base_url": where, "blocked_labels": ["harmful"], **options}


def backend(engine: str, url: str, task: str = "prompt", **options: Any) -> FMSBackend | VLLMBackend:
    return BACKENDS[engine](RemoteHFClassifierConfig(**classifier(engine, url, task, **options)))


def rails_config(engine: str, url: str, *, main_model: str | None = None) -> RailsConfig:
    """Both rails, and a main model that streams where its address is given."""
    names = {task: classifier(engine, url, task) for task in ("prompt", "response")}
    rails: dict[str, Any] = {
        "config": {"hf_classifier": names},
        "input": {"flows": ["hf classifier check input $classifier=prompt"]},
        "output": {"flows": ["hf classifier check output $classifier=response"]},
    }
    models: list[dict[str, Any]] = []
    if main_model is not None:
        rails["output"]["streaming"] = {"enabled": True, "stream_first": False}
        models = [{"type": "main", "engine": "openai", "model": MODEL, "parameters": {"base_url": main_model}}]
    return RailsConfig.from_content(yaml_content=yaml.safe_dump({"models": models, "rails": rails}))


@pytest.mark.parametrize("engine", BACKENDS)
@pytest.mark.parametrize(("task", "harmful"), [("prompt", "a weapon"), ("response", "i steal")])
def test_their_backends_read_our_answers(running: Running, guard: Guard, engine: str, task: str, harmful: str) -> None:
    client = backend(engine, running.url, task)
    verdict = guard.check_prompt(harmful) if task == "prompt" else guard.check_response("", harmful)
    (found,) = asyncio.run(client.classify(harmful))
    assert found["label"] == "harmful"
    assert found["score"] == pytest.approx(verdict.score)
    clean = asyncio.run(client.classify("bread"))
    assert all(result["label"] != "harmful" for result in clean)


@pytest.mark.parametrize("engine", BACKENDS)
def test_their_backends_raise_where_a_text_was_not_judged(
    start: Callable[..., Running], closed: Guard, engine: str
) -> None:
    with pytest.raises(ValueError, match="returned 503") as caught:
        asyncio.run(backend(engine, start(closed).url).classify("bread"))
    assert CLOSED in str(caught.value)


CONVERSATIONS = [
    ([{"role": "user", "content": "how do i bake bread"}], "passed"),
    ([{"role": "user", "content": "make a weapon"}], "blocked"),
    ([{"role": "user", "content": "bread"}, {"role": "assistant", "content": "steal it"}], "blocked"),
]


async def statuses(rails: LLMRails | Guardrails, conversations: list[Any]) -> list[str]:
    try:
        return [(await rails.check_async(messages)).status for messages, _ in conversations]
    finally:
        if isinstance(rails, Guardrails):
            await rails.shutdown()


def engines(config: RailsConfig, name: str) -> LLMRails | Guardrails:
    return LLMRails(config) if name == "LLMRails" else Guardrails(config, require_iorails=True)


@pytest.mark.parametrize("engine", BACKENDS)
@pytest.mark.parametrize("rails", ["LLMRails", "IORails"])
def test_both_of_their_engines_are_guarded(running: Running, engine: str, rails: str) -> None:
    found = asyncio.run(statuses(engines(rails_config(engine, running.url), rails), CONVERSATIONS))
    assert found == [expected for _, expected in CONVERSATIONS]


@pytest.mark.parametrize("engine", BACKENDS)
@pytest.mark.parametrize("rails", ["LLMRails", "IORails"])
def test_what_is_not_judged_never_passes(start: Callable[..., Running], closed: Guard, engine: str, rails: str) -> None:
    built = engines(rails_config(engine, start(closed).url), rails)
    assert asyncio.run(statuses(built, CONVERSATIONS[:1])) == ["blocked"]


async def streamed(rails: LLMRails | Guardrails, text: str) -> list[str]:
    """The chunks of an answer; a block is one more chunk, an error as JSON."""
    try:
        messages = [{"role": "user", "content": text}]
        return [str(chunk) async for chunk in rails.stream_async(messages=messages)]
    finally:
        if isinstance(rails, Guardrails):
            await rails.shutdown()


@pytest.mark.parametrize("rails", ["LLMRails", "IORails"])
def test_no_unsafe_token_of_a_streamed_answer_leaves(
    running: Running, monkeypatch: pytest.MonkeyPatch, rails: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    with ChatServer(lambda messages: "ask the police first and then steal it all") as chat:
        config = rails_config("fms", running.url, main_model=chat.base_url)
        chunks = asyncio.run(streamed(engines(config, rails), "how do i bake bread"))
    assert "content_blocked" in chunks[-1]
    assert not any("steal" in chunk for chunk in chunks)


async def replies(rails: LLMRails | Guardrails, texts: Sequence[str]) -> list[str]:
    try:
        asked = [await rails.generate_async(messages=[{"role": "user", "content": text}]) for text in texts]
        return [str(answer["content"]) for answer in asked]
    finally:
        if isinstance(rails, Guardrails):
            await rails.shutdown()


@pytest.mark.parametrize("engine", BACKENDS)
def test_both_engines_give_the_same_replies(running: Running, monkeypatch: pytest.MonkeyPatch, engine: str) -> None:
    def answer(messages: list[dict[str, Any]]) -> str:
        return "steal it" if "plan" in messages[-1]["content"] else "ask the police"

    monkeypatch.setenv("OPENAI_API_KEY", "any")
    with ChatServer(answer) as chat:
        config = rails_config(engine, running.url, main_model=chat.base_url)
        texts = ["how do i bake bread", "make a weapon", "i need a plan"]
        both = {name: asyncio.run(replies(engines(config, name), texts)) for name in ("LLMRails", "IORails")}
        assert list(both.values()) == [["ask the police", REFUSAL, REFUSAL]] * 2
        assert chat.calls == 4  # two prompts on either engine: a blocked one never reaches the main model


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A folder with a certificate of 127.0.0.1 and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1"
    command += " -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out chain.pem"
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


@pytest.mark.filterwarnings("ignore:`verify=<str>` is deprecated:DeprecationWarning")  # NeMo hands httpx a file's name
@pytest.mark.parametrize("engine", BACKENDS)
def test_their_backends_send_the_key_over_https(
    start: Callable[..., Running], guard: Guard, certificate: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    monkeypatch.setenv("GUARD_KEY", "right")
    chain, key = str(certificate / "chain.pem"), str(certificate / "key.pem")
    server = start(guard, api_key_env="GUARD_KEY", tls_certificate=chain, tls_key=key)
    options = {"parameters": {"ca_cert": chain}}
    (found,) = asyncio.run(backend(engine, server.url, api_key_env_var="GUARD_KEY", **options).classify("a weapon"))
    assert found["label"] == "harmful"
    with pytest.raises(ValueError, match="returned 401"):
        asyncio.run(backend(engine, server.url, **options).classify("a weapon"))
