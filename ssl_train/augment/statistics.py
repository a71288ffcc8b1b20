"""What a cache holds: what was asked, kept, rejected and why, what it took, and examples to look at."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...classifier.errors import DataError
from .cache import Cache, Spent

_COUNTS = """
SELECT template, model, status, count(*), sum(input_tokens), sum(output_tokens) FROM answers
GROUP BY template, model, status ORDER BY template, model, status
"""
_EXAMPLES = """
SELECT text, answer, similarity FROM answers JOIN texts USING (text_hash)
WHERE template = ? AND model = ? AND status = ? LIMIT ?
"""


@dataclass(slots=True)
class AskedFor:
    """What became of all that one template asked one model: ``counts`` by outcome, and the tokens."""

    template: str
    model: str
    counts: dict[str, int]
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def answers(self) -> int:
        """Count all answers."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Example:
    """A text and what a model made of it; ``similarity`` is None where it was not measured."""

    template: str
    status: str
    text: str
    answer: str
    similarity: float | None


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """What a cache holds: a line a template and model, what each model took in all, and examples of every outcome."""

    asked: list[AskedFor]
    spent: dict[str, Spent]
    examples: list[Example]

    def as_dict(self) -> dict[str, Any]:
        """Give all as JSON takes it."""
        return {
            "asked": [
                {"template": line.template, "model": line.model, "answers": line.answers, **line.counts}
                | {"input_tokens": line.input_tokens, "output_tokens": line.output_tokens}
                for line in self.asked
            ],
            "spent": {model: spent._asdict() for model, spent in self.spent.items()},
            "examples": [
                {name: getattr(example, name) for name in ("template", "status", "text", "answer", "similarity")}
                for example in self.examples
            ],
        }


def read_statistics(path: str | Path, *, examples: int = 2) -> CacheStatistics:
    """Read what the cache at ``path`` holds, with up to ``examples`` of every outcome of a template.

    An answer whose text is not stored, as those of caches made before texts were, is counted and is no example.

    Raises:
        DataError: there is no such file, or it is not a cache.
    """
    if not Path(path).is_file():
        raise DataError(f"cache {path}: no such file; name the one of augment.cache in the recipe")
    with Cache(path) as cache:
        lines = _lines(cache)
        spent = {model: cache.spent(model) for model in dict.fromkeys(line.model for line in lines)}
        found = [example for line in lines for example in _examples(cache, line, examples)]
    return CacheStatistics(lines, {model: took for model, took in spent.items() if took.calls}, found)


def _lines(cache: Cache) -> list[AskedFor]:
    lines: dict[tuple[str, str], AskedFor] = {}
    for template, model, status, count, incoming, outgoing in cache.rows(_COUNTS):
        line = lines.setdefault((template, model), AskedFor(template, model, {}))
        line.counts[status] = count
        line.input_tokens += incoming
        line.output_tokens += outgoing
    return list(lines.values())


def _examples(cache: Cache, line: AskedFor, most: int) -> Iterator[Example]:
    for status in line.counts:
        for text, answer, similarity in cache.rows(_EXAMPLES, (line.template, line.model, status, most)):
            yield Example(line.template, status, text, answer, similarity)
