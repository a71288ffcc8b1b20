"""OpenTelemetry: NeMo's spans of our rails and actions, and ours with the verdict; none of them holds the text."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from nemoguardrails import LLMRails, RailsConfig
from nemoguardrails.testing import FakeLLMModel
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

PROMPT, RESPONSE = "how do i bake bread for alice", "you could wait until night and steal it from bob"


@pytest.fixture(scope="module")
def exporter() -> Iterator[InMemorySpanExporter]:
    """The process's tracer provider, which can be set only once."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    yield exporter
    provider.shutdown()


def traced(content: dict[str, Any]) -> None:
    content["tracing"] = {"enabled": True, "adapters": [{"name": "OpenTelemetry"}]}


def test_spans_of_a_request(exporter: InMemorySpanExporter, config: Callable[..., RailsConfig]) -> None:
    app = LLMRails(config(traced), llm=FakeLLMModel(responses=[RESPONSE]))
    app.generate(messages=[{"role": "user", "content": PROMPT}])
    spans = exporter.get_finished_spans()
    rails = [span.attributes["rail.name"] for span in spans if span.name == "guardrails.rail"]
    actions = [span.attributes["action.name"] for span in spans if span.name == "guardrails.action"]
    assert {"railmatch check input", "railmatch check output"} <= set(rails)
    assert {"railmatch_check_input", "railmatch_check_output"} <= set(actions)
    prompt, response = [span for span in spans if span.name == "railmatch.check"]
    assert (prompt.attributes["railmatch.decision"], response.attributes["railmatch.decision"]) == ("allow", "block")
    assert response.attributes["railmatch.score"] > 0.99
    assert response.attributes["railmatch.threshold"] == 0.5
    assert len(response.attributes["railmatch.version"]) == 12
    took = (response.end_time - response.start_time) / 1e6
    assert took == pytest.approx(response.attributes["railmatch.milliseconds"], abs=0.01)
    assert not any("alice" in text or "bob" in text for text in map(ReadableSpan.to_json, spans))


def test_a_check_belongs_to_the_span_of_the_app(
    exporter: InMemorySpanExporter, config: Callable[..., RailsConfig]
) -> None:
    app = LLMRails(config(traced), llm=FakeLLMModel(responses=[RESPONSE]))
    exporter.clear()
    with trace.get_tracer("app").start_as_current_span("request") as request:
        app.generate(messages=[{"role": "user", "content": PROMPT}])
    checks = [span for span in exporter.get_finished_spans() if span.name == "railmatch.check"]
    assert [check.parent.span_id for check in checks] == [request.get_span_context().span_id] * 2
