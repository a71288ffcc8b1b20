"""What passes through a round: a seed, what a generator wrote for it, and what of that was harvested."""

from dataclasses import dataclass
from typing import Any, Self

from ...classifier.inputs import Exchange, without_surrogates
from ...classifier.tasks import LABELS
from ..augment.quality import unwrapped
from ..data.records import text_id
from ..synthesis.sample import Sample


@dataclass(frozen=True, slots=True)
class Seed:
    """A labelled example that attacks start from; ``label`` is its class (1 is harmful), which they must keep.

    Attacks on a harmful seed are misses, those on an unharmful one false alarms.
    """

    id: str
    exchange: Exchange
    label: int
    category: str = ""

    @property
    def text(self) -> str:
        """Give what is judged and rewritten: the response where there is one."""
        return self.exchange.prompt if self.exchange.response is None else self.exchange.response

    def with_text(self, text: str) -> Exchange:
        """Put another text in the place of what is judged."""
        if self.exchange.response is None:
            return Exchange(text)
        return Exchange(self.exchange.prompt, text)

    def as_dict(self) -> dict[str, Any]:
        """Give the seed as it stands in the files."""
        pair = {} if self.exchange.response is None else {"response": self.exchange.response}
        return {
            "id": self.id,
            "prompt": self.exchange.prompt,
            **pair,
            "label": LABELS[self.label],
            "category": self.category,
        }

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Self:
        """Read what ``as_dict`` gave."""
        exchange = Exchange(row["prompt"], row.get("response"))
        return cls(row["id"], exchange, LABELS.index(row["label"]), row["category"])


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote a candidate: the generator's name, its model, and the instruction with its version."""

    generator: str
    model: str = ""
    template: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a generator answered for a seed; ``answer`` is as it came, ``text`` without what models put around one."""

    seed: Seed
    answer: str
    author: Author

    @property
    def text(self) -> str:
        """Give the answer without thoughts, introduction, markers and quotes."""
        return without_surrogates(unwrapped(self.seed.text, self.answer))

    @property
    def exchange(self) -> Exchange:
        """Give what the classifier judges."""
        return self.seed.with_text(self.text)

    @property
    def id(self) -> str:
        """Name the candidate by a hash of what is judged."""
        return text_id(self.exchange)

    def as_sample(self) -> Sample:
        """Give it as judges and checks for duplicates want it: under the label and category of its seed."""
        return Sample(self.exchange, self.seed.label, self.seed.category, self.seed.id)

    def as_dict(self) -> dict[str, Any]:
        """Give the candidate, with its whole lineage but the round, as it stands in the files."""
        author = {"generator": self.author.generator, "model": self.author.model, "template": self.author.template}
        return {"id": self.id, "answer": self.answer, **author, "seed": self.seed.as_dict()}

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Self:
        """Read what ``as_dict`` gave."""
        author = Author(row["generator"], row["model"], row["template"])
        return cls(Seed.from_dict(row["seed"]), row["answer"], author)
