"""Hands out the questions of a run one by one, so that no other process is asking any of them."""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Protocol

from ..progress import Advance
from .cache import Cache, Key
from .claims import LEASE_S, new_owner
from .endpoint import Reply
from .quality import Status

POSTPONED = 1000
"""Questions that others are asking are kept for later up to this number; then it is looked what became of the first."""

POLL_S = 0.1
"""Seconds between two looks at a question that another process is asking."""


class Request(Protocol):
    """One question about a text, and where its answer is kept."""

    @property
    def key(self) -> Key:
        """The place of the answer in the cache."""
        ...

    def messages(self) -> list[dict[str, str]]:
        """Write the chat messages that ask."""
        ...

    def judge(self, reply: Reply) -> tuple[Status, str]:
        """Say what became of the answer, and give what is kept of it."""
        ...


class Turns:
    """The questions of one run, each claimed in the cache before it is handed out."""

    def __init__(self, requests: Iterator[Request], cache: Cache, advance: Advance) -> None:
        """Take the questions; ``advance`` counts those that another process has answered meanwhile."""
        self._requests = requests
        self._cache = cache
        self._advance = advance
        self.owner = new_owner()
        self._postponed: deque[Request] = deque()
        self._batched: list[Request] = []
        self._drawn = False
        self._closed = False

    @property
    def exhausted(self) -> bool:
        """Tell whether no question is left that has not been handed out."""
        return self._drawn and not self._postponed

    async def next(self, *, wait: bool = True) -> Request | None:
        """Give the next question that is ours to ask; None where none is left, or the run has been closed.

        Those that others are asking are waited for at the end, or without ``wait`` left to a later call. Those that
        wait in a batch are put aside.
        """
        later = len(self._postponed)
        while not self._closed:
            drawn = self._draw()
            if drawn is None and (not self._postponed or (later == 0 and not wait)):
                return None
            request = self._postponed.popleft() if drawn is None else drawn
            claim = self._cache.claim(request.key, self.owner)
            if claim == "ours":
                return request
            if claim == "answered":
                self._advance(1)
            elif claim == "batched":
                self._batched.append(request)
            else:
                self._postponed.append(request)
            if drawn is None:
                later -= 1
                await asyncio.sleep(POLL_S if claim == "theirs" and wait else 0)
        return None

    def _draw(self) -> Request | None:
        if len(self._postponed) >= POSTPONED:
            return None
        drawn = next(self._requests, None)
        self._drawn = drawn is None
        return drawn

    def take_batched(self) -> list[Request]:
        """Take the questions that were put aside because they wait in a batch."""
        batched, self._batched = self._batched, []
        return batched

    def put_back(self, request: Request) -> None:
        """Hand a question out again later."""
        self._postponed.append(request)

    def give_up(self, request: Request) -> None:
        """Let others ask a question that got no answer."""
        self._cache.release(self.owner, request.key)

    def give_up_all(self) -> None:
        """Let others ask every question that this run has claimed and not answered."""
        self._cache.release(self.owner)

    def close(self) -> None:
        """Hand out nothing more."""
        self._closed = True

    async def keep_claims(self) -> None:
        """Renew the claims until this is cancelled."""
        while True:
            await asyncio.sleep(LEASE_S / 3)
            self._cache.renew(self.owner)
