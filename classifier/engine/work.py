"""The work that is left: a bounded queue, shared by the threads that bring texts and those that work on them.

Every method takes the one lock for a moment; tokenising, forward passes and answers happen outside of it.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

from ..errors import EngineError
from ..inputs import Exchange, Window
from .counts import Counts
from .crowd import Crowd
from .pieces import pieces
from .recent import Recent, fingerprint
from .request import Judgement, Request
from .schedule import BatchLimits, Slot, next_batch
from .throughput import Throughput

TURN = 65_536
"""Characters tokenised at a time where a forward pass takes many texts."""

SMALL_TURN = 4_096
"""The same where it takes one, about a forward pass's worth, so that the other threads never wait for a first text."""

AHEAD = 4
"""How many batches' worth of windows should wait, so that there are like lengths to choose from, and of how many texts
at least, so that a long one keeps nobody waiting."""

CERTAIN = 0.8
"""Share of its deadline within which a text must be expected to be judged; the rest is for what cannot be foreseen."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Pieces to be tokenised, each with its request."""

    batch: list[tuple[Request, Exchange]]


@dataclass(frozen=True, slots=True)
class Scoring:
    """Windows to be scored in one forward pass."""

    batch: list[Slot]


@dataclass
class WorkQueue:
    """Requests on their way, whose callers are the ``crowd``.

    ``limits`` are those of a forward pass, of which ``forwards`` may run at once; ``recent`` remembers judgements.
    """

    limits: BatchLimits
    forwards: int
    crowd: Crowd
    recent: Recent
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        """Start empty."""
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        self._deadlines = threading.Condition(lock)
        self._unread: deque[Request] = deque()
        self._waiting: deque[Request] = deque()
        self._in_flight: dict[bytes, Request] = {}
        self._reading = False
        self._scoring = 0
        self._closed = False
        self._draining = True
        self._next_deadline = math.inf
        self._throughput = Throughput()

    @property
    def callers(self) -> int:
        """Count the callers that wait for an answer."""
        return self.crowd.callers

    def submit(self, exchange: Exchange, deadline: float | None) -> "Future[Judgement]":
        """Queue an exchange, or join a request for the same, or answer at once from memory.

        Raises:
            EngineError: the queue is full or closed, or the deadline would pass while the text waits for its turn.
        """
        key = fingerprint(exchange)
        characters = len(exchange.prompt) + len(exchange.response or "")
        expires = None if deadline is None else time.monotonic() + deadline
        with self._changed:
            if self._closed:
                raise EngineError("the engine is closed")
            self.counts.requests += 1
            if (known := self.recent.get(key)) is not None:
                self.counts.remembered += 1
                return _answered(known)
            self.crowd.refuse_overload(self.counts)
            if len(self._in_flight) >= 2 * self.crowd.size:
                self._purge()
            if deadline is not None and key not in self._in_flight:
                self._refuse_late(deadline)
            future = self._request(key, exchange).join(expires)
            self.crowd.enter(characters)
            if expires is not None and expires < self._next_deadline:
                self._next_deadline = expires
                self._deadlines.notify()
        future.add_done_callback(partial(self._caller_left, characters))
        return future

    def take(self) -> Reading | Scoring | None:
        """Wait for work and take some; None when the queue is closed and nothing is left."""
        with self._changed:
            while True:
                self._skip_unwanted()
                if self._over():
                    self._changed.notify()  # the next thread, which has nothing to wait for either
                    return None
                if self._should_read():
                    return self._next_reading()
                if self._should_score():
                    return self._next_scoring()
                self._changed.wait()

    def read(self, reading: Reading, encoded: Sequence[Sequence[Window] | EngineError]) -> None:
        """Put the windows of tokenised pieces in line; an error fails its request alone."""
        failed = []
        with self._changed:
            self._reading = False
            for (request, _), windows in zip(reading.batch, encoded, strict=True):
                if isinstance(windows, EngineError):
                    request.fail(str(windows), windows.__cause__)
                    failed.append(self._forgotten(request))
                else:
                    request.windows.extend(windows)
                    self._waiting.append(request)
        for request in failed:
            request.answer()

    def scored(self, scoring: Scoring, scores: Sequence[float] | BaseException) -> None:
        """Note the scores of a forward pass, or that it failed, and answer the requests that it completes."""
        batch = scoring.batch
        with self._changed:
            self._scoring -= 1
            for number, (request, _) in enumerate(batch):
                request.in_work -= 1
                if isinstance(scores, BaseException):
                    request.fail(f"the model failed: {scores}", scores)
                else:
                    request.note([scores[number]])
            touched = {id(slot.request): slot.request for slot in batch}.values()
            complete = [self._forgotten(request) for request in touched if self._completed(request)]
            self._wake_another()
        for request in complete:
            request.answer()

    def watch_deadlines(self) -> None:
        """Fail every caller whose deadline passes, whatever the workers do; returns when the queue is closed."""
        while True:
            with self._deadlines:
                if self._closed and not self._in_flight:
                    return
                now = time.monotonic()
                if now < self._next_deadline:
                    self._deadlines.wait(min(self._next_deadline - now, threading.TIMEOUT_MAX))
                    continue
                self._next_deadline = math.inf
                requests = list(self._in_flight.values())
            for request in requests:
                request.expire(now)
            with self._deadlines:
                earliest = min((request.next_deadline() for request in self._in_flight.values()), default=math.inf)
                self._next_deadline = min(self._next_deadline, earliest)

    def close(self, *, drain: bool) -> None:
        """Accept nothing more; ``drain`` says whether what waits is still worked on."""
        with self._changed:
            self._closed = True
            self._draining = drain
            self._changed.notify_all()
            self._deadlines.notify()

    def abandon(self) -> None:
        """Fail whatever is left: nobody works on it any more."""
        with self._changed:
            self._closed = True
            self._draining = False
            left = list(self._in_flight.values())
            self._in_flight.clear()
            self._unread.clear()
            self._waiting.clear()
            self._changed.notify_all()
            self._deadlines.notify()
        for request in left:
            request.fail("the engine was closed before this text was judged")
            request.answer()

    def _refuse_late(self, deadline: float) -> None:
        """Refuse, at once and at no cost, a text that would be worked on too late and for nothing."""
        wait = self._throughput.wait(len(self._unread), time.monotonic())
        if wait > CERTAIN * deadline:
            self.counts.refused += 1
            raise EngineError(f"overloaded: the wait is about {wait:.1f} s, and the deadline {deadline:.1f} s")

    def _request(self, key: bytes, exchange: Exchange) -> Request:
        """Give the request for an exchange, which is a new one unless the same is on its way."""
        request = self._in_flight.get(key)
        if request is not None:
            self.counts.shared += 1
            return request
        request = Request(deque(pieces(exchange)), key)
        self._in_flight[key] = request
        self._unread.append(request)
        self._changed.notify()
        return request

    def _caller_left(self, characters: int, _: "Future[Judgement]") -> None:
        with self._changed:
            self.crowd.leave(characters)

    def _forgotten(self, request: Request) -> Request:
        """Let nobody join a request any more; its judgement is remembered, its failure is not."""
        if self._leaves(request) and request.failure is None:
            self.recent.put(request.key, request.judgement)
        return request

    def _leaves(self, request: Request) -> bool:
        """Take a request out of those that can be joined; False where another has taken its place or it had left."""
        there = self._in_flight.get(request.key) is request
        if there:
            del self._in_flight[request.key]
        return there

    def _completed(self, request: Request) -> bool:
        """Say whether a request is done with; one that is not goes on with its next piece."""
        if request.failure is not None:
            return self._in_flight.get(request.key) is request
        if request.in_work or request.windows:
            return False
        if request.pieces:
            self._unread.append(request)
        return not request.pieces

    def _still_wanted(self, request: Request) -> bool:
        """Say whether a request that is due is still to be worked on; one that is not can be joined no more."""
        wanted = request.failure is None and request.wanted()
        if not wanted:
            self._leaves(request)
        return wanted

    def _purge(self) -> None:
        """Drop the requests that nobody waits for; else callers that give up would fill a queue that stands still."""
        self._unread = deque(filter(self._still_wanted, self._unread))
        self._waiting = deque(filter(self._still_wanted, self._waiting))

    def _over(self) -> bool:
        """Say whether there is nothing left to do for ever; a request in work may yet have another piece."""
        busy = self._unread or self._waiting or self._reading or self._scoring
        return self._closed and not (self._draining and busy)

    def _skip_unwanted(self) -> None:
        """Drop the requests at the head of either line that nobody waits for."""
        for line in (self._unread, self._waiting):
            while line and not self._still_wanted(line[0]):
                line.popleft()

    def _should_read(self) -> bool:
        if self._reading or not self._unread:
            return False
        enough = AHEAD * self.forwards
        if len(self._waiting) < enough:
            return True
        return sum(len(request.windows) for request in self._waiting) < enough * self.limits.windows

    def _should_score(self) -> bool:
        return bool(self._waiting) and self._scoring < self.forwards

    def _wake_another(self) -> None:
        """Wake one thread where work is left; it does the same when it has taken some, and none wakes for nothing."""
        if self._should_read() or self._should_score():
            self._changed.notify()

    def _next_reading(self) -> Reading:
        self._reading = True
        reading = Reading(list(self._next_pieces()))
        self._throughput.note(len(reading.batch), len(self._unread), time.monotonic())
        self._wake_another()
        return reading

    def _next_pieces(self) -> Iterator[tuple[Request, Exchange]]:
        """Take the next piece of the requests without windows, the longest waiting first, about a turn's worth."""
        room = SMALL_TURN if self.limits.windows == 1 else TURN
        while self._unread and room > 0:
            request = self._unread.popleft()
            if not self._still_wanted(request):
                continue
            piece = request.pieces.popleft()
            room -= len(piece.prompt) + len(piece.response or "")
            yield request, piece

    def _next_scoring(self) -> Scoring:
        batch = next_batch(self._waiting, self.limits)
        for slot in batch:
            slot.request.in_work += 1
        self._scoring += 1
        self.counts.note_batch([len(slot.window) for slot in batch])
        self._wake_another()
        return Scoring(batch)


def _answered(judgement: Judgement) -> "Future[Judgement]":
    future: Future[Judgement] = Future()
    future.set_result(judgement)
    return future
