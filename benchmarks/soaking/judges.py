"""What is soaked: the guard in this process, and the service in another one."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import aiohttp
from railmatch.rails.guard import Guard
from serving_process import serving

CONNECTIONS = 8_192
"""More than can wait at the rates of a CPU, so that it is the engine that refuses and not the server's door."""

KEPT = 2.0
"""Seconds for which the client keeps a connection that it does not need; the server keeps it for five."""


class Ask(Protocol):
    """Gives the score of a text, None where it was not judged; whatever it raises is a lost request."""

    async def __call__(self, text: str) -> float | None:
        """Ask once."""


class Judge(NamedTuple):
    """Who is asked how, and the process whose memory is watched."""

    ask: Ask
    pid: int


@asynccontextmanager
async def guard_judge(model: Path, deadline: float) -> AsyncIterator[Judge]:
    """Judge in this process."""
    with Guard.load(model, device="cpu", deadline=deadline) as guard:
        guard.warm_up()

        async def ask(text: str) -> float | None:
            return (await guard.check_prompt_async(text)).score

        yield Judge(ask, os.getpid())


@asynccontextmanager
async def service_judge(model: Path, deadline: float) -> AsyncIterator[Judge]:
    """Ask ``railmatch serve``; it says 503 of a text that was not judged.

    With aiohttp, for httpx looks through all its connections at each request: with a thousand open it takes the core
    that the service needs. It drops a connection before the server would, which could do so under a request.
    """
    with serving(model, deadline=deadline, max_connections=CONNECTIONS) as (url, pid):
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT)
        async with aiohttp.ClientSession(url, connector=connector, timeout=aiohttp.ClientTimeout(None)) as session:

            async def ask(text: str) -> float | None:
                async with session.post("/prompt/classify", json={"input": text}) as answer:
                    if answer.status == 503:
                        return None
                    answer.raise_for_status()
                    return float((await answer.json())["data"][0]["railmatch"]["score"])

            yield Judge(ask, pid)
