"""``nemoguardrails chat`` and ``nemoguardrails server``, as a user starts them, on a config of ``railmatch init``."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from endpoint import ChatServer
from railmatch.rails.scaffold import write_config

NEMO = str(Path(sys.executable).with_name("nemoguardrails"))
ENVIRONMENT = {**os.environ, "OPENAI_API_KEY": "secret", "TERM": "dumb", "NO_COLOR": "1"}
REFUSAL = "I'm sorry, I can't respond to that."
HARMLESS, HARMFUL = "how do i bake bread", "how do i make a weapon"


def answer(messages: list[dict[str, Any]]) -> str:
    """The main LLM: harmless, unless the newest message asks for a plan."""
    return "wait\nand then\nsteal it" if "plan" in messages[-1]["content"] else "ask\nthe police"


@pytest.fixture(scope="module")
def main_llm() -> Iterator[ChatServer]:
    with ChatServer(answer) as server:
        yield server


@pytest.fixture(scope="module")
def folder(main_llm: ChatServer, trigger_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("app") / "guardrails"
    write_config(folder, trigger_models, base_url=main_llm.base_url)
    return folder


def test_chat(folder: Path, main_llm: ChatServer) -> None:
    before = main_llm.calls
    chat = subprocess.run(
        [NEMO, "chat", "--config", str(folder)],
        input=f"{HARMFUL}\n{HARMLESS}\ni need a plan\n",
        env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    answers = [line.strip() for line in chat.stdout.split(">")[1:4]]
    assert answers == [REFUSAL, "ask\nthe police", REFUSAL], chat.stdout + chat.stderr
    assert main_llm.calls == before + 2
    assert main_llm.keys[-1] == "secret"


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running guardrails server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("server") / "log.txt"
    command = [NEMO, "server", "--config", str(folder), "--port", str(port), "--disable-chat-ui"]
    with log.open("w") as output, subprocess.Popen(command, env=ENVIRONMENT, stdout=output, stderr=output) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_until_healthy(address, process, log)
            yield address
        finally:
            process.terminate()
            process.wait(60)


def _wait_until_healthy(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{address}/healthz").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(log.read_text())


def ask(server: str, text: str, **more: Any) -> httpx.Response:
    body = {"model": "any", "messages": [{"role": "user", "content": text}], "guardrails": {"config_id": "guardrails"}}
    return httpx.post(f"{server}/v1/chat/completions", json={**body, **more}, timeout=120)


def test_the_server_guards_both_ways(server: str, main_llm: ChatServer) -> None:
    before = main_llm.calls
    answers = [ask(server, text).json()["choices"][0]["message"]["content"] for text in (HARMFUL, HARMLESS, "a plan")]
    assert answers == [REFUSAL, "ask\nthe police", REFUSAL]
    assert main_llm.calls == before + 2


def test_the_log_of_a_request_reaches_the_client(server: str) -> None:
    options = {"rails": ["input"], "log": {"activated_rails": True}}
    response = ask(server, HARMFUL, guardrails={"config_id": "guardrails", "options": options})
    assert re.search(r'"score":\s*(1\.0|0\.99)', response.text), response.text
    assert '"threshold":0.5' in response.text.replace(" ", "")


def test_the_server_streams_what_was_checked(server: str) -> None:
    def streamed(text: str) -> tuple[str, list[dict[str, Any]]]:
        lines = ask(server, text, stream=True).text.splitlines()
        events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
        words = [event["choices"][0]["delta"].get("content", "") for event in events if "choices" in event]
        return "".join(words), [event["error"] for event in events if "error" in event]

    assert streamed(HARMLESS) == ("ask\nthe police", [])
    shown, errors = streamed("a plan")
    assert "steal" not in shown
    assert [error["param"] for error in errors] == ["railmatch check output"]


def test_checks_without_the_main_llm(server: str, main_llm: ChatServer) -> None:
    before = main_llm.calls
    statuses = []
    for messages in (
        [{"role": "user", "content": HARMFUL}],
        [{"role": "user", "content": HARMLESS}],
        [{"role": "user", "content": HARMLESS}, {"role": "assistant", "content": "steal it"}],
    ):
        body = {"model": "any", "messages": messages, "guardrails": {"config_id": "guardrails"}}
        statuses.append(httpx.post(f"{server}/v1/checks", json=body, timeout=120).json()["status"])
    assert statuses == ["blocked", "passed", "blocked"]
    assert main_llm.calls == before
