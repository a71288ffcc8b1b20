"""OpenTelemetry spans of checks, beside those that NeMo's tracing makes of rails and actions."""

import time

from opentelemetry import trace

from ..classifier.inputs import Exchange
from .verdict import Verdict


def record_span(verdict: Verdict, exchange: Exchange) -> None:
    """Record a finished span ``railmatch.check`` with the verdict and without the text.

    NeMo's spans of a request are made after it, from its log, which has no place for what an action found.
    """
    end = time.time_ns()
    fields = verdict.as_dict()
    span = trace.get_tracer("railmatch").start_span(
        "railmatch.check",
        start_time=end - int(verdict.milliseconds * 1e6),
        attributes={f"railmatch.{name}": value for name, value in fields.items() if value is not None},
    )
    span.end(end)
