"""A hardening recipe: ``harden.yml`` as one frozen, strict model, refused before anything is loaded or asked."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from ...classifier.tasks import Task
from ..recipe import EndpointSettings, Policy, Section, Sources

GeneratorName = Literal["rl", "best_of_n", "endpoint", "none"]

CAUSAL = ("rl", "best_of_n")
"""Generators that sample a causal language model of the user's."""

ADAPTERS_RATE, WEIGHTS_RATE = 5e-5, 5e-6
"""Learning rates of GRPO: what trl's guide names for adapters of a 0.6B model, and a tenth of it, as it advises."""

MOST_VARIANTS = 16
"""So many variants of a text an endpoint is asked for."""


def _ascending(bounds: list[float]) -> list[float]:
    if len(bounds) != 2 or bounds[0] >= bounds[1]:
        raise ValueError("must be two numbers, the lower one first")
    return bounds


Bounds = Annotated[list[float], AfterValidator(_ascending)]


class SeedSettings(Section):
    """Labelled examples that attacks start from; those of the training recipe where ``source`` is left out.

    ``category`` is the field that names a text's category; texts without one are of the category "". In a round there
    are as many harmful as unharmful seeds, at most ``a_round`` in all (null: as many as there are).
    """

    source: Sources | None = None
    category: str = "category"
    a_round: int | None = Field(default=None, ge=2)


class RlSettings(Section):
    """GRPO: ``learning_share`` of a round's texts are written to learn from, ``group`` of a seed at a time.

    ``batch`` is groups a step; ``beta`` weighs the KL divergence from the model as it was, ``entropy`` the entropy of
    what it writes, a gain. With ``lora`` only low-rank adapters of rank ``lora_rank`` learn. A ``learning_rate`` of
    null is ``ADAPTERS_RATE`` for them and ``WEIGHTS_RATE`` for whole weights.
    """

    learning_share: float = Field(default=0.75, gt=0, lt=1)
    group: int = Field(default=8, ge=2)
    batch: int = Field(default=4, ge=1)
    learning_rate: float | None = Field(default=None, gt=0)
    beta: float = Field(default=0.02, ge=0)
    entropy: float = Field(default=0.01, ge=0)
    lora: bool = True
    lora_rank: int = Field(default=16, ge=1)

    @property
    def rate(self) -> float:
        """Give the learning rate: its own, else the usual one of what learns."""
        return self.learning_rate or (ADAPTERS_RATE if self.lora else WEIGHTS_RATE)


class GeneratorSettings(Section):
    """Who writes the attacks, ``texts_a_seed`` for each seed of a round: the same budget for every generator.

    ``rl`` and ``best_of_n`` sample ``model``, a folder or Hub id of a causal language model, in batches of ``batch``
    texts; ``template`` says whether it is asked in its ``chat`` template or in ``plain`` text. ``endpoint`` is asked
    for variants, after those that stand in the file ``recorded``. ``instructions`` is the path of your own in place of
    the shipped ones, with ``{label}`` for ``harmful`` and ``unharmful``.
    """

    name: GeneratorName
    model: str | None = None
    texts_a_seed: int = Field(default=8, ge=1, le=1024)
    template: Literal["chat", "plain"] = "chat"
    instructions: str | None = None
    temperature: float = Field(default=1.0, gt=0, le=2)
    top_p: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int = Field(default=256, ge=8)
    batch: int = Field(default=64, ge=1)
    endpoint: EndpointSettings | None = None
    recorded: str | None = None
    rl: RlSettings = RlSettings()

    @property
    def texts_to_learn(self) -> int:
        """Say how many of the texts of a seed are written to learn from; one at least is left to be harvested."""
        if self.name != "rl":
            return 0
        return min(max(1, round(self.texts_a_seed * self.rl.learning_share)), self.texts_a_seed - 1)

    @model_validator(mode="after")
    def _has_what_writes(self) -> Self:
        if self.name in CAUSAL and self.model is None:
            raise ValueError(f"name is {self.name!r}, which samples a language model: name one in model")
        if self.name == "rl" and self.texts_a_seed < 2:
            raise ValueError(
                "texts_a_seed is 1, but name is 'rl', which writes texts to learn from and others to harvest: set it "
                "to at least 2"
            )
        if self.name == "endpoint" and self.endpoint is None and self.recorded is None:
            raise ValueError("name is 'endpoint', but there is nobody to ask: set endpoint, or name a file in recorded")
        if self.name == "endpoint" and self.endpoint and self.texts_a_seed > MOST_VARIANTS:
            raise ValueError(
                f"texts_a_seed is {self.texts_a_seed}, but an endpoint is asked for at most {MOST_VARIANTS} variants "
                "of a text: lower it"
            )
        return self


class ClassifierJudge(Section):
    """Another classifier: a RailMatch model folder, or any text-classification model of the Hub's kind.

    ``harmful`` are the labels that mean harmful, which only a model that is not RailMatch's needs; such a model finds a
    text harmful where their probabilities together reach ``threshold``.
    """

    model: str
    harmful: list[str] = Field(default=[])
    threshold: float = Field(default=0.5, gt=0, lt=1)


