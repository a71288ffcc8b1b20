"""The training method of a recipe."""

from typing import Literal

from pydantic import Field, field_validator

from .sections import Section


class MethodSettings(Section):
    """The training method, its confidence threshold in [0, 1] and the weights of its labelled and unlabelled losses.

    ``gamma`` is MarginMatch's least average pseudo-margin, in logits, or ``virtual``: found by a class that no text is
    of, as published. ``heads`` is how many MultiMatch has, which adapts its thresholds and reads neither ``threshold``
    nor ``gamma``.
    With ``alignment`` the pool's predictions are held to the classes' shares among the labels or, where it is known,
    to ``class_prior``, the share of harmful texts in the pool. Texts with a vote are left out of that, but with
    ``class_prior``, which needs no ``alignment`` then, votes are weighed for a pool of that share, not of the labels'.
    ``vote_trust`` is the factor of the network's own log odds beside those of a text's vote, recorded or asked.
    """

    name: Literal["supervised", "fixmatch", "marginmatch", "multimatch"] = "fixmatch"
    threshold: float = Field(default=0.95, ge=0, le=1)
    gamma: Literal["virtual"] | float = "virtual"
    heads: int = Field(default=3, ge=3, le=15)
    lambda_s: float = Field(default=1.0, ge=0)
    lambda_u: float = Field(default=1.0, ge=0)
    alignment: bool = False
    class_prior: float | None = Field(default=None, gt=0, lt=1)
    vote_trust: float = Field(default=0.0, ge=0, le=1)

    @field_validator("heads")
    @classmethod
    def _is_odd(cls, heads: int) -> int:
        if heads % 2 == 0:
            raise ValueError("must be odd, as 3 (the published number) is")
        return heads
