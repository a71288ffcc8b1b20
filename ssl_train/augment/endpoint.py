"""An OpenAI-compatible endpoint that is asked many times at once and is expected to misbehave.

The retries are our own, not those of the ``openai`` client, so that a wait which the server asks for holds back every
call, and so that what cannot be cured stops the run with a message that names the cure.
"""

import asyncio
import json
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import openai
from openai.types.chat import ChatCompletion

from ...classifier.errors import EndpointError
from ...classifier.inputs import without_surrogates
from ..recipe import EndpointSettings
from .pace import Pace
from .trouble import Trouble, diagnose, not_chat

_LONGEST_BACKOFF_S = 60.0
_RETRIES_TO_REACH = 2
"""How often a call is tried again while nothing at all was heard from the endpoint: a wrong address shows at once."""


class CallFailed(Exception):
    """One text got no answer, however often it was tried; the run can go on without it."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.message)
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class Reply:
    """What the endpoint said; ``refused`` and ``cut`` (off at ``max_tokens``) are its own words about it."""

    text: str
    refused: bool = False
    cut: bool = False
    input_tokens: int = 0
    output_tokens: int = 0


class Endpoint:
    """A chat-completions endpoint, to be used in an ``async with`` block."""

    def __init__(self, settings: EndpointSettings) -> None:
        """Take the settings and read the key from the environment.

        Raises:
            EndpointError: the environment variable that must hold the key is not set.
        """
        self.settings = settings
        self.address = settings.base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
        self.name = f"endpoint {self.address}"
        self.client = openai.AsyncOpenAI(
            base_url=settings.base_url, api_key=_key(settings, self.name), max_retries=0, timeout=settings.timeout_s
        )
        self._pace = Pace(settings.max_concurrency)
        self._length_name = "max_tokens"
        self._heard = False
        self._closed_until = 0.0
        self._jitter = random.Random()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.client.close()

    async def ask(self, messages: Sequence[dict[str, str]]) -> Reply:
        """Ask once and again until there is an answer.

        Raises:
            CallFailed: this text gets none, after all retries.
            EndpointError: no text will get one: wrong key, wrong model, or not a chat-completions endpoint.
        """
        attempt = 0
        while True:
            await self._until_open()
            async with self._pace.place() as begun:
                outcome = await self._try(messages)
            if isinstance(outcome, Reply):
                self._pace.grow()
                return outcome
            if outcome.crowded:
                self._pace.halve(begun)
            if outcome.kind == "fatal":
                raise EndpointError(f"{self.name}, model {self.settings.model!r}: {outcome.message}")
            if outcome.kind == "failed" or attempt >= self._retries():
                raise CallFailed(outcome)
            self._hold_back(outcome)
            await asyncio.sleep(self._backoff(attempt))
            attempt += 1

    async def _try(self, messages: Sequence[dict[str, str]]) -> Reply | Trouble:
        length_name = self._length_name
        try:
            outcome = self.read(await self._call(self.body_of(messages)))
        except (openai.OpenAIError, TimeoutError, json.JSONDecodeError, UnicodeDecodeError) as error:
            said = str(error) if isinstance(error, openai.BadRequestError) else ""
            if length_name == "max_tokens" and self.wants_other_name(said):
                return await self._try(messages)
            outcome = diagnose(error, self.settings)
        self._heard = self._heard or isinstance(outcome, Reply) or not outcome.unreachable
        return as_reply(outcome) or outcome if isinstance(outcome, Trouble) else outcome

    def body_of(self, messages: Sequence[dict[str, str]]) -> dict[str, Any]:
        """Write the body of a call."""
        settings = self.settings
        request: dict[str, Any] = {
            "model": settings.model,
            "messages": list(messages),
            self._length_name: settings.max_tokens,
        }
        for name, value in (("temperature", settings.temperature), ("top_p", settings.top_p)):
            if value is not None:
                request[name] = value
        return request

    def wants_other_name(self, said: str) -> bool:
        """Tell by a refusal whether the model wants its limit by the newer name, which it then gets from now on.

        The older one is what most servers know.
        """
        wanted = "max_completion_tokens" in said
        self._length_name = "max_completion_tokens" if wanted else self._length_name
        return wanted

    async def _call(self, body: dict[str, Any]) -> Any:
        # The client's own timeout starts anew with every byte; this one is for the whole call.
        async with asyncio.timeout(self.settings.timeout_s):
            # `chat.completions.create` is this and a check of every field, which takes a third of a call's time.
            return await self.client.post("/chat/completions", cast_to=ChatCompletion, body=body)

    def read(self, completion: Any) -> Reply | Trouble:
        """Read an answer that may be anything at all."""
        if error := getattr(completion, "error", None):  # some gateways send errors with a success status
            return Trouble("retry", f"it said {error!s:.300}")
        choices = getattr(completion, "choices", None)
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = getattr(choice, "message", None)
        content = _joined(getattr(message, "content", None))
        if message is None or not isinstance(content, str | None):
            said = f"an answer without choices[0].message.content ({' '.join(str(completion).split())!s:.80})"
            return Trouble("fatal", not_chat(said))
        finish = getattr(choice, "finish_reason", None)
        usage = getattr(completion, "usage", None)
        return Reply(
            without_surrogates(content or ""),
            refused=bool(getattr(message, "refusal", None)) or finish == "content_filter",
            cut=finish == "length",
            input_tokens=getattr(usage, "prompt_tokens", None) or 0,
            output_tokens=getattr(usage, "completion_tokens", None) or 0,
        )

    def _retries(self) -> int:
        allowed = self.settings.max_retries
        return allowed if self._heard else min(allowed, _RETRIES_TO_REACH)

    def _backoff(self, attempt: int) -> float:
        """Give the seconds before another try: doubling, and spread so that the calls do not come back all at once."""
        longest = min(_LONGEST_BACKOFF_S, self.settings.backoff_s * 2.0 ** min(attempt, 30))
        return longest * self._jitter.uniform(0.5, 1.0)

    def _hold_back(self, trouble: Trouble) -> None:
        """Keep every call back for as long as the server asked for."""
        if trouble.wait_s is not None:
            self._closed_until = max(self._closed_until, asyncio.get_running_loop().time() + trouble.wait_s)

    async def _until_open(self) -> None:
        while (wait := self._closed_until - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(wait)


def as_reply(trouble: Trouble) -> Reply | None:
    """Give the answer that a trouble amounts to: a filter's refusal, or a text that the model cannot read."""
    if trouble.kind in ("refused", "too_long"):
        return Reply("", refused=trouble.kind == "refused", cut=trouble.kind == "too_long")
    return None


def _joined(content: Any) -> Any:
    """Join an answer that comes in pieces, ``[{"type": "text", "text": ...}]``; anything else is given as it is."""
    if not isinstance(content, list) or not all(isinstance(piece, dict) for piece in content):
        return content
    return "".join(str(piece.get("text") or "") for piece in content if piece.get("type") in ("text", "output_text"))


def _key(settings: EndpointSettings, name: str) -> str:
    """Read the key; an endpoint of the user's own, such as Ollama or vLLM, may need none."""
    key = os.environ.get(settings.api_key_env, "").strip()
    if key:
        return key
    if settings.base_url is None and not os.environ.get("OPENAI_BASE_URL"):
        raise EndpointError(
            f"{name}: the environment variable {settings.api_key_env} is not set; put the key there "
            f"(export {settings.api_key_env}=...), name another variable in augment.endpoint.api_key_env, "
            "or give the address of an endpoint without keys in augment.endpoint.base_url"
        )
    return "none"
