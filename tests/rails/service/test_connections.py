"""Connections: how many, and for how long they may say nothing."""

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from railmatch.rails.guard import Guard

from .conftest import HTTP, Held, Running, wait_until

BEGINNING = b"GET /healthz HTTP/1.1\r\nHo"
REST = b"st: a\r\n\r\n"


def connected(running: Running) -> socket.socket:
    where = urlsplit(running.url)
    return socket.create_connection((where.hostname, where.port), timeout=60)


@pytest.mark.parametrize("sent", [b"", BEGINNING])
def test_a_connection_that_does_not_ask_is_closed(start: Callable[..., Running], guard: Guard, sent: bytes) -> None:
    with connected(start(guard, header_seconds=0.05)) as connection:
        connection.sendall(sent)
        assert connection.recv(4096) == b""


def test_so_is_one_that_has_asked_before(start: Callable[..., Running], guard: Guard) -> None:
    with connected(start(guard, header_seconds=0.5)) as connection:
        connection.sendall(BEGINNING + REST)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK")
        connection.sendall(BEGINNING)
        assert connection.recv(4096) == b""


def test_being_judged_may_take_longer(start: Callable[..., Running], held: Held) -> None:
    server = start(held.guard, header_seconds=0.2)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(HTTP.post, f"{server.url}/classify", json={"input": "weapon"})
        assert held.scorer.started.wait(60)
        with connected(server) as later:
            assert later.recv(4096) == b""
        held.scorer.gate.set()
        assert answer.result().json()["data"][0]["label"] == "harmful"


def test_one_connection_too_many_is_turned_away_unless_it_asks_for_health(
    start: Callable[..., Running], guard: Guard
) -> None:
    server = start(guard, max_connections=1)
    with connected(server):
        wait_until(lambda: len(server.server.server_state.connections) == 1, "the first one is open")
        answer = HTTP.post(f"{server.url}/classify", json={"input": "bread"})
        assert (answer.status_code, answer.headers["connection"]) == (503, "close")
        assert answer.json()["error"]["code"] == "too_many_connections"
        assert answer.json()["message"] == "1 connections are open already"
        assert HTTP.get(f"{server.url}/healthz").status_code == 200
    wait_until(lambda: not server.server.server_state.connections, "it is closed")
    assert HTTP.post(f"{server.url}/classify", json={"input": "bread"}).status_code == 200


def test_endless_headers_are_refused(running: Running) -> None:
    with connected(running) as connection:
        connection.sendall(BEGINNING + b"a: " + b"b" * 20_000)
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")
