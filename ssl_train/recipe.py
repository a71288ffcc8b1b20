"""A training recipe: ``train.yml`` as one frozen, strict model; every setting is refused before anything is loaded."""

from pathlib import Path
from typing import Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ..classifier.tasks import Task


class Section(BaseModel):
    """Base of every section: unknown keys and wrong types are errors, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class FieldNames(Section):
    """Under which names a data set holds the fields that RailMatch needs."""

    id: str = "id"
    prompt: str = "prompt"
    response: str = "response"
    label: str = "label"


class FileSource(Section):
    """A file (JSONL, CSV or Parquet) whose fields carry other names."""

    file: str
    fields: FieldNames = FieldNames()


class HubSource(Section):
    """A data set of the Hugging Face Hub, or a folder that ``datasets`` can load."""

    hub: str
    name: str | None = None
    split: str = "train"
    fields: FieldNames = FieldNames()


Source = str | FileSource | HubSource
Sources = Source | list[Source]


class DataSettings(Section):
    """Where the examples come from. Paths may hold ``{task}``; they start at the current folder, else at the recipe's.

    ``labels`` examples are drawn class-balanced by the seed; all are used when it is left out.
    ``rewrites`` are recorded rewrites ``{"id", "rewrites": [...]}``, one a strategy.
    ``votes`` are recorded judgements of the endpoint, ``{"id", "vote": 0..4}``.
    ``test`` is read only after training.
    """

    labelled: Sources
    labels: int | None = Field(default=None, ge=4)
    unlabelled: Sources | None = None
    rewrites: str | None = None
    votes: str | None = None
    test: Sources | None = None


class BudgetSettings(Section):
    """What a model may take in all runs on one cache: answered calls, tokens in and out, and cost by the prices.

    No further call is begun where it would pass a limit; what is missing then stays missing. Null is no limit.
    """

    max_calls: int | None = Field(default=None, ge=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_cost: float | None = Field(default=None, gt=0)


class EndpointSettings(Section):
    """An OpenAI-compatible chat-completions endpoint; the key is read from the environment variable named here.

    ``max_concurrency`` is the most calls in flight; there are fewer while the endpoint cannot keep up.
    ``max_retries`` is how often one call is tried again; ``backoff_s`` the first wait, which doubles each time, unless
    the server names one. ``timeout_s`` is for a whole call. A ``temperature`` or ``top_p`` of null is the model's own.
    Prices are in any currency per million tokens; with them, estimates and reports name a cost. Calls that cost no more
    than ``ask_above`` are made without asking; null always asks.
    """

    base_url: str | None = None
    model: str
    api_key_env: str = "OPENAI_API_KEY"
    max_concurrency: int = Field(default=32, ge=1, le=1024)
    timeout_s: float = Field(default=60.0, gt=0)
    max_retries: int = Field(default=6, ge=0)
    backoff_s: float = Field(default=0.5, ge=0)
    temperature: float | None = Field(default=0.7, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int = Field(default=1024, ge=16)
    price_input: float | None = Field(default=None, ge=0)
    price_output: float | None = Field(default=None, ge=0)
    budget: BudgetSettings = BudgetSettings()
    ask_above: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _has_prices_for_amounts(self) -> Self:
        named = {"budget.max_cost": self.budget.max_cost, "ask_above": self.ask_above}
        amounts = [name for name, amount in named.items() if amount is not None]
        if amounts and (self.price_input is None or self.price_output is None):
            raise ValueError(f"{amounts[0]} is an amount of money: set price_input and price_output, too")
        return self

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, base_url: str | None) -> str | None:
        if base_url is None:
            return None
        address = urlsplit(base_url)
        if address.scheme not in ("http", "https") or not address.hostname or address.port == 0:
            raise ValueError("must be a whole address, such as http://localhost:8000/v1")
        return base_url


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
    policy: str | None = None
    max_votes: int | None = Field(default=None, ge=1)
    vote_choice: Literal["random", "uncertain"] = "random"

    @field_validator("strategy")
    @classmethod
    def _differ(cls, strategy: list[str]) -> list[str]:
        names = [Path(name).stem if name.endswith(".txt") else name for name in strategy]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"{', '.join(sorted(twice))}: a strategy (a file: its name without ending) may stand once")
        return strategy

    @field_validator("policy")
    @classmethod
    def _says_something(cls, policy: str | None) -> str | None:
        if policy is not None and not policy.strip():
            raise ValueError("must say what counts as harmful, or name a .txt or .md file that does")
        return policy

    @property
    def asked(self) -> list[str]:
        """Name the strategies for which there are templates, and an endpoint is asked."""
        return [name for name in self.strategy if name not in LOCAL]


class MethodSettings(Section):
    """The training method, its confidence threshold in [0, 1] and the weights of its labelled and unlabelled losses.

    ``gamma`` is MarginMatch's least average pseudo-margin, in logits, or ``virtual``: found by a class that no text is
    of, as published. ``heads`` is how many MultiMatch has, which adapts its thresholds and reads neither ``threshold``
    nor ``gamma``.
    FixMatch's ``thresholds`` are one ``fixed`` for all, lower for the class that is chosen less often (``flexmatch``),
    or found from the predictions (``freematch``, which does not read ``threshold``).
    The weight of the unlabelled loss rises to ``lambda_u`` in ``ramp_steps`` steps from its beginning.
    ``targets`` are the predicted labels (``hard``) or their probabilities (``soft``).
    ``rewrites`` says whether ``one`` of a text's is drawn in a step or ``all`` are held to its target.
    With ``alignment`` the pool's predictions are held to the classes' shares among the labels or, where it is known,
    to ``class_prior``, the share of harmful texts in the pool.
    ``vote_trust`` is the factor of the network's own log odds beside those of a vote, where ``data.votes`` has one.
    """

    name: Literal["supervised", "fixmatch", "marginmatch", "multimatch"] = "fixmatch"
    threshold: float = Field(default=0.95, ge=0, le=1)
    thresholds: Literal["fixed", "flexmatch", "freematch"] = "fixed"
    gamma: Literal["virtual"] | float = "virtual"
    heads: int = Field(default=3, ge=3, le=15)
    lambda_s: float = Field(default=1.0, ge=0)
    lambda_u: float = Field(default=1.0, ge=0)
    ramp_steps: int = Field(default=0, ge=0)
    targets: Literal["hard", "soft"] = "hard"
    rewrites: Literal["one", "all"] = "one"
    alignment: bool = False
    class_prior: float | None = Field(default=None, gt=0, lt=1)
    vote_trust: float = Field(default=0.5, ge=0)

    @field_validator("heads")
    @classmethod
    def _is_odd(cls, heads: int) -> int:
        if heads % 2 == 0:
            raise ValueError("must be odd, as 3 (the published number) is")
        return heads

    @model_validator(mode="after")
    def _uses_its_thresholds(self) -> Self:
        if self.thresholds != "fixed" and self.name != "fixmatch":
            raise ValueError(
                f"thresholds is {self.thresholds!r}, which {self.name} does not use: set name to fixmatch, or leave "
                "thresholds out"
            )
        return self

    @model_validator(mode="after")
    def _uses_its_prior(self) -> Self:
        if self.class_prior is not None and not self.alignment:
            raise ValueError(
                f"class_prior is {self.class_prior:g}, which nothing uses: set alignment to true, or leave it out"
            )
        return self


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

    With 0 folds nothing is held back, training is ``folds + 1`` times shorter, and the threshold stays at 0.5.
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

    @model_validator(mode="after")
    def _has_a_teacher(self) -> Self:
        voted = self.data.votes is not None or self.augment.vote
        if self.method.lambda_s == 0 and (self.method.name == "supervised" or not voted):
            raise ValueError(
                "method.lambda_s is 0, so that the labels teach nothing, and there are no votes to learn from instead: "
                "set method.lambda_s above 0, or name votes in data.votes (with a method that uses the pool)"
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
