"""What is soaked: the guard in this process, and the service in another one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import httpx
from railmatch.rails.guard import Guard
from serving_process import serving

CONNECTIONS = 8_192
"""More than can wait at the rates of a CPU, so that it is the engine that refuses and not the server's door."""


class Ask(Protocol):
    """Gives the score of a text, None where it was not judged; whatever it raises is a lost request."""

    async def __call__(self, text: str) -> float | None:
        """Ask once."""


class Judge(NamedTuple):
    """Who is asked how, and the process whose memory is watched."""

    name: str
    ask: Ask
    pid: int


@contextmanager
def guard_judge(model: Path, deadline: float) -> Iterator[Judge]:
    """Judge in this process."""
    with Guard.load(model, device="cpu", deadline=deadline) as guard:
        guard.warm_up()

        async def ask(text: str) -> float | None:
            return (await guard.check_prompt_async(text)).score

        yield Judge("guard", ask, os.getpid())


@contextmanager
def service_judge(model: Path, deadline: float) -> Iterator[Judge]:
    """Ask ``railmatch serve``; it says 503 of a text that was not judged."""
    with serving(model, deadline=deadline, max_connections=CONNECTIONS) as (url, pid):
        client = httpx.AsyncClient(base_url=url, limits=httpx.Limits(), timeout=None)

        async def ask(text: str) -> float | None:
            answer = await client.post("/prompt/classify", json={"input": text})
            if answer.status_code == 503:
                return None
            return float(answer.raise_for_status().json()["data"][0]["railmatch"]["score"])

        yield Judge("service", ask, pid)
