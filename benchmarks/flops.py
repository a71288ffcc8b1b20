"""Floating-point operations of a FixMatch step's matrix products, of real tokens: padding is no useful work."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layers:
    """The trained layers of a BERT encoder: how many, and the widths of their states and feed-forward parts."""

    count: int
    hidden: int
    feed_forward: int

    def forward(self, tokens: int) -> int:
        """Count multiplications and additions of one text's forward pass.

        A layer multiplies each token by four square matrices and two of the feed-forward part, and each token with
        each other one twice: queries by keys, weights by values.
        """
        weights = 4 * self.hidden**2 + 2 * self.hidden * self.feed_forward
        return self.count * 2 * tokens * (weights + 2 * tokens * self.hidden)


def step_flops(layers: Layers, judged: Iterable[int], learnt: Iterable[int]) -> int:
    """Count a step's operations from the tokens of each text that is only judged and of each that is learnt from.

    A backward pass is twice a forward pass. Remembered states of frozen layers cost nothing; that the lowest trained
    layer above them needs no gradient of its input is not taken off, which is at most 3% of a step.
    """
    return sum(map(layers.forward, judged)) + 3 * sum(map(layers.forward, learnt))
