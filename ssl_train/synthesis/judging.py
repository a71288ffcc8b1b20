"""Label votes: several judge calls see every text, none of them the label it was written for."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ...classifier.tasks import LABELS, Task
from ..recipe import EndpointSettings
from .questions import Question, numbered, question
from .recipe import JudgeSettings
from .sample import Sample
from .templates import load


def judges(settings: JudgeSettings, endpoint: EndpointSettings) -> list[EndpointSettings]:
    """Give the endpoint of each judge call: the models take turns, and judge without chance.

    A temperature of null stays the model's own.
    """
    models = settings.models or [endpoint.model]
    cold = endpoint.temperature if endpoint.temperature is None else 0.0
    return [
        endpoint.model_copy(update={"model": models[number % len(models)], "temperature": cold})
        for number in range(settings.calls)
    ]


def ask_for_votes(
    samples: Sequence[Sample], number: int, batch: int, seed: int, policy: str, endpoint: EndpointSettings
) -> list[Question]:
    """Write the questions to judge ``number``: batches of ``batch`` texts, each in an order of the judge's own."""
    questions = []
    for start in range(0, len(samples), batch):
        part = list(samples[start : start + batch])
        random.Random(f"{seed} {number} {start}").shuffle(part)
        task: Task = "prompt" if part[0].exchange.response is None else "response"
        texts = numbered([_shown(sample) for sample in part])
        questions.append(question(load(f"judge_{task}"), texts, part, endpoint, policy=policy, judge=number))
    return questions


def read_votes(asked: Question, found: Mapping[str, object]) -> list[Sample]:
    """List the samples of an answer whose intended label the judge named."""
    return [
        sample
        for number, sample in enumerate(asked.sources, 1)
        if str(found.get(str(number))).strip().lower() == LABELS[sample.label]
    ]


def counted(samples: Sequence[Sample], agreed: Sequence[Sample], calls: int) -> list[Sample]:
    """Write on every sample how many of the judge calls named its intended label."""
    votes = Counter(sample.id for sample in agreed)
    return [replace(sample, agreeing=votes[sample.id], asked=calls) for sample in samples]


def outvoted(samples: Sequence[Sample], agree: int) -> list[str]:
    """Give the reason against each sample for whose label fewer than ``agree`` calls are; empty where there is none."""
    return [
        "" if (sample.agreeing or 0) >= agree else f"label: {sample.agreeing} of {sample.asked} judge calls agree"
        for sample in samples
    ]


def _shown(sample: Sample) -> str | dict[str, str]:
    prompt, response = sample.exchange
    return prompt if response is None else {"prompt": prompt, "response": response}
