"""The loop of a recipe's training, and what is made of its model."""

from typing import Literal

from pydantic import Field, field_validator

from .sections import Section


class TrainingSettings(Section):
    """The loop.

    Batches are examples a step. ``learning_rate`` is that of what stands above the encoder's layers; each layer, the
    top one too, learns ``layer_decay`` times as fast as what lies above it. ``head_learning_rate`` is that of the head
    (``learning_rate`` when left out). ``average`` is the decay of the averaged weights, which judge the weak views and
    become the model; 0 averages nothing. ``frozen_layers`` is how many of the lowest layers keep their weights, and
    with them the embeddings; null trains all. A ``dropout`` of null is the encoder's own. ``pseudo_labels_from`` is the
    step at which the unlabelled loss begins. ``max_length`` is the window in tokens.
    """

    steps: int = Field(default=1300, ge=1)
    labelled_batch: int = Field(default=16, ge=1)
    unlabelled_batch: int = Field(default=48, ge=1)
    learning_rate: float = Field(default=5e-5, gt=0)
    head_learning_rate: float | None = Field(default=None, gt=0)
    weight_decay: float = Field(default=5e-4, ge=0)
    layer_decay: float = Field(default=0.75, gt=0, le=1)
    frozen_layers: int | None = Field(default=None, ge=0)
    dropout: float | None = Field(default=None, ge=0, lt=1)
    clip_norm: float = Field(default=1.0, gt=0)
    warmup_steps: int = Field(default=0, ge=0)
    average: float = Field(default=0.0, ge=0, lt=1)
    pseudo_labels_from: int = Field(default=0, ge=0)
    max_length: int = Field(default=256, ge=16)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    checkpoint_every: int = Field(default=200, ge=1)


class CalibrationSettings(Section):
    """The threshold is set at ``target_fpr`` on labels held back in ``folds`` rounds of cross-validation.

    Training is done ``folds + 1`` times. With 0 folds nothing is held back, and the threshold stays at 0.5.
    """

    target_fpr: float = Field(default=0.05, gt=0, lt=1)
    folds: int = Field(default=4, ge=0, le=20)

    @field_validator("folds")
    @classmethod
    def _not_one(cls, folds: int) -> int:
        if folds == 1:
            raise ValueError("must be 0 (no calibration) or at least 2")
        return folds


class ReportSettings(Section):
    """What the model folder keeps for the report; ``texts`` are those of up to 20 mistakes on labelled examples."""

    texts: bool = True


class ExportSettings(Section):
    """What the model folder holds beside the weights; ``int8`` is the form that CPUs judge with."""

    int8: bool = True
