"""Prometheus metrics of checks and of the engines behind them; needs the extra ``railmatch[metrics]``."""

import threading
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from ..classifier.errors import SettingsError
from ..classifier.inputs import Exchange
from .question import Check
from .verdict import Verdict

_TENTHS = tuple(number / 20 for number in range(1, 21))
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_COUNTS = {
    "requests": "Texts brought to the engine, refused ones included.",
    "remembered": "Texts answered from memory.",
    "shared": "Texts that joined a request for the same text.",
    "refused": "Texts turned away because the queue was full or they would have been judged too late.",
    "batches": "Forward passes; windows divided by these is the batch size.",
    "windows": "Windows in the forward passes.",
    "tokens": "Tokens in the forward passes, without padding.",
    "padding": "Tokens of padding in the forward passes.",
}


class Metrics(Collector):
    """Counts what guards decide, and reads the engines whenever it is scraped."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Register with ``registry``, or with a new one."""
        self.registry = registry if registry is not None else CollectorRegistry()
        self._decisions = Counter(
            "railmatch_decisions", "Checks by what was decided.", ["task", "decision"], registry=self.registry
        )
        self._undone = Counter(
            "railmatch_undone", "Checks in which evasion was undone.", ["task", "kind"], registry=self.registry
        )
        self._scores = Histogram(
            "railmatch_score", "Harmful probabilities.", ["task"], buckets=_TENTHS, registry=self.registry
        )
        self._seconds = Histogram(
            "railmatch_seconds", "From the question to the answer.", ["task"], buckets=_SECONDS, registry=self.registry
        )
        self._checks: dict[int, Check] = {}
        self.registry.register(self)

    def __call__(self, verdict: Verdict, exchange: Exchange) -> None:
        """Count one check."""
        self._decisions.labels(verdict.task, verdict.decision).inc()
        self._seconds.labels(verdict.task).observe(verdict.milliseconds / 1000)
        if verdict.score is not None:
            self._scores.labels(verdict.task).observe(verdict.score)
        for kind in verdict.undone:
            self._undone.labels(verdict.task, kind).inc()

    def watch(self, checks: Iterable[Check]) -> None:
        """Read the engines of these checks, too; an engine that several guards share is read once."""
        self._checks |= {id(check.engine): check for check in checks}

    def unwatch(self, checks: Iterable[Check]) -> None:
        """Read the engines of these checks no more."""
        for check in checks:
            self._checks.pop(id(check.engine), None)

    def collect(self) -> Iterator[Metric]:
        """Read the engines."""
        labels = ["task", "model"]
        engines = [(check.engine, (check.task, check.model)) for check in list(self._checks.values())]
        for name, meaning in _COUNTS.items():
            count = CounterMetricFamily(f"railmatch_engine_{name}", meaning, labels=labels)
            for engine, where in engines:
                count.add_metric(where, getattr(engine.counts, name))
            yield count
        queue = GaugeMetricFamily("railmatch_engine_queue", "Callers that wait for an answer.", labels=labels)
        about = InfoMetricFamily("railmatch_engine", "Where the engine runs: device, precision, limits.", labels=labels)
        for engine, where in engines:
            queue.add_metric(where, engine.waiting)
            report: Mapping[str, object] = engine.report
            about.add_metric(where, {name: str(value) for name, value in report.items() if name not in labels})
        yield queue
        yield about


_SHARED: dict[str, Metrics] = {}
_STARTING = threading.Lock()


def served_metrics(address: str) -> Metrics:
    """Give the metrics that this process serves at ``host:port``; the first call starts the server.

    Raises:
        SettingsError: the address is not ``host:port``, or is taken.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise SettingsError(f"metrics is {address!r}: write host:port, such as 127.0.0.1:9464")
    with _STARTING:
        if address not in _SHARED:
            metrics = Metrics()
            try:
                start_http_server(int(port), host, metrics.registry)
            except (OSError, OverflowError) as error:
                raise SettingsError(f"metrics is {address!r}: it cannot be listened on: {error}") from error
            _SHARED[address] = metrics
        return _SHARED[address]
