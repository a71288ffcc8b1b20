"""A synthesis recipe: ``synthesis.yml`` as one frozen, strict model, refused before anything is asked."""

from typing import Self

from pydantic import Field, model_validator

from ...classifier.tasks import Task
from ..recipe import EndpointSettings, FieldNames, Policy, Section


class SeedSettings(Section):
    """The human examples: a labelled ``file`` (JSONL, CSV or Parquet) whose field ``category`` names their categories.

    For responses a seed needs a prompt only: the responses are new. ``fields`` are names of the other fields.
    """

    file: str
    category: str = "category"
    fields: FieldNames = FieldNames()


class QuerySettings(Section):
    """Query augmentation: so many new harmful messages, and as many benign look-alikes, ``per_seed`` of each."""

    per_seed: int = Field(default=4, ge=1, le=20)


class ParaphraseSettings(Section):
    """Paraphrases of the messages that query augmentation left, up to ``batch`` messages of one seed in a call."""

    enabled: bool = True
    batch: int = Field(default=10, ge=1, le=50)


class JudgeSettings(Section):
    """Who votes on labels: ``models`` (the endpoint's own where left out), ``calls`` in all, ``batch`` texts a call.

    A text stays if at least ``agree`` of the calls find its intended label. Judges that are the same model see the
    texts in different order.
    """

    models: list[str] = Field(default=[])
    calls: int = Field(default=3, ge=1, le=15)
    agree: int = Field(default=2, ge=1, le=15)
    batch: int = Field(default=20, ge=1, le=100)

    @model_validator(mode="after")
    def _can_agree(self) -> Self:
        if self.agree > self.calls:
            raise ValueError(f"agree is {self.agree}, but there are {self.calls} calls: at most so many can agree")
        if len(self.models) > self.calls:
            raise ValueError(f"{len(self.models)} models for {self.calls} calls: set calls to at least their number")
        return self


class CurationSettings(Section):
    """When a text is too much like another one, and how even the set must be.

    ``near_copy`` is the Jaccard similarity of three-word shingles, and ``same_meaning`` the cosine of embeddings, from
    which two texts count as one. ``diversity`` is the least mean distance (1 - cosine) of the texts of one category and
    class to their nearest neighbour; those nearest to others go until it is reached. The largest category has at most
    ``category_ratio`` times the records of the smallest.
    """

    near_copy: float = Field(default=0.7, gt=0, le=1)
    same_meaning: float = Field(default=0.95, gt=0, le=1)
    diversity: float = Field(default=0.2, ge=0, lt=1)
    category_ratio: float = Field(default=1.5, ge=1)


class SynthesisRecipe(Section):
    """How to make a data set from seeds; paths start at the current folder, else at the recipe's.

    ``policy`` says what counts as harmful: a text, or the path of a ``.txt`` or ``.md`` file. It goes with nearly every
    call, so one of more than ``policy_tokens`` is refused. ``classifier`` is a model folder whose disagreement with
    the labels is flagged for a person; ``seed`` is that of the order in which judges see the texts.
    """

    task: Task
    seed: int = Field(default=0, ge=0)
    seeds: SeedSettings
    policy: Policy | None = None
    policy_tokens: int = Field(default=4000, ge=1)
    endpoint: EndpointSettings
    cache: str = ".railmatch/synthesis.sqlite"
    queries: QuerySettings = QuerySettings()
    paraphrases: ParaphraseSettings = ParaphraseSettings()
    judges: JudgeSettings = JudgeSettings()
    curation: CurationSettings = CurationSettings()
    classifier: str | None = None
