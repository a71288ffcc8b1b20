"""Send texts: first as many as are answered, then twice as many a second, whatever happens to them."""

import asyncio
import time
from itertools import cycle

import psutil
from serving_texts import CALLERS

from .found import Answers, Found, line_through
from .judges import Ask, Judge

MEBIBYTE = 1 << 20
SHARE = 0.1
"""Share of the time in which the sustainable rate is measured."""


async def soak(judge: Judge, expected: dict[str, float], seconds: float, patience: float) -> Found:
    """Soak for some seconds; whoever has no answer ``patience`` seconds after the end is lost."""
    load, sizes = _Load(judge.ask, expected), [(0.0, _size(judge))]
    sustainable = await load.sustained(seconds * SHARE)
    watching = asyncio.create_task(_watch(judge, sizes))
    judged_before = load.answers.judged
    rate = await load.overload(2 * sustainable, seconds * (1 - SHARE), patience)
    share = (load.answers.judged - judged_before) / (sustainable * seconds * (1 - SHARE))
    watching.cancel()
    growth, slope = line_through(sizes)
    return Found(sustainable, rate, share, load.answers, _size(judge), growth, slope)


class _Load:
    """Asks for the texts in turn and notes every answer."""

    def __init__(self, ask: Ask, expected: dict[str, float]) -> None:
        self.answers = Answers()
        self._ask = ask
        self._texts = cycle(expected.items())

    async def sustained(self, seconds: float) -> float:
        """Let callers ask one text after the other for some seconds, and give the answers a second."""
        started = time.perf_counter()

        async def caller() -> None:
            while time.perf_counter() < started + seconds:
                await self._one(*next(self._texts))

        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return self.answers.sent / (time.perf_counter() - started)

    async def overload(self, rate: float, seconds: float, patience: float) -> float:
        """Send ``rate`` texts a second without waiting for answers, then wait for those on their way.

        Returns:
            How many texts a second were sent, which falls short where sending takes the whole core.
        """
        on_their_way: set[asyncio.Task[None]] = set()
        started, sent = time.perf_counter(), 0
        while (elapsed := time.perf_counter() - started) < seconds:
            while sent < rate * elapsed:
                task = asyncio.create_task(self._one(*next(self._texts)))
                on_their_way.add(task)
                task.add_done_callback(on_their_way.discard)
                sent += 1
            await asyncio.sleep(0.005)
        if on_their_way:
            await asyncio.wait(on_their_way, timeout=patience)
        return sent / seconds

    async def _one(self, text: str, expected: float) -> None:
        began = time.perf_counter()
        self.answers.sent += 1
        try:
            score = await self._ask(text)
        except Exception as error:
            self.answers.lost.append(repr(error))
        else:
            self.answers.note(text, score, expected, time.perf_counter() - began)


async def _watch(judge: Judge, sizes: list[tuple[float, float]]) -> None:
    """Note the size of the process twice a second."""
    started = time.perf_counter()
    while True:
        await asyncio.sleep(0.5)
        sizes.append((time.perf_counter() - started, _size(judge)))


def _size(judge: Judge) -> float:
    return float(psutil.Process(judge.pid).memory_info().rss) / MEBIBYTE
