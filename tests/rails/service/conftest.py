"""Real servers on 127.0.0.1: one with both models for most tests, and others that a test starts in a moment."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from railmatch.classifier.engine.batching import Engine
from railmatch.classifier.engine.scorer import TorchScorer
from railmatch.classifier.inputs import Window
from railmatch.classifier.model import SafetyClassifier
from railmatch.rails.guard import Check, Guard
from railmatch.rails.service.server import DrainingServer, make_server
from railmatch.rails.service.settings import ServiceSettings
from railmatch.rails.service.state import Service

MINUTE = 60

CLOSED = "the engine is closed, or was started in another process: load the models in this one"

HTTP = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), timeout=MINUTE)
"""Asks the servers; one for all, because making one loads the certificates, and no connection outlives its answer."""


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Look a hundred times a second; what takes a minute is a failure."""
    for _ in range(100 * MINUTE):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError(f"a minute later it is not so: {what}")


@dataclass
class Running:
    """A server that listens, and what its endpoints share."""

    service: Service
    server: DrainingServer
    thread: threading.Thread
    url: str


class HeldScorer(TorchScorer):
    """Runs real forward passes, each of them when ``gate`` is open."""

    def __init__(self, classifier: SafetyClassifier) -> None:
        super().__init__(classifier)
        self.gate, self.started = threading.Event(), threading.Event()

    def score(self, windows: Sequence[Window]) -> list[float]:
        self.started.set()
        assert self.gate.wait(MINUTE)
        return super().score(windows)


@dataclass
class Held:
    """A guard of prompts whose engine answers only when ``scorer.gate`` is open; two callers may wait."""

    guard: Guard
    scorer: HeldScorer


@pytest.fixture(scope="session")
def guard(trigger_models: Path) -> Iterator[Guard]:
    with Guard.load(trigger_models, device="cpu") as guard:
        yield guard


@pytest.fixture
def held(trigger_models: Path) -> Iterator[Held]:
    classifier = SafetyClassifier.load(trigger_models / "prompt", device="cpu")
    scorer = HeldScorer(classifier)
    with Engine(classifier, scorer, queue_size=2) as engine:
        yield Held(Guard({"prompt": Check(engine, "prompt", 0.5, "held", "0123456789ab")}, deadline=MINUTE), scorer)
        scorer.gate.set()


@pytest.fixture(scope="session")
def _stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def _started(stack: ExitStack, guard: Guard | None, settings: ServiceSettings) -> Running:
    service = Service(settings, guard=guard)
    if guard is not None:
        service.metrics.watch(guard.checks.values())
    server = make_server(service)
    listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()

    def stop() -> None:
        server.should_exit = True
        thread.join(MINUTE)
        assert not thread.is_alive()

    stack.callback(stop)
    scheme = "http" if settings.tls_certificate is None else "https"
    url = f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"
    wait_until(lambda: server.started, "the server listens")
    return Running(service, server, thread, url)


@pytest.fixture(scope="session")
def running(_stack: ExitStack, guard: Guard) -> Running:
    """A server with both models that decide by one word, for all tests."""
    return _started(_stack, guard, ServiceSettings(max_body=100_000, max_texts=4))


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    """Start a server of a guard, or of none yet, with settings."""
    with ExitStack() as stack:
        yield lambda guard=None, **settings: _started(stack, guard, ServiceSettings(**settings))


@pytest.fixture(scope="session")
def closed(trigger_models: Path) -> Guard:
    """A guard that can judge nothing any more: every verdict is undecided."""
    guard = Guard.load(trigger_models, device="cpu")
    guard.close()
    return guard
