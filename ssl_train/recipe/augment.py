"""How a recipe's strong views are made, and what else the endpoint is asked."""

from pathlib import Path
from typing import Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from .endpoint import EndpointSettings
from .sections import Policy, Section

ComputedStrategy = Literal["identity", "eda"]

COMPUTED: tuple[ComputedStrategy, ...] = get_args(ComputedStrategy)
"""Strategies whose strong views are computed in every run, from the text and the seed alone, and not stored."""

LOCAL = (*COMPUTED, "backtranslation")
"""Strategies that need no endpoint."""


class EdaSettings(Section):
    """Easy Data Augmentation: ``variants`` forms of a text, in each of which a share of ``alpha`` words is changed."""

    alpha: float = Field(default=0.1, gt=0, le=1)
    variants: int = Field(default=4, ge=1, le=64)


class BacktranslationSettings(Section):
    """The MarianMT models, Hub ids or folders, that translate a text ``forward`` and its translation ``backward``."""

    forward: str = "Helsinki-NLP/opus-mt-en-de"
    backward: str = "Helsinki-NLP/opus-mt-de-en"


class QualitySettings(Section):
    """What a rewrite must stand beyond the checks that are always made.

    ``similarity_floor`` is the least cosine of the embeddings (embedded encoder) of a text and its rewrite; null
    measures none. With ``label_kept`` the endpoint is asked whether meaning and degree of harm are those of the text.
    """

    similarity_floor: float | None = Field(default=None, ge=-1, le=1)
    label_kept: bool = False


class AugmentSettings(Section):
    """How the strong views are made: ``variants`` rewrites of every text for each strategy, kept in ``cache``.

    A strategy is a template shipped with RailMatch or a ``.txt`` file of the user's (``{part}`` in its path stands for
    ``prompt`` or ``response``), or one that needs no endpoint: ``identity``, the text itself, ``eda``, or
    ``backtranslation``.
    ``fallback`` is what a text without any rewrite gets: itself, its EDA variants, or no place in the pool, unless it
    has a vote.

    With ``vote`` the endpoint is asked how harmful labelled and pool texts are by ``policy``: a text, or the path of a
    ``.txt`` or ``.md`` file. ``max_votes`` is how many pool texts may have a vote, asked or recorded (null: all); they
    are drawn at random, or are those of which a classifier trained on the labels alone is least certain.
    """

    strategy: list[str] = Field(default=["paraphrase", "restyle"], min_length=1)
    fallback: Literal["identity", "eda", "leave_out"] = "identity"
    eda: EdaSettings = EdaSettings()
    backtranslation: BacktranslationSettings = BacktranslationSettings()
    endpoint: EndpointSettings | None = None
    variants: int = Field(default=1, ge=1, le=16)
    quality: QualitySettings = QualitySettings()
    cache: str = ".railmatch/rewrites.sqlite"
    vote: bool = False
    policy: Policy | None = None
    max_votes: int | None = Field(default=None, ge=1)
    vote_choice: Literal["random", "uncertain"] = "random"

    @field_validator("strategy")
    @classmethod
    def _differ(cls, strategy: list[str]) -> list[str]:
        names = [Path(name).stem if name.endswith(".txt") else name for name in strategy]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"{', '.join(sorted(twice))}: a strategy (a file: its name without ending) may stand once")
        return strategy

    @model_validator(mode="after")
    def _has_a_judge(self) -> Self:
        if self.quality.label_kept and self.endpoint is None:
            raise ValueError("quality.label_kept asks an endpoint: set endpoint, or leave label_kept out")
        return self

    @property
    def asked(self) -> list[str]:
        """Name the strategies for which there are templates, and an endpoint is asked."""
        return [name for name in self.strategy if name not in LOCAL]
