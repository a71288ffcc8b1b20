"""How many calls an endpoint gets at once: as many as it can answer, found out while the run goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

START = 16
"""Calls at once with which a run begins."""


class Pace:
    """A number of places for calls that grows with every answer and is halved when the endpoint cannot keep up.

    It doubles with every round of answers until the first halving, and grows by one a round from then on, as in TCP's
    congestion control (Jacobson 1988).
    """

    def __init__(self, most: int) -> None:
        """Begin with a few places; there are never more than ``most``."""
        self.limit = float(min(START, most))
        self._most = most
        self._probing = True
        self._in_flight = 0
        self._halved = float("-inf")
        self._room = asyncio.Condition()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[float]:
        """Wait for a free place and hold it for one call; gives the moment at which the call began."""
        async with self._room:
            await self._room.wait_for(lambda: self._in_flight < int(self.limit))
            self._in_flight += 1
        try:
            yield asyncio.get_running_loop().time()
        finally:
            self._in_flight -= 1
            async with self._room:
                self._room.notify(2)  # this place, and the one by which the number may have grown

    def grow(self) -> None:
        """Note an answer."""
        self.limit = min(self._most, self.limit + (1.0 if self._probing else 1.0 / self.limit))

    def halve(self, begun: float) -> None:
        """Note that a call met an overloaded endpoint; one ``begun`` before the last halving tells nothing new."""
        if begun <= self._halved:
            return
        self._probing = False
        self._halved = asyncio.get_running_loop().time()
        self.limit = max(1.0, self.limit / 2)
