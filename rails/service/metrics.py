"""Prometheus metrics of the service's own requests, beside those of checks."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Metric
from prometheus_client.registry import Collector


class RequestCounts:
    """Counts answers by status and how many requests are being answered."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register with ``registry``."""
        self.answers = Counter(
            "railmatch_http_answers", "Answers by status; 503: not judged.", ["status"], registry=registry
        )
        self.in_flight = Gauge("railmatch_http_in_flight", "Requests being answered.", registry=registry)


class OfReplica(Collector):
    """Metrics of one replica of several that answer at the same address: each series says whose it is."""

    def __init__(self, registry: CollectorRegistry, replica: str) -> None:
        """Read ``registry``."""
        self._registry = registry
        self._label = {"replica": replica}

    def collect(self) -> Iterator[Metric]:
        """Read the metrics and add the label."""
        for metric in self._registry.collect():
            metric.samples = [sample._replace(labels=sample.labels | self._label) for sample in metric.samples]
            yield metric
