"""The actions that flows call: each gathers what is to be judged and asks the Guard."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Literal

from nemoguardrails.actions import action
from nemoguardrails.actions.rail_outcome import RailOutcome

from ..classifier.tasks import LABELS
from .conversation import asked_so_far, turns, unanswered
from .guard import Guard
from .in_use import ACTIONS
from .verdict import Verdict

Source = Literal["user", "retrieval", "tool"]
"""Where a text that is judged as a prompt comes from."""

HARMFUL = LABELS[1]

_VARIABLES: dict[Source, str] = {"user": "user_message", "retrieval": "relevant_chunks", "tool": "tool_message"}
"""The context variable that holds it."""


class GuardActions:
    """The actions of one guardrails config, bound to its guard.

    NeMo passes more than it is asked for while it streams, hence ``**_``. An exception is not caught: NeMo then blocks.
    Flows hand over what is to be judged: while NeMo streams, a context message that a client sends replaces variables
    of the context, and would have another text judged than the one that is shown.
    """

    def __init__(self, guard: Guard, *, context_turns: int = 0) -> None:
        """Take the guard that judges, and how many of the user's earlier messages are judged with the newest."""
        self.guard = guard
        self.context_turns = context_turns

    @action(name=ACTIONS["prompt"])  # type: ignore[untyped-decorator]  # NeMo Guardrails ships no types
    async def check_input(
        self,
        text: Any = None,
        context: dict[str, Any] | None = None,
        events: Sequence[Any] | None = None,
        source: Source = "user",
        **_: Any,
    ) -> RailOutcome:
        """Judge ``text``, or what the context holds of its ``source``.

        A user's message is judged with those before it that nobody answered, any other text by itself.
        """
        newest = text_of(_given(text, _VARIABLES[source], context))
        asked = [("text", newest), *(self._before(newest, events) if source == "user" else ())]
        if len(asked) == 1:  # nearly always, and awaiting one needs no task
            verdicts = [await self.guard.check_prompt_async(newest)]
        else:
            verdicts = await asyncio.gather(*(self.guard.check_prompt_async(one) for _, one in asked))
        worst = max(range(len(asked)), key=lambda number: (*verdicts[number].severity, -number))
        return outcome(verdicts[worst], self.guard, source=source, part=asked[worst][0], texts=len(asked))

    @action(name=ACTIONS["response"])  # type: ignore[untyped-decorator]  # NeMo Guardrails ships no types
    async def check_output(
        self, text: Any = None, prompt: Any = None, context: dict[str, Any] | None = None, **_: Any
    ) -> RailOutcome:
        """Judge ``text``, or the newest bot message, together with ``prompt``, or the newest user message if any."""
        asked = text_of(_given(prompt, "user_message", context))
        response = text_of(_given(text, "bot_message", context))
        return outcome(await self.guard.check_response_async(asked, response), self.guard)

    def _before(self, newest: str, events: Sequence[Any] | None) -> Iterator[tuple[str, str]]:
        """Yield the user's unanswered earlier messages, and the conversation as one text where that is wanted."""
        conversation = turns(events)
        for content in unanswered(conversation)[:-1]:
            yield "earlier message", text_of(content)
        if self.context_turns:
            together = _texts_among(asked_so_far(conversation, self.context_turns + 1)[:-1])
            if together:
                yield "conversation", "\n".join([*together, newest])


def text_of(content: Any) -> str:
    """Give the text of a message: a string, or OpenAI's list of parts where all of them are text.

    Raises:
        TypeError: a part is a picture or anything else that these models cannot judge.
    """
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    if not all(map(_is_text, parts)):
        raise TypeError("only text can be judged; this message has other parts, such as a picture")
    return "\n".join(part["text"] for part in parts)


def _is_text(part: Any) -> bool:
    """Tell whether a part is text and nothing else; a picture may carry a text beside it."""
    return (
        isinstance(part, dict)
        and isinstance(part.get("text"), str)
        and part.get("type", "text") in {"text", "input_text"}
    )


def _texts_among(contents: Sequence[Any]) -> list[str]:
    """Give the messages that are text; a picture that was refused once must not refuse what follows it."""
    texts = []
    for content in contents:
        with suppress(TypeError):
            texts.append(text_of(content))
    return texts


def outcome(verdict: Verdict, guard: Guard, **about: Any) -> RailOutcome:
    """Tell NeMo what a verdict means; the metadata says what was found, and whether it was found at all.

    The category is ``harmful`` or, where nothing was found, None: the models know no finer ones. A text that could not
    be judged gives a failed block, or where the config says ``fail: open`` an allowed text whose metadata says
    ``undecided``.
    """
    category = HARMFUL if verdict.decision == "block" else None
    metadata = {**verdict.as_dict(), "category": category, "fail": guard.fail, **about}
    if not guard.stops(verdict):
        return RailOutcome.allow(reason=verdict.reason, metadata=metadata)
    blocked = RailOutcome.block if verdict.decision == "block" else RailOutcome.failure
    return blocked(reason=verdict.reason, metadata=metadata)


def _given(text: Any, variable: str, context: dict[str, Any] | None) -> Any:
    """Give ``text``, or the context's variable where none was given; NeMo gives the name of one that is not set."""
    if text is None or text == f"${variable}":
        text = (context or {}).get(variable)
    return text or ""
