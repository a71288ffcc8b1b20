"""Judge records in their order, many at a time, so that the engine always has texts to choose from."""

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..rails.guard import Guard
from ..rails.question import Check, Question
from ..ssl_train.data.records import Record
from .lines import Line, line_of
from .settings import ScoreSettings

AHEAD = 768
"""Texts that wait for their judgement; the engine takes 1,024 callers, and one text may ask twice."""

AHEAD_CHARACTERS = 2**24
"""Their characters, a quarter of what the engine takes; a longer text waits alone."""


def loaded_guard(settings: ScoreSettings, *, cores: int | None = None) -> Guard:
    """Load the one model that is needed, which judges without a deadline, for nobody waits for a single text.

    ``cores`` is how many cores int8 forms take; all when left out.

    Raises:
        ModelError: there is no model, one cannot be used, or CUDA was asked for and is not there.
    """
    threshold = settings.threshold
    models = Path(settings.models)
    own = models / settings.task
    return Guard.load(
        own if own.is_dir() else models, device=settings.device, deadline=None, cores=cores,
        prompt_threshold=threshold if settings.task == "prompt" else None,
        response_threshold=threshold if settings.task == "response" else None,
    )  # fmt: skip


def judged(check: Check, records: Iterable[Record], *, text: bool) -> Iterator[Line]:
    """Yield a line for every record, in their order; a text that could not be judged is ``undecided``."""
    waiting: deque[tuple[Record, Question]] = deque()
    characters = 0

    def first() -> Line:
        nonlocal characters
        record, question = waiting.popleft()
        characters -= _characters(record)
        return line_of(record, question.verdict(), text=text)

    for record in records:
        while waiting and (len(waiting) >= AHEAD or characters + _characters(record) > AHEAD_CHARACTERS):
            yield first()
        waiting.append((record, Question(check, record.exchange, None)))
        characters += _characters(record)
    while waiting:
        yield first()


def _characters(record: Record) -> int:
    return len(record.exchange.prompt) + len(record.exchange.response or "")
