"""Prometheus metrics of the service's own requests, beside those of checks."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class RequestCounts:
    """Counts answers by status and how many requests are being answered."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register with ``registry``."""
        self.answers = Counter(
            "railmatch_http_answers", "Answers by status; 503: not judged.", ["status"], registry=registry
        )
        self.in_flight = Gauge("railmatch_http_in_flight", "Requests being answered.", registry=registry)
