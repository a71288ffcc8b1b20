"""The batches of an endpoint: made of a file of questions, found by name, looked at, and their answers fetched."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import openai
from openai.types import Batch

from ...classifier.errors import EndpointDownError, EndpointError
from .endpoint import Endpoint
from .trouble import Trouble, diagnose

NAME = "railmatch"
"""Under this key of a batch's metadata stands our own name of it."""

ENDED = ("completed", "expired", "cancelled", "failed")
_RETRIES = 8
_LONGEST_PAUSE_S = 60.0
_TRANSFER_S = 900.0
"""Seconds for a file of questions or answers, which may have a hundred megabytes."""

T = TypeVar("T")


class NotMadeError(EndpointError):
    """The endpoint has said that it makes no batch of this, so there is none."""


@dataclass(frozen=True, slots=True)
class Look:
    """How far a batch is; ``files`` are the ids of those with its answers and errors, ``refused`` why it failed."""

    status: str
    answered: int
    total: int
    files: tuple[str, ...]
    refused: str

    @property
    def ended(self) -> bool:
        """Tell whether no more answers will come."""
        return self.status in ENDED


class BatchService:
    """Asks for batches again and again until there is an answer."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._client = endpoint.client

    async def make(self, name: str, questions: Path) -> str:
        """Upload the questions and make a batch of them; gives its id.

        Raises:
            EndpointError: the endpoint has no batches, does not want this one, or cannot be reached.
        """

        async def upload() -> str:
            with questions.open("rb") as file:
                made = await self._client.files.create(
                    file=(f"{name}.jsonl", file), purpose="batch", timeout=_TRANSFER_S
                )
            return made.id

        file_id = await self._insist(upload)
        begun = False

        async def create() -> str:
            nonlocal begun
            # A call that seemed to fail may have made it.
            if begun and (found := await self._find(name)):
                return found
            begun = True
            made = await self._client.batches.create(
                input_file_id=file_id,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata={NAME: name},
            )
            return made.id

        return await self._insist(create)

    async def find(self, name: str) -> str | None:
        """Find the id of the batch that was made by our ``name``; None where there is none.

        Raises:
            EndpointError: the endpoint has no batches or cannot be reached.
        """
        return await self._insist(lambda: self._find(name))

    async def look(self, identity: str) -> Look | None:
        """Say how far a batch is; None where the endpoint does not know it any more.

        Raises:
            EndpointDownError: the endpoint cannot be reached. EndpointError: it does not want to say.
        """
        try:
            batch = await self._insist(lambda: self._client.batches.retrieve(identity), missing=True)
        except openai.NotFoundError:
            return None
        return _look(batch)

    async def fetch(self, file_id: str, to: Path) -> bool:
        """Write the content of a file to ``to``; False where the endpoint has it no more.

        Raises:
            EndpointError: the endpoint cannot be reached.
        """

        async def download() -> None:
            content = self._client.files.with_streaming_response.content(file_id, timeout=_TRANSFER_S)
            async with content as response:
                await response.stream_to_file(to)

        try:
            await self._insist(download, missing=True)
        except openai.NotFoundError:
            return False
        return True

    async def _find(self, name: str) -> str | None:
        async for batch in self._client.batches.list(limit=100):
            if (batch.metadata or {}).get(NAME) == name:
                return batch.id
        return None

    async def _insist(self, call: Callable[[], Awaitable[T]], *, missing: bool = False) -> T:
        """Make a call until it succeeds; with ``missing`` the answer that there is no such thing is the caller's."""
        settings = self._endpoint.settings
        for attempt in range(_RETRIES + 1):
            try:
                return await call()
            except (openai.OpenAIError, TimeoutError) as error:
                if missing and isinstance(error, openai.NotFoundError):
                    raise
                trouble = diagnose(error, settings)
                if trouble.kind != "retry" or attempt >= min(_RETRIES, settings.max_retries):
                    raise self._refusal(error, trouble) from error
            pause = min(_LONGEST_PAUSE_S, settings.backoff_s * 2.0**attempt)
            await asyncio.sleep(pause if trouble.wait_s is None else trouble.wait_s)
        raise AssertionError("the last attempt returns or raises")

    def _refusal(self, error: Exception, trouble: Trouble) -> EndpointError:
        name = self._endpoint.name
        status = error.status_code if isinstance(error, openai.APIStatusError) else 0
        if status in (404, 405, 501):
            return NotMadeError(
                f"{name}: it offers no batches (it said {status}); leave augment.endpoint.batch out, and every "
                "question is asked by itself"
            )
        kind = EndpointDownError if trouble.kind == "retry" else NotMadeError
        return kind(f"{name}, batches: {trouble.message}; run again: what was asked before is not lost")


def _look(batch: Batch) -> Look:
    counts = batch.request_counts
    errors = (batch.errors.data if batch.errors else None) or []
    return Look(
        batch.status,
        counts.completed + counts.failed if counts else 0,
        counts.total if counts else 0,
        tuple(file for file in (batch.output_file_id, batch.error_file_id) if file),
        "; ".join(f"{error.code or 'error'}: {' '.join((error.message or '').split())}" for error in errors[:3])[:300],
    )