class JudgeSettings(Section):
    """Who must agree that an attack still is what its seed is; none of them is the classifier under attack.

    ``endpoint`` is asked ``calls`` times, ``batch`` texts a call, by ``models`` (its own if left out) and ``policy``.
    ``classifiers`` have a vote each. ``agree`` of all votes, or ``all``, must find the seed's label.
    """

    endpoint: EndpointSettings | None = None
    models: list[str] = Field(default=[])
    calls: int = Field(default=1, ge=1, le=15)
    batch: int = Field(default=20, ge=1, le=100)
    policy: Policy | None = None
    classifiers: list[ClassifierJudge] = Field(default=[])
    agree: Literal["all"] | int = "all"

    @property
    def votes(self) -> int:
        """Count the votes on a text."""
        return len(self.classifiers) + (self.calls if self.endpoint else 0)

    @property
    def needed(self) -> int:
        """Say how many votes must find the seed's label."""
        return self.votes if self.agree == "all" else self.agree

    @model_validator(mode="after")
    def _can_agree(self) -> Self:
        if self.agree != "all" and not 1 <= self.agree <= self.votes:
            raise ValueError(f"agree is {self.agree}, but there are {self.votes} votes: set it from 1 to {self.votes}")
        if len(self.models) > self.calls:
            raise ValueError(f"{len(self.models)} models for {self.calls} calls: set calls to at least their number")
        return self


class GateSettings(Section):
    """What an attack must be: near its seed in meaning (``cosine``) and ``length``, and fluent.

    ``length`` is in lengths of the seed. ``fluency`` is the share of your own texts that would not pass as fluent.
    """

    cosine: Bounds = Field(default=[0.5, 0.95])
    length: Bounds = Field(default=[0.5, 2.0])
    fluency: float = Field(default=0.1, ge=0, lt=0.5)


class ShapingSettings(Section):
    """Weights of what is added to the reward beside gate x fool.

    ``faithfulness`` is won or lost by the judges' agreement; the others are lost: by likeness to the ``group``, to the
    ``nearest`` texts of the ``archive``, by ``gibberish``, and by ``format``, words around the text.
    """

    faithfulness: float = Field(default=0.5, ge=0)
    group: float = Field(default=0.25, ge=0)
    archive: float = Field(default=0.25, ge=0)
    nearest: int = Field(default=5, ge=1)
    gibberish: float = Field(default=0.25, ge=0)
    format: float = Field(default=0.1, ge=0)


class HarvestSettings(Section):
    """What is kept of a round: at most ``accepted`` texts, ``a_seed`` and ``a_category`` (of a class) at most.

    ``near_copy`` is the Jaccard similarity of three-word shingles, and ``same_meaning`` the cosine of embeddings, from
    which two attacks count as one.
    """

    accepted: int = Field(default=200, ge=2)
    a_seed: int = Field(default=2, ge=1)
    a_category: int = Field(default=50, ge=1)
    near_copy: float = Field(default=0.7, gt=0, le=1)
    same_meaning: float = Field(default=0.9, gt=0, le=1)


class FineTuneSettings(Section):
    """How the classifier learns from a round, where it differs from the training recipe: a shorter, gentler run.

    A ``method`` of null is that of the training recipe if it trains one head, else fixmatch.
    """

    steps: int = Field(default=200, ge=1)
    learning_rate: float = Field(default=5e-5, gt=0)
    method: Literal["supervised", "fixmatch"] | None = None


class DecideSettings(Section):
    """When a round pays: on held-out examples, against the classifier at the start, and on fresh attacks.

    AUPRC may fall by ``auprc_loss`` and the share of harmless texts blocked rise by ``benign_rise``; the share of seeds
    with a successful fresh attack must fall by ``min_gain`` a round.
    """

    auprc_loss: float = Field(default=0.01, ge=0, le=1)
    benign_rise: float = Field(default=0.02, ge=0, le=1)
    min_gain: float = Field(default=0.02, ge=0, le=1)


class HardenRecipe(Section):
    """How to harden a classifier; paths start at the current folder, else at the recipe's.

    ``classifier`` is the folder of the trained model, ``training`` the recipe that it was trained by, whose examples it
    goes on learning from; at most ``share`` of the labelled examples are attacks. ``held_out`` are labelled examples
    that it was not trained on, best of another source; left out, they are the labelled ones that ``data.labels`` of the
    training recipe left over. ``cache`` keeps every answer of an endpoint; while one does not answer, a round waits for
    it, ``wait_s`` seconds at most.
    """

    task: Task
    seed: int = Field(default=0, ge=0, lt=2**31)
    classifier: str
    training: str
    held_out: Sources | None = None
    seeds: SeedSettings = SeedSettings()
    generator: GeneratorSettings
    judges: JudgeSettings = JudgeSettings()
    gate: GateSettings = GateSettings()
    shaping: ShapingSettings = ShapingSettings()
    harvest: HarvestSettings = HarvestSettings()
    rounds: int = Field(default=3, ge=1, le=20)
    share: float = Field(default=0.3, gt=0, le=0.3)
    fine_tune: FineTuneSettings = FineTuneSettings()
    decide: DecideSettings = DecideSettings()
    cache: str = ".railmatch/hardening.sqlite"
    wait_s: float = Field(default=900.0, ge=0)
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @property
    def endpoints(self) -> list[EndpointSettings]:
        """List the endpoints that are asked."""
        writer = self.generator.endpoint if self.generator.name == "endpoint" else None
        judge = self.judges.endpoint if self.generator.name != "none" else None
        return [endpoint for endpoint in (writer, judge) if endpoint is not None]

    @property
    def ask_above(self) -> float | None:
        """Give the cost above which a person is asked; None, always, where an endpoint names none."""
        limits = [endpoint.ask_above for endpoint in self.endpoints]
        return min((limit for limit in limits if limit is not None), default=None) if None not in limits else None

    @model_validator(mode="after")
    def _has_judges(self) -> Self:
        if self.generator.name != "none" and not self.judges.votes:
            raise ValueError(
                "judges is without anybody: an attack that nobody judges may have become harmless; name an LLM in "
                "judges.endpoint, other classifiers in judges.classifiers, or both"
            )
        return self
