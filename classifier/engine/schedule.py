"""Which windows go through the model together: a pure choice, made anew before every forward pass."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ..inputs import Window
from .request import Request


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one forward pass may hold.

    ``tokens`` counts the padding too; ``padding`` is the largest share of it, in [0, 1). A single window is always
    allowed, however long.
    """

    tokens: int
    windows: int
    padding: float


class Slot(NamedTuple):
    """A window in a batch, with the request that its score belongs to."""

    request: Request
    window: Window


def next_batch(waiting: deque[Request], limits: BatchLimits) -> list[Slot]:
    """Take the next window of the first request, and with it windows of like length in the order of waiting.

    The first request in ``waiting`` has at least one window. The windows taken leave their requests, and requests
    without any leave ``waiting``. The first request moves to the end, so that one with thousands of windows takes turns
    with all others.
    """
    leader = waiting[0]
    batch = [Slot(leader, leader.windows.popleft())]
    if limits.windows > 1:
        _fill(batch, waiting, limits)
    waiting.rotate(-1)
    left = [request for request in waiting if request.windows]
    waiting.clear()
    waiting.extend(left)
    return batch


def _fill(batch: list[Slot], waiting: Iterable[Request], limits: BatchLimits) -> None:
    """Add windows to a batch of one as long as it keeps its limits."""
    longest = total = len(batch[0].window)
    for request in waiting:
        while request.windows and len(batch) < limits.windows:
            length = len(request.windows[0])
            padded = (len(batch) + 1) * max(longest, length)
            if padded > limits.tokens or padded - total - length > limits.padding * padded:
                break
            batch.append(Slot(request, request.windows.popleft()))
            longest, total = max(longest, length), total + length
        if len(batch) >= limits.windows or len(batch) * longest >= limits.tokens:
            break
