"""One call of the pipeline: what is sent, where its answer is kept, and which samples it is about."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ..augment.cache import Key, text_hash
from ..augment.endpoint import Reply
from ..augment.quality import Status
from ..augment.template import Template
from ..recipe import EndpointSettings
from .answers import judge_object
from .sample import Sample
from .templates import identity


@dataclass(frozen=True, slots=True)
class Question:
    """A call that asks for a JSON object; ``sources`` are the samples in it, which the answer numbers from 1."""

    template: Template
    text: str
    sources: tuple[Sample, ...]
    key: Key
    policy: str | None = None

    def messages(self) -> list[dict[str, str]]:
        """Write the chat messages that ask."""
        return self.template.messages(self.text, policy=self.policy)

    def judge(self, reply: Reply) -> tuple[Status, str]:
        """Say what became of the answer, and give its JSON object."""
        return judge_object(reply)


def question(
    template: Template,
    text: str,
    sources: Sequence[Sample],
    endpoint: EndpointSettings,
    *,
    policy: str | None = None,
    judge: int | None = None,
) -> Question:
    """Write a question to the model of ``endpoint``; the same one to two judges has a place in the cache for each."""
    sent = json.dumps(template.messages(text, policy=policy), ensure_ascii=False)
    sampling = f"temperature={endpoint.temperature} top_p={endpoint.top_p} max_tokens={endpoint.max_tokens}"
    numbered = sampling if judge is None else f"{sampling} judge={judge}"
    key = Key(text_hash(sent), identity(template), endpoint.model, numbered)
    return Question(template, text, tuple(sources), key, policy)


def numbered(texts: Sequence[object]) -> str:
    """Write texts, or pairs, as one JSON object from their numbers, as the instructions announce it."""
    lines = (
        f"{json.dumps(str(number))}: {json.dumps(text, ensure_ascii=False)}" for number, text in enumerate(texts, 1)
    )
    return "{\n" + ",\n".join(lines) + "\n}"
