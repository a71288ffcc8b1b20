"""The most that all rounds can ask of the endpoints: what a person agrees to before any answer is there."""

import math
from collections.abc import Sequence

from ..augment.spending import Estimate, cost, tokens
from .attack import Seed
from .generators import Generator
from .generators.endpoint import EndpointWriter
from .recipe import HardenRecipe
from .seeds import draw

FRAME = 450
"""Tokens of a judge's instruction, roughly."""

VERDICT = 6
"""Tokens of a judge's word on one text."""


def most_calls(recipe: HardenRecipe, seeds: Sequence[Seed], generator: Generator, policy: int) -> Estimate:
    """Reckon the calls of all rounds and of the last attack, which only measures; ``policy`` is in tokens."""
    total = Estimate(0, 0, 0, 0.0, at_most=True)
    for number in range(1, recipe.rounds + 2):
        drawn = draw(seeds, recipe.seeds.a_round, f"{recipe.seed} {number}")
        if isinstance(generator, EndpointWriter):
            total += generator.estimate(drawn, recipe.generator.texts_a_seed)
        total += _judgements(recipe, drawn, policy)
    return total


def _judgements(recipe: HardenRecipe, seeds: Sequence[Seed], policy: int) -> Estimate:
    """Reckon what judging every text of a round takes."""
    judges, endpoint = recipe.judges, recipe.judges.endpoint
    if endpoint is None or recipe.generator.name == "none":
        return Estimate(0, 0, 0, 0.0)
    texts = recipe.generator.texts_a_seed * len(seeds)
    read = recipe.generator.texts_a_seed * sum(tokens(seed.text) for seed in seeds)
    calls = judges.calls * math.ceil(texts / judges.batch)
    incoming, outgoing = calls * (FRAME + policy) + judges.calls * read, judges.calls * texts * VERDICT
    return Estimate(calls, incoming, outgoing, cost(incoming, outgoing, endpoint), at_most=True)
