"""The most that the steps to come can ask for: what an estimate can promise before any answer is there."""

import math

from ..augment.spending import Estimate, cost
from .recipe import SynthesisRecipe

FRAME = 450
"""Tokens of a template, roughly."""

VERDICT = 6
"""Tokens of a judge's word on one text."""


def most_after(recipe: SynthesisRecipe, step: str, texts: int, seeds: int, text_tokens: int, policy: int) -> Estimate:
    """Reckon what is asked after the questions of ``step`` that make at most ``texts`` texts from ``seeds`` seeds.

    ``text_tokens`` is the mean length of a text, ``policy`` that of the policy, in tokens.
    """
    calls = incoming = outgoing = 0

    def add(count: int, each_in: int, each_out: int) -> None:
        nonlocal calls, incoming, outgoing
        calls, incoming, outgoing = calls + count, incoming + count * each_in, outgoing + count * each_out

    def judge(count: int) -> None:
        batch = min(recipe.judges.batch, count)
        rounds = math.ceil(count / batch) if count else 0
        add(rounds * recipe.judges.calls, FRAME + policy + batch * text_tokens, batch * VERDICT)

    judge(texts)
    if step == "queries" and recipe.paraphrases.enabled:
        a_seed = math.ceil(texts / seeds / recipe.paraphrases.batch) if seeds else 0
        add(seeds * a_seed, FRAME + texts // max(1, seeds) * text_tokens, texts // max(1, seeds) * text_tokens)
        judge(texts)
        texts *= 2
    if step != "responses" and recipe.task == "response":
        add(texts, FRAME + policy + text_tokens, 4 * text_tokens)
        judge(2 * texts)
    return Estimate(calls, incoming, outgoing, cost(incoming, outgoing, recipe.endpoint), at_most=True)
