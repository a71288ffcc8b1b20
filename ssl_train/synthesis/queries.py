"""Query augmentation: from one seed new harmful messages, and as many benign look-alikes.

A call shows one seed only, so that what came from it can be told, and withdrawn, exactly.
"""

from collections.abc import Mapping, Sequence

from ...classifier.inputs import Exchange
from ...classifier.tasks import LABELS
from ..recipe import EndpointSettings
from .answers import texts_under
from .questions import Question, question
from .sample import Origin, Sample
from .templates import filled, identity, load


def ask_for_queries(seeds: Sequence[Sample], per_seed: int, policy: str, endpoint: EndpointSettings) -> list[Question]:
    """Write a question for every seed."""
    template = load("queries")
    return [
        question(
            filled(template, count=str(per_seed), category=seed.category),
            seed.exchange.prompt,
            [seed],
            endpoint,
            policy=policy,
        )
        for seed in seeds
    ]


def read_queries(asked: Question, found: Mapping[str, object], per_seed: int) -> list[Sample]:
    """Give the new messages of an answer: at most ``per_seed`` of each class."""
    (seed,) = asked.sources
    origin = Origin("queries", identity(asked.template), asked.key.model, seed.id)
    return [
        seed.made(origin, Exchange(text), label)
        for label, name in enumerate(LABELS)
        for text in texts_under(found, name, per_seed)
    ]
