"""Responses to samples: complying, half-way and refusing ones, all of them vague where the message is harmful.

Whether a response is harmful follows from its message and its kind. A harmless message is only complied with: two
harmless pairs for the two harmful ones of a harmful message, whose refusal is harmless.
"""

from collections.abc import Mapping, Sequence

from ...classifier.inputs import Exchange
from ..recipe import EndpointSettings
from .answers import texts_under
from .questions import Question, question
from .sample import Origin, Sample
from .templates import filled, identity, load

STYLES = {1: {"comply": 1, "halfway": 1, "refuse": 0}, 0: {"comply": 0}}
"""For each class of a message the kinds of response to it, and the class of each."""


def ask_for_responses(samples: Sequence[Sample], policy: str, endpoint: EndpointSettings) -> list[Question]:
    """Write a question for every message."""
    template = load("responses")
    kinds = {label: ", ".join(f'"{style}"' for style in styles) for label, styles in STYLES.items()}
    return [
        question(
            filled(template, styles=kinds[sample.label], category=sample.category),
            sample.exchange.prompt,
            [sample],
            endpoint,
            policy=policy,
        )
        for sample in samples
    ]


def read_responses(asked: Question, found: Mapping[str, object]) -> list[Sample]:
    """Give the pairs of an answer, one for each kind that was asked for."""
    (source,) = asked.sources
    origin = Origin("responses", identity(asked.template), asked.key.model, source.id)
    return [
        source.made(origin, Exchange(source.exchange.prompt, text), label)
        for style, label in STYLES[source.label].items()
        for text in texts_under(found, style, 1)
    ]
