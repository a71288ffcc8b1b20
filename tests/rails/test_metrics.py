"""Prometheus metrics: what was decided, and what the engines did, as a scrape finds it."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from railmatch.classifier.errors import SettingsError
from railmatch.rails.guard import Guard
from railmatch.rails.metrics import Metrics, served_metrics


@pytest.fixture(scope="module")
def scraped(trigger_models: Path) -> Iterator[Metrics]:
    """Metrics after five checks of known outcome."""
    metrics = Metrics()
    with Guard.load(trigger_models, device="cpu", observers=[metrics]) as guard:
        metrics.watch(guard.checks.values())
        metrics.watch(guard.checks.values())
        for text in ("bread", "weapon", "w e a p o n"):
            guard.check_prompt(text)
        guard.check_response("hi", "bread")
        engine = guard.check("response").engine
        engine.close()
        guard.check_response("hi", "cake")
        yield metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_decisions_scores_and_evasions_are_counted(scraped: Metrics) -> None:
    assert value(scraped, "railmatch_decisions_total", task="prompt", decision="block") == 2
    assert value(scraped, "railmatch_decisions_total", task="prompt", decision="allow") == 1
    assert value(scraped, "railmatch_decisions_total", task="response", decision="undecided") == 1
    assert value(scraped, "railmatch_score_count", task="prompt") == 3
    assert value(scraped, "railmatch_score_bucket", task="prompt", le="0.05") == 1
    assert value(scraped, "railmatch_score_count", task="response") == 1
    assert value(scraped, "railmatch_seconds_count", task="response") == 2
    assert value(scraped, "railmatch_undone_total", task="prompt", kind="letter-spacing") == 1


def test_engines_are_read(scraped: Metrics, trigger_models: Path) -> None:
    where = {"task": "prompt", "model": str(trigger_models / "prompt")}
    assert value(scraped, "railmatch_engine_requests_total", **where) == 4  # one text in two forms
    assert value(scraped, "railmatch_engine_windows_total", **where) >= 3
    assert value(scraped, "railmatch_engine_batches_total", **where) >= 1
    assert value(scraped, "railmatch_engine_queue", **where) == 0
    (info,) = [
        sample
        for family in scraped.registry.collect()
        if family.name == "railmatch_engine" and family.type == "info"
        for sample in family.samples
        if sample.labels["task"] == "prompt"
    ]
    assert "cpu" in info.labels["device"]


def test_metrics_are_served_once_an_address() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    metrics = served_metrics(address)
    assert served_metrics(address) is metrics
    assert "railmatch_decisions" in httpx.get(f"http://{address}/metrics").text
    with pytest.raises(SettingsError, match=r"metrics is '0.0.0.0:\d+': it cannot be listened on: "):
        served_metrics(f"0.0.0.0:{port}")


@pytest.mark.parametrize("address", ["9464", ":9464", "localhost", "localhost:"])
def test_an_address_without_host_or_port_is_refused(address: str) -> None:
    with pytest.raises(SettingsError) as caught:
        served_metrics(address)
    assert str(caught.value) == f"metrics is {address!r}: write host:port, such as 127.0.0.1:9464"
