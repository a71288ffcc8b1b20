"""A token bucket for each client, in memory: a steady rate, and a burst on top of it."""

import time
from collections import OrderedDict
from collections.abc import Callable

CLIENTS = 10_000
"""How many clients are remembered; who was longest away is forgotten first, and starts with a full bucket."""


class RateLimit:
    """Lets each client send ``rate`` requests a second, and ``burst`` at once after a pause."""

    def __init__(
        self, rate: float, burst: int, *, clients: int = CLIENTS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start with full buckets; ``clock`` gives seconds."""
        self._rate = rate
        self._burst = burst
        self._clients = clients
        self._clock = clock
        self._buckets: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def take(self, client: bytes) -> float:
        """Take a token of a client; gives 0, or in how many seconds there will be one."""
        now = self._clock()
        tokens, then = self._buckets.pop(client, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - then) * self._rate)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self._rate
        self._buckets[client] = (tokens if wait else tokens - 1, now)
        if len(self._buckets) > self._clients:
            self._buckets.popitem(last=False)
        return wait
