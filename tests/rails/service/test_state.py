"""What the endpoints share: replacing the guard while requests are under way, and metrics of one replica of several."""

from pathlib import Path

import pytest
from prometheus_client import generate_latest
from railmatch.classifier.inputs import Exchange
from railmatch.rails.guard import Guard
from railmatch.rails.service import state
from railmatch.rails.service.settings import ServiceSettings
from railmatch.rails.service.state import Service

from .conftest import Held, wait_until


def test_a_guard_that_is_replaced_answers_what_it_was_asked(
    held: Held, trigger_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "GRACE", 0.0)
    service = Service(ServiceSettings(deadline=0.01), guard=held.guard)
    service.metrics.watch(held.guard.checks.values())
    waiting = held.guard.checks["prompt"].engine.submit(Exchange("weapon"))
    assert held.scorer.started.wait(60)
    with Guard.load(trigger_models / "prompt", device="cpu") as new:
        service.use(new)
        assert service.loaded_guard() is new
        assert b'model="held"' not in generate_latest(service.scraped)
        held.scorer.gate.set()
        assert waiting.result(60).score > 0.99
        wait_until(lambda: held.guard.check_prompt("bread").decision == "undecided", "the old one is closed")
        assert new.check_prompt("bread").decision == "allow"


def test_series_of_a_replica_say_whose_they_are(guard: Guard) -> None:
    alone, replica = (Service(ServiceSettings(), guard=guard, replica=name) for name in (None, "r1"))
    for service in (alone, replica):
        service.metrics(guard.check_prompt("weapon"), Exchange("weapon"))
    line = b'railmatch_decisions_total{decision="block",task="prompt"} 1.0\n'
    assert line in generate_latest(alone.scraped)
    assert line.replace(b'block"', b'block",replica="r1"') in generate_latest(replica.scraped)
