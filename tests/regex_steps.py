"""How many steps a backtracking matcher takes to look for a pattern everywhere in a text, counted without a clock.

A small interpreter of the tree that Python's ``re`` parses a pattern to; it tries in the same order. It knows what the
patterns of RailMatch are made of and raises a KeyError at anything else.
"""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from re import _constants as kinds
from re import _parser as parser
from typing import Any

Node = tuple[Any, Any]

CATEGORIES = {
    kinds.CATEGORY_SPACE: str.isspace,
    kinds.CATEGORY_NOT_SPACE: lambda mark: not mark.isspace(),
    kinds.CATEGORY_WORD: lambda mark: mark.isalnum() or mark == "_",
    kinds.CATEGORY_NOT_WORD: lambda mark: not mark.isalnum() and mark != "_",
    kinds.CATEGORY_DIGIT: str.isdecimal,
    kinds.CATEGORY_NOT_DIGIT: lambda mark: not mark.isdecimal(),
}
DEEPEST = 20_000


class Matcher:
    """Looks for one pattern; ``steps`` counts every character and every position that it looks at."""

    def __init__(self, pattern: "re.Pattern[str]") -> None:
        self.steps = 0
        self._tree = list(parser.parse(pattern.pattern, pattern.flags))
        self._text = ""

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Find what ``finditer`` finds, one after the other."""
        self._text, found, at = text, [], 0
        with _deep_recursion():
            while at <= len(text):
                end = next(self._ends(self._tree, at), None)
                if end is not None:
                    found.append((at, end))
                at = at + 1 if end is None or end == at else end
        return found

    def _ends(self, nodes: Sequence[Node], at: int) -> Iterator[int]:
        """Yield where a match of these nodes from ``at`` on can end, in the order of trying."""
        self.steps += 1
        if not nodes:
            yield at
            return
        kind, what = nodes[0]
        for middle in self._node(kind, what, at):
            yield from self._ends(nodes[1:], middle)

    def _node(self, kind: Any, what: Any, at: int) -> Iterator[int]:
        if kind in (kinds.LITERAL, kinds.NOT_LITERAL, kinds.IN):
            if self._fits(kind, what, at):
                yield at + 1
        elif kind is kinds.BRANCH:
            for branch in what[1]:
                yield from self._ends(list(branch), at)
        elif kind is kinds.SUBPATTERN:
            yield from self._ends(list(what[-1]), at)
        elif kind in (kinds.ASSERT, kinds.ASSERT_NOT):
            if self._holds(*what, at) == (kind is kinds.ASSERT):
                yield at
        else:
            yield from {kinds.MAX_REPEAT: self._repeated}[kind](*what, at)

    def _fits(self, kind: Any, what: Any, at: int) -> bool:
        self.steps += 1
        if at >= len(self._text):
            return False
        return _one_of(kind, _hashable(what))(self._text[at])

    def _holds(self, direction: int, nodes: Any, at: int) -> bool:
        start = at if direction > 0 else at - nodes.getwidth()[0]
        return start >= 0 and next(self._ends(list(nodes), start), None) is not None

    def _repeated(self, least: int, most: Any, nodes: Any, at: int) -> Iterator[int]:
        """Take as many as there are, then give back one after the other."""
        limit = sys.maxsize if most is kinds.MAXREPEAT else int(most)
        (kind, what), *others = list(nodes)
        if others or kind not in (kinds.LITERAL, kinds.NOT_LITERAL, kinds.IN):
            yield from self._groups(least, limit, list(nodes), at)
            return
        taken = 0
        while taken < limit and self._fits(kind, what, at + taken):
            taken += 1
        for count in range(taken, least - 1, -1):
            yield at + count

    def _groups(self, least: int, most: int, nodes: Sequence[Node], at: int) -> Iterator[int]:
        if most:
            for end in self._ends(nodes, at):
                if end > at:
                    yield from self._groups(max(0, least - 1), most - 1, nodes, end)
        if not least:
            yield at


def _hashable(what: Any) -> Any:
    return tuple(what) if isinstance(what, list) else what


@cache
def _one_of(kind: Any, what: Any) -> Callable[[str], bool]:
    """Give the test of a single character, remembered by character."""
    if kind is not kinds.IN:
        return cache(lambda mark: (ord(mark) == what) == (kind is kinds.LITERAL))
    negated = what[0][0] is kinds.NEGATE
    tests = {
        kinds.LITERAL: lambda value, mark: ord(mark) == value,
        kinds.RANGE: lambda value, mark: value[0] <= ord(mark) <= value[1],
        kinds.CATEGORY: lambda value, mark: CATEGORIES[value](mark),
    }
    return cache(lambda mark: any(tests[kind](value, mark) for kind, value in what[negated:]) != negated)


@contextmanager
def _deep_recursion() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(DEEPEST)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
