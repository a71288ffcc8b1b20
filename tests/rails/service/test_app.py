"""Health, readiness and metrics."""

from collections.abc import Callable

import pytest
from railmatch.classifier.errors import SettingsError
from railmatch.rails.guard import Guard
from railmatch.rails.service.server import make_server
from railmatch.rails.service.settings import ServiceSettings
from railmatch.rails.service.state import Service

from .conftest import HTTP, Running


def test_ready_only_when_the_models_are_there_and_no_longer_when_ending(
    start: Callable[..., Running], guard: Guard
) -> None:
    server = start()
    found = []
    for change in ({}, {"guard": guard}, {"draining": True}):
        for name, value in change.items():
            setattr(server.service, name, value)
        answer = HTTP.get(f"{server.url}/readyz")
        found.append((answer.status_code, answer.json()["status"]))
    assert found == [(503, "loading"), (200, "ready"), (503, "draining")]
    assert HTTP.get(f"{server.url}/healthz").json() == {"status": "ok"}


def test_the_metrics_are_those_of_the_engines(running: Running, guard: Guard) -> None:
    HTTP.post(f"{running.url}/classify", json={"input": "city"})
    answer = HTTP.get(f"{running.url}/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert f'railmatch_engine_queue{{model="{guard.checks["prompt"].model}",task="prompt"}} 0.0' in answer.text


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/v1/models"])
def test_there_is_nothing_else(running: Running, path: str) -> None:
    assert HTTP.get(f"{running.url}{path}").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "message"),
    [
        ("GET", "/v1/models", b"", 404, "not_found", "Not Found"),
        ("GET", "/classify", b"", 405, "method_not_allowed", "Method Not Allowed"),
        ("POST", "/classify", b'{"input": "\xff"}', 400, "invalid_request", "There was an error parsing the body"),
    ],
)
def test_what_the_framework_refuses_has_the_body_of_every_error(
    running: Running, method: str, path: str, body: bytes, status: int, code: str, message: str
) -> None:
    answer = HTTP.request(method, f"{running.url}{path}", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert answer.json() == {
        "code": status, "message": message,
        "error": {"message": message, "type": "invalid_request_error", "param": None, "code": code},
    }  # fmt: skip
    assert answer.headers.get("allow") == ("POST" if status == 405 else None)


def test_what_nobody_foresaw_has_it_too(start: Callable[..., Running]) -> None:
    server = start()
    server.service.metrics = None
    answer = HTTP.get(f"{server.url}/metrics")
    message = "the service failed; its log says why"
    assert answer.status_code == 500
    assert answer.json() == {
        "code": 500, "message": message,
        "error": {"message": message, "type": "server_error", "param": None, "code": "internal_error"},
    }  # fmt: skip


def test_a_missing_key_is_found_before_anything_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUARD_KEY", raising=False)
    with pytest.raises(SettingsError, match="api_key_env is 'GUARD_KEY'"):
        make_server(Service(ServiceSettings(api_key_env="GUARD_KEY")))
