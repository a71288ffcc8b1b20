"""What the benchmarks of serving share: texts, callers, clocks, and rows of figures."""

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

CALLERS = 64
LONGEST = 500
WORDS = """
    how do i bake bread for my friends tomorrow please explain the steps one after the other and name what goes wrong
    most often when people try it for the first time in a small kitchen without a scale
""".split()  # noqa: SIM905 - a list of quoted words would be four times as long


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of RailMatch beside the other's, and what it should be at least or at most."""

    name: str
    railmatch: float
    other: float
    target: str
    reached: bool

    def __str__(self) -> str:
        """Print as a line of the table."""
        mark = "reached" if self.reached else "NOT REACHED"
        return f"{self.name:58} {self.railmatch:9.2f} {self.other:9.2f}   {self.target}: {mark}"

    def as_dict(self) -> dict[str, Any]:
        """Give the fields as JSON-ready values."""
        return asdict(self)


class Texts:
    """Makes texts of a number of tokens, no two alike, so that nothing can be remembered."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Take the tokenizer that counts."""
        self._tokenizer = tokenizer
        self._draw = random.Random(0)
        self._made = 0

    def of(self, tokens: int) -> str:
        """Make one text of about so many tokens."""
        self._made += 1
        words = [f"number {self._made}", *self._draw.choices(WORDS, k=tokens)]
        ids = self._tokenizer(" ".join(words), add_special_tokens=False, truncation=True, max_length=tokens - 2)
        return self._tokenizer.decode(ids["input_ids"])

    def mixed(self, count: int) -> list[str]:
        """Make texts whose lengths spread as those of chats do: a median of 60 tokens, and a long tail."""
        lengths = [min(LONGEST, max(8, int(self._draw.lognormvariate(4.1, 0.9)))) for _ in range(count)]
        return [self.of(length) for length in lengths]


async def seconds_of(judge: Callable[[str], Awaitable[Any]], texts: Sequence[str], *, callers: int = CALLERS) -> float:
    """Let callers judge all texts, each the next one as soon as it has its answer; give the seconds it took."""
    left = iter(texts)

    async def caller() -> None:
        for text in left:
            await judge(text)

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return time.perf_counter() - started


def median_milliseconds(judge: Callable[[str], Any], texts: Sequence[str]) -> float:
    """Give the median time of judging one text."""
    times = []
    for text in texts:
        started = time.perf_counter()
        judge(text)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def cpu_milliseconds(work: Callable[..., Any], *arguments: Any) -> float:
    """Give the CPU time of some work, of all threads."""
    started = time.process_time()
    work(*arguments)
    return (time.process_time() - started) * 1000
