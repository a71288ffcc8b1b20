"""What the endpoints of one server share: its settings, its metrics, the guard once it is loaded, and its state."""

from dataclasses import dataclass, field
from typing import Literal

from ..guard import Guard
from ..metrics import Metrics
from .metrics import RequestCounts
from .refusal import Refused
from .settings import ServiceSettings

State = Literal["loading", "ready", "draining"]


@dataclass
class Service:
    """The guard is None until its models are loaded and warmed up; ``draining`` is set when the server shall end."""

    settings: ServiceSettings
    guard: Guard | None = None
    draining: bool = False
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

    def loaded_guard(self) -> Guard:
        """Give the guard.

        Raises:
            Refused: the models are not loaded yet.
        """
        if self.guard is None:
            raise Refused(503, "loading", "the models are being loaded; ask again when /readyz says so", retry_after=1)
        return self.guard
