"""One exchange on its way through the engine, and everybody who waits for its judgement."""

import math
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from ..errors import EngineError
from ..inputs import Exchange, Window

SWEPT = 64
"""After so many callers of one text, those who have their answer are forgotten."""


class Judgement(NamedTuple):
    """What the model says of one exchange: the harmful probability of its highest window, and how many it had."""

    score: float
    windows: int


class Waiter(NamedTuple):
    """A caller; ``expires`` is a time of the monotonic clock in seconds, None for one who waits as long as it takes."""

    future: "Future[Judgement]"
    expires: float | None


@dataclass(eq=False, slots=True)
class Request:
    """The pieces still to be tokenised, the windows still to be scored, how many are being scored, the highest score.

    ``key`` tells exchanges apart; ``failure`` is why there will be no judgement.
    """

    pieces: deque[Exchange]
    key: bytes = b""
    windows: deque[Window] = field(default_factory=deque)
    in_work: int = 0
    highest: float = 0.0
    scored: int = 0
    failure: EngineError | None = None
    waiters: list[Waiter] = field(default_factory=list)

    def join(self, expires: float | None = None) -> "Future[Judgement]":
        """Give one more caller a future of its own, so that none can cancel another's."""
        if len(self.waiters) % SWEPT == SWEPT - 1:  # of a text that hangs, those who gave up would gather without end
            self.waiters = [waiter for waiter in self.waiters if not waiter.future.done()]
        future: Future[Judgement] = Future()
        self.waiters.append(Waiter(future, expires))
        return future

    def wanted(self) -> bool:
        """Say whether anybody still waits."""
        return any(not waiter.future.done() for waiter in self.waiters)

    def note(self, scores: Iterable[float]) -> None:
        """Take the scores of some windows; one that is no number fails the request, for it compares with nothing."""
        for score in scores:
            if math.isnan(score):
                self.fail("the model gave no number")
            self.highest = max(self.highest, score)
            self.scored += 1

    def fail(self, reason: str, cause: BaseException | None = None) -> None:
        """Say why there will be no judgement; the first reason stays."""
        if self.failure is None:
            self.failure = EngineError(reason)
            self.failure.__cause__ = cause
        self.pieces.clear()
        self.windows.clear()

    @property
    def judgement(self) -> Judgement:
        """Give what was found so far."""
        return Judgement(self.highest, self.scored)

    def answer(self) -> None:
        """Give everybody who still waits the judgement, or the failure."""
        for future, _ in self.waiters:
            with suppress(InvalidStateError):  # it was cancelled, or is past its deadline
                if self.failure is None:
                    future.set_result(self.judgement)
                else:
                    future.set_exception(self.failure)

    def expire(self, now: float) -> None:
        """Fail the callers whose deadline has passed."""
        for future, expires in tuple(self.waiters):
            if expires is not None and now >= expires:
                with suppress(InvalidStateError):
                    future.set_exception(EngineError("not judged before its deadline"))

    def next_deadline(self) -> float:
        """Give the earliest deadline of those who still wait, infinite where none has any."""
        open_ends = (expires for future, expires in self.waiters if expires is not None and not future.done())
        return min(open_ends, default=math.inf)
