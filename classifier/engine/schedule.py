"""Which windows go through the model together: a pure choice, made anew before every forward pass."""

import math
from collections import deque
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from ..errors import EngineError
from ..inputs import Exchange, Window


class Judgement(NamedTuple):
    """What the model says of one exchange: the harmful probability of its highest window, and how many it had."""

    score: float
    windows: int


@dataclass(eq=False, slots=True)
class Request:
    """One exchange on its way: the pieces still to be tokenised, the windows still to be scored, the highest score.

    ``expires`` is a time of the monotonic clock in seconds, None where the caller waits as long as it takes.
    """

    pieces: deque[Exchange]
    expires: float | None = None
    future: "Future[Judgement]" = field(default_factory=Future)
    windows: deque[Window] = field(default_factory=deque)
    highest: float = 0.0
    scored: int = 0

    def note(self, score: float) -> None:
        """Take the score of one window; one that is not a number fails the request, for it compares with nothing."""
        if math.isnan(score):
            self.fail("the model gave no number")
        self.highest = max(self.highest, score)
        self.scored += 1

    def finish(self) -> None:
        """Give the caller the judgement, unless it no longer waits."""
        with suppress(InvalidStateError):
            self.future.set_result(Judgement(self.highest, self.scored))

    def fail(self, reason: str, cause: BaseException | None = None) -> None:
        """Give the caller an EngineError, unless it no longer waits."""
        error = EngineError(reason)
        error.__cause__ = cause
        with suppress(InvalidStateError):
            self.future.set_exception(error)


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

    Every request in ``waiting`` has at least one window. The windows taken leave their requests. The first request
    moves to the end, so that one with thousands of windows takes turns with all others.
    """
    leader = waiting[0]
    batch = [Slot(leader, leader.windows.popleft())]
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
    waiting.rotate(-1)
    return batch
