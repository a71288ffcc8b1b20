"""Undoing evasion takes time in proportion to the text, whatever the text is: steps and calls are counted, no clock."""

import re
import sys
from collections.abc import Iterator
from itertools import product
from types import FrameType, ModuleType
from typing import Any

import pytest
from railmatch.classifier import inputs, normalising_letters, normalising_spacing
from railmatch.classifier.engine import pieces
from railmatch.classifier.normalising import undo_evasion
from regex_steps import Matcher

MODULES = (normalising_letters, normalising_spacing, pieces, inputs)

MARKS = ("a", "1", " ", ".", "'", "(", "\uff41", "\u0430", "\u200b", "\u202e", "\U000e0061", "\U0001f600")
"""One of each kind of character that some pattern tells from the others."""

SIZE = 18
LINEAR = 2.5
"""How many times the work of half the text may be; of a square of it, it would be four."""


def patterns() -> Iterator[tuple[str, "re.Pattern[str]"]]:
    for module in MODULES:
        yield from patterns_of(module)


def patterns_of(module: ModuleType) -> Iterator[tuple[str, "re.Pattern[str]"]]:
    for name, value in vars(module).items():
        if isinstance(value, re.Pattern):
            yield f"{module.__name__.rpartition('.')[2]}.{name}", value


def texts(size: int) -> Iterator[str]:
    """Texts of two kinds of characters in every order: in turn, one before many, and one before each few."""
    for one, other in product(MARKS, MARKS):
        yield (one + other) * (size // 2)
        yield one + other * (size - 1)
        yield (one + other * 5) * (size // 6)


def steps(pattern: "re.Pattern[str]", text: str) -> int:
    matcher = Matcher(pattern)
    matcher.spans(text)
    return matcher.steps


@pytest.mark.parametrize("name", dict(patterns()))
def test_every_pattern_takes_steps_in_proportion_to_the_text(name: str) -> None:
    pattern = dict(patterns())[name]
    for short, long in zip(texts(SIZE), texts(2 * SIZE), strict=True):
        assert steps(pattern, long) <= LINEAR * steps(pattern, short), ascii(long)


@pytest.mark.parametrize("name", dict(patterns()))
def test_the_steps_are_those_of_the_same_matches(name: str) -> None:
    pattern = dict(patterns())[name]
    for text in texts(6):
        assert Matcher(pattern).spans(text) == [found.span() for found in pattern.finditer(text)], ascii(text)


@pytest.mark.parametrize("slow", ["a*b", r"(?:a|\s)*1"])
def test_a_pattern_that_begins_anew_everywhere_is_found_out(slow: str) -> None:
    pattern = re.compile(slow)
    pairs = zip(texts(SIZE), texts(2 * SIZE), strict=True)
    growth = max(steps(pattern, long) / steps(pattern, short) for short, long in pairs)
    assert growth > LINEAR


def calls(text: str) -> int:
    """Count what Python calls, its own functions and those of libraries, while evasion is undone."""
    count = 0

    def note(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        undo_evasion(text)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize(
    "part",
    [
        "w e a p o n ", "w.e.a.p.o.n", "h o w  t o  ", "I o N n ", "\uff57\uff45 \u200b", "\u24c2 ", "we\u0430pon ",
        "\u0430 \u200b", "a\u200b", "\u202e\u05d0 ", "\U000e0061", "\U0001f3f4\U000e0061 ", "\u1d21\u1d07 ",
        "\u0434\u0430 ",
    ],
)  # fmt: skip
def test_calls_grow_with_the_text(part: str) -> None:
    undo_evasion(part * 40)  # what is remembered from now on is no part of the growth
    assert calls(part * 400) <= LINEAR * calls(part * 200)
