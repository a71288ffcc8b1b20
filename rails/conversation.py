"""Who said what, read from the events that NeMo Guardrails gives an action, in Colang 1 and Colang 2."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

_USER = "UtteranceUserActionFinished"
_BOT = ("StartUtteranceBotAction", "BotToolCalls")


class Turn(NamedTuple):
    """One message; ``content`` is a string or a list of parts, and None where the bot only called tools."""

    role: Literal["user", "bot"]
    content: Any


def turns(events: Sequence[Any] | None) -> list[Turn]:
    """List the messages among events, which are mappings or, in Colang 2, objects with a name and arguments."""
    found = []
    for event in events or ():
        mapping = isinstance(event, Mapping)
        kind = event.get("type") if mapping else getattr(event, "name", None)
        values = event if mapping else getattr(event, "arguments", {})
        if kind == _USER:
            found.append(Turn("user", values.get("final_transcript")))
        elif kind in _BOT:
            found.append(Turn("bot", values.get("script")))
    return found


def unanswered(conversation: Sequence[Turn]) -> list[Any]:
    """Give what the user wrote since the bot last answered, the newest message last.

    NeMo runs the input rails for the last message only; those before it reach the main LLM with it. Whatever is older
    was checked when it was the newest, or refused, and an answer or a refusal follows it.
    """
    contents: list[Any] = []
    for turn in reversed(conversation):
        if turn.role == "bot":
            break
        contents.insert(0, turn.content)
    return contents


def asked_so_far(conversation: Sequence[Turn], limit: int) -> list[Any]:
    """Give the user's newest ``limit`` messages and those before the newest that are unanswered, in their order.

    The bot's answers are left out: its own rails check them, and between the parts of a request that is spread over
    turns they would push them into different windows.
    """
    asked = [turn.content for turn in conversation if turn.role == "user"]
    return asked[-max(limit, len(unanswered(conversation))) :]
