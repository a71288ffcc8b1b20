"""The gate: keys, rates, sizes and times, as a client on the network meets them."""

import socket
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from railmatch.rails.guard import Guard

from .conftest import HTTP, Running

KEY = "Bearer right"


def connected(running: Running) -> socket.socket:
    where = urlsplit(running.url)
    return socket.create_connection((where.hostname, where.port), timeout=60)


@pytest.fixture
def locked(start: Callable[..., Running], guard: Guard, monkeypatch: pytest.MonkeyPatch) -> Running:
    monkeypatch.setenv("GUARD_KEY", "right")
    return start(guard, api_key_env="GUARD_KEY", rate_limit=0.001, burst=2)


def test_a_wrong_key_asks_nothing(locked: Running) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        answer = HTTP.post(f"{locked.url}/classify", json={"input": "bread"}, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["error"]["code"] == "invalid_api_key"
    assert HTTP.post(f"{locked.url}/classify", json={"input": "a"}, headers={"Authorization": KEY}).status_code == 200


def test_keys_cannot_be_tried_out_fast_and_the_right_one_is_not_held_up(locked: Running) -> None:
    guesses = [HTTP.get(f"{locked.url}/metrics", headers={"Authorization": f"Bearer {n}"}) for n in range(3)]
    assert [answer.status_code for answer in guesses] == [401, 401, 429]
    assert HTTP.get(f"{locked.url}/metrics", headers={"Authorization": KEY}).status_code == 200


def test_the_rate_is_limited_and_health_is_not(locked: Running) -> None:
    answers = [
        HTTP.post(f"{locked.url}/classify", json={"input": "a"}, headers={"Authorization": KEY}) for _ in range(3)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].json()["error"]["code"] == "rate_limited"
    assert 900 <= int(answers[-1].headers["retry-after"]) <= 1000
    health = [HTTP.get(f"{locked.url}{path}").status_code for path in ("/healthz", "/readyz") * 3]
    assert health == [200] * 6


def parts(count: int) -> Iterator[bytes]:
    yield b'{"input": "'
    for _ in range(count):
        yield b"a" * 10_000
    yield b'"}'


def test_a_body_may_be_as_large_as_the_limit(running: Running) -> None:
    for size, status in ((100_000, 200), (100_001, 413)):
        body = b'{"input": "bread"}'.ljust(size)
        answer = HTTP.post(f"{running.url}/classify", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == status


@pytest.mark.parametrize("count", [11, 50])
def test_a_body_without_a_length_is_counted_while_it_arrives(running: Running, count: int) -> None:
    answer = HTTP.post(f"{running.url}/classify", content=parts(count), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["message"] == "the request has more than 100000 bytes"


def test_a_body_that_does_not_arrive_is_given_up(start: Callable[..., Running], guard: Guard) -> None:
    with connected(start(guard, body_seconds=0.05)) as connection:
        connection.sendall(b"POST /classify HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{")
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")


def test_a_client_that_leaves_in_the_middle_harms_nobody(running: Running) -> None:
    with connected(running) as connection:
        connection.sendall(b"POST /classify HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{")
    assert HTTP.post(f"{running.url}/classify", json={"input": "weapon"}).json()["data"][0]["label"] == "harmful"


def test_answers_are_counted_by_status(start: Callable[..., Running], guard: Guard) -> None:
    server = start(guard)
    HTTP.post(f"{server.url}/classify", json={"input": "bread"})
    HTTP.post(f"{server.url}/classify", json={})
    text = HTTP.get(f"{server.url}/metrics").text
    assert 'railmatch_http_answers_total{status="200"} 1.0' in text
    assert 'railmatch_http_answers_total{status="400"} 1.0' in text
    assert "railmatch_http_in_flight 1.0" in text
