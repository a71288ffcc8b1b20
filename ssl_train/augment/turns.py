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
        self._owner = new_owner()
        self._postponed: deque[Request] = deque()
        self._closed = False

    async def next(self) -> Request | None:
        """Give the next question that is ours to ask; None where none is left, or the run has been closed."""
        while not self._closed:
            drawn = None if len(self._postponed) >= POSTPONED else next(self._requests, None)
            if drawn is None and not self._postponed:
                return None
            request = self._postponed.popleft() if drawn is None else drawn
            claim = self._cache.claim(request.key, self._owner)
            if claim == "ours":
                return request
            if claim == "answered":
                self._advance(1)
                continue
            self._postponed.append(request)
            if drawn is None:
                await asyncio.sleep(POLL_S)
        return None

    def give_up(self, request: Request) -> None:
        """Let others ask a question that got no answer."""
        self._cache.release(self._owner, request.key)

    def give_up_all(self) -> None:
        """Let others ask every question that this run has claimed and not answered."""
        self._cache.release(self._owner)

    def close(self) -> None:
        """Hand out nothing more."""
        self._closed = True

    async def keep_claims(self) -> None:
        """Renew the claims until this is cancelled."""
        while True:
            await asyncio.sleep(LEASE_S / 3)
            self._cache.renew(self._owner)
