"""What every semi-supervised method here is: a rule that turns the weak views' logits into weighted targets."""

from dataclasses import dataclass
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True, slots=True)
class PseudoLabels:
    """What a method wants of the strong views.

    targets: class probabilities, shape (texts, heads, classes), without gradient.
    weights: how much each target counts, at least 0, shape (texts, heads); a text with zeros needs no forward pass.
    """

    targets: Tensor
    weights: Tensor

    def __post_init__(self) -> None:
        """Refuse shapes that do not fit each other.

        Raises:
            ValueError: the weights' shape is not that of the targets without the classes.
        """
        if self.targets.shape[:-1] != self.weights.shape:
            raise ValueError(f"targets {tuple(self.targets.shape)} and weights {tuple(self.weights.shape)} do not fit")


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a method finds out by passing over the pool; a training that ends before is one by another method.

    passes: how many times every text of the pool has to be dealt.
    lacking: what the method does until then, to go on from "the method", with the passes in words.
    cure: a way out besides a longer training.
    """

    passes: int
    lacking: str
    cure: str


class Method(Protocol):
    """A semi-supervised method: a module, so that its state is saved with a checkpoint."""

    heads: int
    """How many heads the network needs."""
    classes: int
    """Logits of each head: ``LABELS``, and after them those of classes that only training knows."""

    @property
    def beginning(self) -> Beginning | None:
        """What has to be found out first, if anything."""
        ...

    def pseudo_labels(self, weak: Tensor, *, index: Tensor, epoch: int) -> PseudoLabels:
        """Turn logits of the weak views into weighted targets for the strong views.

        Args:
            weak: logits, shape (texts, heads, classes), without gradient.
            index: position of each text in the pool, int64 of shape (texts,).
            epoch: how many times the whole pool has been visited before, from 0.
        """
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """Give the state that a checkpoint needs."""
        ...

    def load_state_dict(self, state: dict[str, Tensor]) -> object:
        """Take the state of a checkpoint back."""
        ...


def supervised_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum of the cross-entropies of the labelled views over examples and heads; the caller divides by the examples.

    Shape:
        logits: (examples, heads, classes). labels: int64 (examples,). Returns a scalar in nats.
    """
    repeated = labels.repeat_interleave(logits.shape[1])
    return F.cross_entropy(logits.flatten(0, 1), repeated, reduction="sum")


def consistency_loss(strong: Tensor, pseudo: PseudoLabels) -> Tensor:
    """Sum over texts, mean over heads, of the weighted cross-entropies of the strong views against their targets.

    Shape:
        strong: logits (texts, heads, classes). Returns a scalar in nats; the caller divides by the whole batch, so that
        a text that was left out counts as zero.
    """
    per_head = -(pseudo.targets * strong.log_softmax(dim=-1)).sum(dim=-1)
    return (pseudo.weights * per_head).mean(dim=1).sum()
