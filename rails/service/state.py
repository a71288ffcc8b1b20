"""What the endpoints of one server share: its settings, its metrics, the guard once it is loaded, and its state."""

import threading
from dataclasses import dataclass, field
from typing import Literal

from prometheus_client.registry import Collector

from ..guard import Guard
from ..metrics import Metrics
from .metrics import OfReplica, RequestCounts
from .refusal import Refused
from .settings import ServiceSettings

GRACE = 5.0
"""Seconds beside the deadline in which the last answers are sent before what gives them is ended."""

State = Literal["loading", "ready", "draining"]


@dataclass
class Service:
    """The guard is None until its models are loaded and warmed up; ``draining`` is set when the server shall end.

    ``replica`` names one of several services behind one address.
    """

    settings: ServiceSettings
    guard: Guard | None = None
    draining: bool = False
    replica: str | None = None
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        """Count requests beside the metrics of checks."""
        self.requests = RequestCounts(self.metrics.registry)

    @property
    def state(self) -> State:
        """Say whether new requests should be sent here."""
        if self.draining:
            return "draining"
        return "loading" if self.guard is None else "ready"

    @property
    def scraped(self) -> Collector:
        """Give the metrics, as Prometheus shall see them."""
        registry = self.metrics.registry
        return registry if self.replica is None else OfReplica(registry, self.replica)

    def use(self, guard: Guard) -> None:
        """Judge with a guard from now on; the one before is closed when nobody can wait for it any more."""
        before, self.guard = self.guard, guard
        if before is not None:
            self.metrics.unwatch(before.checks.values())
            closing = threading.Timer(self.settings.deadline + GRACE, before.close)
            closing.daemon = True
            closing.start()
        self.metrics.watch(guard.checks.values())

    def loaded_guard(self) -> Guard:
        """Give the guard.

        Raises:
            Refused: the models are not loaded yet.
        """
        if self.guard is None:
            raise Refused(503, "loading", "the models are being loaded; ask again when /readyz says so", retry_after=1)
        return self.guard
