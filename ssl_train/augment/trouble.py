"""What an error of the endpoint means: stop the run, try the call again, or do without this one text."""

import email.utils
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import openai

from ..recipe import EndpointSettings

LONGEST_WAIT_S = 900.0
"""Where a server asks for a longer wait, the run stops and says so instead of looking hung."""

CROWDED = (429, 503, 529)
"""What servers answer that have too many calls."""

_UNKNOWN_MODEL = re.compile(
    r"model\b.*\b(?:not found|does not exist|not exist|unknown|invalid)|\b(?:unknown|invalid) model", re.I
)
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|maximum context length|context size|context window"
    r"|max_new_tokens|max_model_len|too (?:many tokens|long)",
    re.I,
)
_FIXED_SAMPLING = re.compile(
    r"\b(?P<name>temperature|top_p)\b.*\b(?:unsupported|not support|only the default)|"
    r"\bunsupported\b.*\b(?P<other>temperature|top_p)\b",
    re.I,
)
_FILTERED = re.compile(r"content[_ ]?(?:filter|policy|management)|safety system|moderation", re.I)
_NO_FUNDS = re.compile(r"insufficient_quota|billing|payment", re.I)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What to do about one failed call, and what to tell a person.

    ``fatal`` ends the run, ``retry`` tries again (after ``wait_s`` seconds, where the server named a time), ``refused``
    means that the endpoint's filter declined the text, ``too_long`` that the model cannot read so much, ``failed`` that
    this text will never be answered. ``crowded`` is what an endpoint says that has too many calls.
    """

    kind: Literal["fatal", "retry", "refused", "too_long", "failed"]
    message: str
    wait_s: float | None = None
    unreachable: bool = False
    crowded: bool = False


def diagnose(error: Exception, settings: EndpointSettings) -> Trouble:
    """Decide what an error of one call means."""
    if isinstance(error, openai.APIStatusError):
        return diagnose_status(
            error.status_code, error.code, _words(error), settings, wait_s=_wait_s(error.response.headers)
        )
    if isinstance(error, TimeoutError | openai.APITimeoutError):
        said = f"no answer within {settings.timeout_s:g} s (augment.endpoint.timeout_s)"
        return Trouble("retry", said, crowded=True)
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__ or error
        return Trouble("retry", f"no connection ({str(cause) or type(cause).__name__})", unreachable=True)
    return Trouble("fatal", not_chat(f"an answer that is not JSON ({error})"))


def diagnose_status(
    status: int, code: str | None, said: str, settings: EndpointSettings, *, wait_s: float | None = None
) -> Trouble:
    """Decide what an answer with an error's ``status`` means; ``said`` are its words, in one line."""
    words, said = f"{code or ''} {said}".strip(), f"{status}: {said}"
    if status in (400, 403, 422, 451) and _FILTERED.search(words):
        return Trouble("refused", f"its filter declined the text ({said})")
    if status in (400, 413, 422, 500) and _TOO_LONG.search(words):
        return Trouble("too_long", f"the text is longer than the model reads ({said})")
    if fatal := _fatal_status(status, words, settings):
        return Trouble("fatal", f"{fatal} (it said {said})")
    if status in (408, 409, 425, 429) or status >= 500:
        if wait_s is not None and wait_s > LONGEST_WAIT_S:
            return Trouble(
                "fatal", f"it asks to come back in {wait_s:.0f} s: run again then, what was answered is stored"
            )
        return Trouble("retry", f"it said {said}", wait_s, crowded=status in CROWDED)
    return Trouble("failed", f"it said {said}")


def _fatal_status(status: int, said: str, settings: EndpointSettings) -> str | None:
    """Say why no call to this endpoint can succeed, or None where another one may."""
    if status in (401, 403):
        return (
            f"the key in the environment variable {settings.api_key_env} is not accepted; put a valid one there, "
            "or name another variable in augment.endpoint.api_key_env"
        )
    if status in (402, 429) and (status == 402 or _NO_FUNDS.search(said)):
        return "the account has no credit left; see to its billing and run again, what was answered is stored"
    if status in (400, 404, 422) and _UNKNOWN_MODEL.search(said):
        return f"it has no model {settings.model!r}; set augment.endpoint.model to one that it lists at /models"
    if status == 400 and (fixed := _FIXED_SAMPLING.search(said)):
        name = fixed["name"] or fixed["other"]
        return f"model {settings.model!r} has its own {name}; set augment.endpoint.{name.lower()} to null"
    if status in (404, 405):
        return (
            "it does not know this address or this model; check augment.endpoint.base_url, which mostly ends in /v1, "
            "and augment.endpoint.model"
        )
    return None


def not_chat(what: str) -> str:
    """Word the complaint about something that does not speak the chat-completions protocol."""
    return (
        f"{what}: this is not the chat-completions protocol; check augment.endpoint.base_url, which mostly ends in /v1"
    )


def _wait_s(headers: Mapping[str, str]) -> float | None:
    """Read how long a server asks to wait; Azure and OpenAI name milliseconds in a header of their own, too."""
    exact = retry_after_s(headers.get("retry-after-ms"), datetime.now(UTC))
    return retry_after_s(headers.get("retry-after"), datetime.now(UTC)) if exact is None else exact / 1000


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Read a Retry-After header, seconds or an HTTP date, as seconds from ``now``; None where there is none to read."""
    if value is None:
        return None
    try:
        return max(0.0, float(value)) if re.fullmatch(r"\s*\d+(\.\d*)?\s*", value) else _until(value, now)
    except ValueError:
        return None


def _until(date: str, now: datetime) -> float:
    moment = email.utils.parsedate_to_datetime(date)
    return max(0.0, ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds())


def _words(error: openai.APIStatusError) -> str:
    """Give what the server said, without the client's own introduction and cut to a line."""
    return words_of(error.body) or " ".join(error.message.split())[:300]


def words_of(body: object) -> str:
    """Give what the ``body`` of an error says, cut to a line; nothing where it is empty."""
    said = body.get("message", body) if isinstance(body, dict) else body
    return " ".join(str(said or "").split())[:300]
