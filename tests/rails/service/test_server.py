"""The server: overload, deadlines, and an end by SIGTERM in which no request is lost."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from railmatch.classifier.errors import ModelError, SettingsError
from railmatch.cli import main
from railmatch.rails.guard import Guard
from railmatch.rails.service.server import make_server, serve
from railmatch.rails.service.settings import ServiceSettings
from railmatch.rails.service.state import Service

from .conftest import HTTP, MINUTE, Held, Running, wait_until


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def asked(server: Running, text: str) -> httpx.Response:
    return HTTP.post(f"{server.url}/classify", json={"input": text})


def test_overload_is_answered_at_once_while_the_engine_stands_still(
    start: Callable[..., Running], held: Held, pool: ThreadPoolExecutor
) -> None:
    server = start(held.guard)
    engine = held.guard.checks["prompt"].engine
    accepted = [pool.submit(asked, server, text) for text in ("bread", "weapon")]
    wait_until(lambda: engine.waiting == 2, "two callers wait")
    refused = asked(server, "cake")
    assert refused.status_code == 503
    assert refused.json()["message"] == "a text could not be judged: overloaded: 2 requests are waiting already"
    held.scorer.gate.set()
    assert [answer.result().json()["data"][0]["label"] for answer in accepted] == ["unharmful", "harmful"]


def test_a_text_past_its_deadline_is_undecided(start: Callable[..., Running], held: Held) -> None:
    answer = asked(start(Guard(held.guard.checks, deadline=0.01)), "bread")
    assert answer.status_code == 503
    assert answer.json()["message"] == "a text could not be judged: not judged before its deadline"


def test_sigterm_loses_no_request(start: Callable[..., Running], held: Held, pool: ThreadPoolExecutor) -> None:
    server = start(held.guard, drain=MINUTE)
    waiting = pool.submit(asked, server, "weapon")
    assert held.scorer.started.wait(MINUTE)
    server.server.handle_exit(signal.SIGTERM, None)
    ready = HTTP.get(f"{server.url}/readyz")
    assert (ready.status_code, ready.headers["connection"]) == (503, "close")
    late = pool.submit(asked, server, "bread")  # whoever balances the load has not noticed yet
    wait_until(lambda: held.guard.checks["prompt"].engine.waiting == 2, "both wait")
    server.server.handle_exit(signal.SIGTERM, None)  # the second one ends the time to drain
    wait_until(lambda: not _listens(server), "nothing more is accepted")
    assert not waiting.done()
    assert not late.done()
    held.scorer.gate.set()
    assert waiting.result().json()["data"][0]["label"] == "harmful"
    assert late.result().json()["data"][0]["label"] == "unharmful"
    server.thread.join(MINUTE)
    assert not server.thread.is_alive()


def _listens(server: Running) -> bool:
    try:
        HTTP.get(f"{server.url}/healthz")
    except (httpx.ConnectError, httpx.ReadError):  # refused, or reset where it had waited to be accepted
        return False
    return True


def test_a_second_sigterm_does_not_wait(start: Callable[..., Running], guard: Guard) -> None:
    server = start(guard, drain=10 * MINUTE)
    server.server.handle_exit(signal.SIGTERM, None)
    assert not server.server.should_exit
    server.server.handle_exit(signal.SIGTERM, None)
    server.thread.join(MINUTE)
    assert not server.thread.is_alive()


def test_the_command_serves_and_ends_by_sigterm(trigger_models: Path, tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    command = [sys.executable, "-m", "railmatch", "serve", "--models", str(trigger_models), "--device", "cpu"]
    audit = tmp_path / "audit.jsonl"
    command += ["--port", "0", "--set", "drain=0.5", "--set", f"audit_file={audit}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        try:
            found = re.fullmatch(
                r"Listening on (http://127\.0\.0\.1:\d+); the models are being loaded\.\n", process.stdout.readline()
            )
            url = found.group(1)
            assert process.stdout.readline() == "Ready: prompts at threshold 0.5000, responses at threshold 0.5000.\n"
            assert HTTP.get(f"{url}/readyz").status_code == 200
            HTTP.post(f"{url}/response/classify", json={"input": "steal"})
            assert 'railmatch_decisions_total{decision="block",task="response"} 1.0' in HTTP.get(f"{url}/metrics").text
            texts = [f"{'bread ' * 4000}{number} weapon" for number in range(6)]
            before = _brought(url)
            answers = [pool.submit(HTTP.post, f"{url}/classify", json={"input": text}) for text in texts]
            wait_until(lambda: _brought(url) == before + 6, "all have come to the engine")
            process.send_signal(signal.SIGTERM)
            assert [answer.result().json()["data"][0]["label"] for answer in answers] == ["harmful"] * 6
            assert process.wait(MINUTE) == 0
            assert process.stderr.read() == ""
            assert len(audit.read_text().splitlines()) == 1 + 6
        finally:
            process.kill()


def _brought(url: str) -> float:
    text = HTTP.get(f"{url}/metrics").text
    return float(re.search(r'railmatch_engine_requests_total\{.*task="prompt"\} (.*)', text).group(1))


def test_a_model_that_cannot_be_loaded_ends_the_server(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(ModelError, match="holds no model"):
        serve(ServiceSettings(models=str(tmp_path), port=0), say=said.append)
    assert len(said) == 1


def test_a_taken_port_is_refused(running: Running) -> None:
    port = int(running.url.rpartition(":")[2])
    with pytest.raises(SettingsError) as caught:
        serve(ServiceSettings(port=port))
    assert str(caught.value) == (
        f"127.0.0.1:{port} cannot be listened on: Address already in use; choose another host or port"
    )


def test_a_certificate_that_is_not_there_is_refused(guard: Guard) -> None:
    settings = ServiceSettings(tls_certificate="chain.pem", tls_key="key.pem")
    with pytest.raises(SettingsError) as caught:
        make_server(Service(settings, guard=guard))
    assert str(caught.value) == (
        "tls_certificate is 'chain.pem' and tls_key 'key.pem': No such file or directory; "
        "name two PEM files that belong together"
    )


def test_the_command_refuses_a_setting_before_anything_is_loaded() -> None:
    result = CliRunner().invoke(main, ["serve", "--set", "drains=1"])
    assert result.exit_code == 2
    assert result.output == "Error: drains: unknown setting; did you mean 'drain'?\n"


@pytest.mark.parametrize("command", ["serve", "score"])
def test_without_ray_the_command_names_the_extra(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("railmatch.rails.cluster.serving", "railmatch.rails.cluster.connection", "railmatch.scoring.on_ray"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    (tmp_path / "log.jsonl").write_text('{"prompt": "bread"}')
    data = [str(tmp_path / "log.jsonl"), "--out", str(tmp_path / "out")] if command == "score" else []
    result = CliRunner().invoke(main, [command, "--ray", *data])
    assert (result.exit_code, result.output) == (
        2, f"Error: railmatch {command} --ray needs ray: pip install 'railmatch[ray]'\n"
    )  # fmt: skip
