"""The actions that flows call: each one line around the Guard."""

from typing import Any

from nemoguardrails.actions import action
from nemoguardrails.actions.rail_outcome import RailOutcome

from .guard import Guard
from .settings import ACTIONS
from .verdict import Verdict


class GuardActions:
    """The actions of one guardrails config, bound to its guard.

    NeMo passes more than it is asked for while it streams, hence ``**_``. An exception is not caught: NeMo then blocks.
    """

    def __init__(self, guard: Guard) -> None:
        """Take the guard that judges."""
        self.guard = guard

    @action(name=ACTIONS["prompt"])  # type: ignore[untyped-decorator]  # NeMo Guardrails ships no types
    async def check_input(self, text: Any = None, context: dict[str, Any] | None = None, **_: Any) -> RailOutcome:
        """Judge ``text``, or the conversation's newest user message."""
        prompt = text_of(text if text is not None else _newest("user_message", context))
        return outcome(await self.guard.check_prompt_async(prompt), self.guard)

    @action(name=ACTIONS["response"])  # type: ignore[untyped-decorator]  # NeMo Guardrails ships no types
    async def check_output(self, text: Any = None, context: dict[str, Any] | None = None, **_: Any) -> RailOutcome:
        """Judge ``text``, or the newest bot message, together with the newest user message where there is one."""
        prompt = text_of(_newest("user_message", context))
        response = text_of(text if text is not None else _newest("bot_message", context))
        return outcome(await self.guard.check_response_async(prompt, response), self.guard)


def text_of(content: Any) -> str:
    """Give the text of a message: a string, or OpenAI's list of parts where all of them are text.

    Raises:
        TypeError: a part is a picture or anything else that these models cannot judge.
    """
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    if not all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in parts):
        raise TypeError("only text can be judged; this message has other parts, such as a picture")
    return "\n".join(part["text"] for part in parts)


def outcome(verdict: Verdict, guard: Guard) -> RailOutcome:
    """Tell NeMo what a verdict means; the metadata says what was found, and whether it was found at all.

    A text that could not be judged gives a failed block, or where the config says ``fail: open`` an allowed text whose
    metadata says ``undecided``.
    """
    metadata = {**verdict.as_dict(), "fail": guard.fail}
    if not guard.stops(verdict):
        return RailOutcome.allow(reason=verdict.reason, metadata=metadata)
    blocked = RailOutcome.block if verdict.decision == "block" else RailOutcome.failure
    return blocked(reason=verdict.reason, metadata=metadata)


def _newest(name: str, context: dict[str, Any] | None) -> Any:
    return (context or {}).get(name) or ""
