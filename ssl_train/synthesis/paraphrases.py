"""Paraphrases of samples: the same message in other words, with the label that it had.

A call holds messages of one seed only, so that no text can take anything from another seed.
"""

from collections.abc import Mapping, Sequence

from ...classifier.inputs import Exchange
from ..recipe import EndpointSettings
from .answers import texts_under
from .questions import Question, numbered, question
from .sample import Origin, Sample, by_seed
from .templates import identity, load


def ask_for_paraphrases(samples: Sequence[Sample], batch: int, endpoint: EndpointSettings) -> list[Question]:
    """Write questions with at most ``batch`` messages each."""
    template = load("paraphrases")
    return [
        question(
            template,
            numbered([sample.exchange.prompt for sample in group[start : start + batch]]),
            group[start : start + batch],
            endpoint,
        )
        for group in by_seed(samples).values()
        for start in range(0, len(group), batch)
    ]


def read_paraphrases(asked: Question, found: Mapping[str, object]) -> list[Sample]:
    """Give the paraphrases of an answer, one a message; numbers that were not asked about are left out."""
    return [
        source.made(
            Origin("paraphrases", identity(asked.template), asked.key.model, source.id), Exchange(text), source.label
        )
        for number, source in enumerate(asked.sources, 1)
        for text in texts_under(found, str(number), 1)
    ]
