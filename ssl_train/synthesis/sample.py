"""What passes through the pipeline: a text with its intended label and everything it came from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ...classifier.inputs import Exchange
from ...classifier.tasks import LABELS
from ..data.records import text_id

Step = Literal["queries", "paraphrases", "responses"]


@dataclass(frozen=True, slots=True)
class Origin:
    """One step of a lineage: who made the text, and from which text (``parent`` is a seed's or a sample's id)."""

    step: Step
    template: str
    model: str
    parent: str

    def as_dict(self) -> dict[str, str]:
        """Give the step as it stands in the files."""
        return {"step": self.step, "template": self.template, "model": self.model, "parent": self.parent}


@dataclass(frozen=True, slots=True)
class Sample:
    """One text, or pair, of a category; ``label`` is the intended class (1 is harmful).

    ``lineage`` begins at the human example ``seed``, and is empty for that example itself. ``agreeing`` of ``asked``
    judge calls found the intended label; ``score`` is the current classifier's harmful probability, where there is one.
    """

    exchange: Exchange
    label: int
    category: str
    seed: str
    lineage: tuple[Origin, ...] = field(default=())
    agreeing: int | None = None
    asked: int = 0
    score: float | None = None
    flag: str = ""
    own_id: str = ""

    @property
    def id(self) -> str:
        """Name the text: a hash of it, or the id that a seed brought along."""
        return self.own_id or text_id(self.exchange)

    @property
    def text(self) -> str:
        """Give what is new in it and compared with others: the response where there is one."""
        return self.exchange.prompt if self.exchange.response is None else self.exchange.response

    @property
    def cell(self) -> tuple[str, int]:
        """Give the category and the class, within which samples are counted and compared."""
        return self.category, self.label

    def made(self, origin: Origin, exchange: Exchange, label: int) -> "Sample":
        """Give the sample that a step made of this one."""
        return Sample(exchange, label, self.category, self.seed, (*self.lineage, origin))

    def as_dict(self) -> dict[str, Any]:
        """Give the record of the data set; ``load_records`` reads the first fields and ignores the others."""
        pair = {} if self.exchange.response is None else {"response": self.exchange.response}
        judged = {} if self.agreeing is None else {"judges": {"agreeing": self.agreeing, "asked": self.asked}}
        scored = {} if self.score is None else {"score": round(self.score, 4)}
        return {
            "id": self.id,
            "prompt": self.exchange.prompt,
            **pair,
            "label": LABELS[self.label],
            "category": self.category,
            "seed": self.seed,
            "lineage": [origin.as_dict() for origin in self.lineage],
            **judged,
            **scored,
            "flag": self.flag,
        }


def by_seed(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    """Group samples by the seed they came from, in their order."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.seed, []).append(sample)
    return groups
