"""A training recipe: ``train.yml`` as one frozen, strict model; every setting is refused before anything is loaded."""

from typing import Self

from pydantic import Field, model_validator

from ...classifier.tasks import Task
from .augment import AugmentSettings
from .data import DataSettings
from .method import MethodSettings
from .sections import Section
from .training import CalibrationSettings, ExportSettings, ReportSettings, TrainingSettings


class Recipe(Section):
    """Everything a training run depends on."""

    task: Task
    seed: int = Field(default=0, ge=0, lt=2**31)
    encoder: str = "minilm"
    data: DataSettings
    augment: AugmentSettings = AugmentSettings()
    method: MethodSettings = MethodSettings()
    training: TrainingSettings = TrainingSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    report: ReportSettings = ReportSettings()
    export: ExportSettings = ExportSettings()

    @model_validator(mode="after")
    def _needs_a_pool(self) -> Self:
        if self.method.name != "supervised" and self.data.unlabelled is None:
            raise ValueError(
                f"method.name is {self.method.name!r}, which learns from unlabelled texts: set data.unlabelled, "
                "or method.name to supervised"
            )
        return self

    @property
    def votes_wanted(self) -> bool:
        """Whether votes are to be learnt from, recorded or asked for."""
        return self.method.name != "supervised" and (self.augment.vote or self.data.votes is not None)

    @model_validator(mode="after")
    def _has_a_teacher(self) -> Self:
        if self.method.lambda_s == 0 and not self.votes_wanted:
            raise ValueError(
                "method.lambda_s is 0, so that the labels teach nothing, and there are no votes to learn from instead: "
                "set method.lambda_s above 0, or name votes in data.votes (with a method that uses the pool)"
            )
        return self

    @model_validator(mode="after")
    def _uses_its_prior(self) -> Self:
        prior = self.method.class_prior
        if prior is not None and not (self.method.alignment or self.votes_wanted):
            raise ValueError(
                f"method.class_prior is {prior:g}, which nothing uses: set method.alignment to true, ask for votes, or "
                "leave it out"
            )
        return self

    @model_validator(mode="after")
    def _has_votes_to_choose_from(self) -> Self:
        augment = self.augment
        if augment.vote and augment.endpoint is None and self.data.votes is None:
            raise ValueError(
                "augment.vote is true, but there is nobody to ask: set augment.endpoint, name recorded votes in "
                "data.votes, or leave augment.vote out"
            )
        if augment.max_votes is not None and not augment.vote and self.data.votes is None:
            raise ValueError(
                f"augment.max_votes is {augment.max_votes}, but there are no votes: set augment.vote to true, name "
                "recorded votes in data.votes, or leave augment.max_votes out"
            )
        return self
