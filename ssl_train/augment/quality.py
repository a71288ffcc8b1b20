"""Is an LLM's answer a rewrite at all? Pure functions that recognise what must never become a strong view."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from typing import Literal

from ...classifier.tasks import Task
from .language import is_other_language, is_other_script
from .refusal import is_refusal
from .template import Markers

Status = Literal[
    "kept",
    "refused",
    "empty",
    "too_long",
    "too_short",
    "unchanged",
    "near_copy",
    "leaked",
    "wrong_language",
    "off_topic",
    "label_changed",
    "unjudged",
    "unreadable",
]
"""What became of an answer; only ``kept`` is used.

``off_topic``, ``label_changed`` and ``unjudged`` are found by the second look (``second_look``); ``unreadable`` is an
answer to a question with set answers, such as a vote, that gives none of them.
"""

Check = Callable[[str, str], bool]
"""Looks at a text and its rewrite, and tells whether the rewrite must not be used."""

LENGTH_FACTOR = 4
LENGTH_SLACK = 200
"""An answer may have ``LENGTH_FACTOR`` times the characters of its text, and ``LENGTH_SLACK`` more for short ones.

A text may have as many times those of its answer.
"""

NEAR_COPY = 0.95
"""Share of its letter triples that a rewrite may have in common with its text."""

CHARACTERS_A_TOKEN = 8
"""More characters than a token of running text has on average with any tokenizer, so a safe upper bound."""

_MARKER = re.compile(r"<<<(?:TEXT|END) [0-9a-f]{12}>>>")
_THOUGHTS = re.compile(r"\A\s*(?:<think>)?(?:(?!<think>).)*?</think>", re.DOTALL)
"""Some servers send no opening tag, because it stands at the end of what the model was given."""

_REWRITTEN = r"(?:rewritten|rewrite|paraphrased?|rephrased|reworded|restyled)"
_INTRODUCTION = re.compile(
    r"\A(?:(?:sure|certainly|of course|okay|ok)[^\w:]+[^\n:]{0,60}"
    r"|(?:here(?:['\u2019]s| is| are)|below is|this is)\b[^\n:]{0,40}"
    rf"|(?:the |my )?)\b{_REWRITTEN}\b(?: (?:the|this|your|text|message|prompt|response|answer|version|of|in))*:\s+",
    re.IGNORECASE,
)
_PREAMBLE = re.compile(
    r"\A(?:(?:sure|certainly|of course|absolutely|okay)\b[^\w\n]{1,3}(?:here|i(?:'|\u2019| wi)ll|let me|below)\b"
    rf"|(?:here(?:['\u2019]s| is| are)|below is|this is) (?:an?|the|my|your|one)\b[^\n]{{0,40}}\b{_REWRITTEN}\b)",
    re.IGNORECASE,
)
_FENCE = re.compile(r"\A```\w*\n(?P<inside>.*)\n```\Z", re.DOTALL)
_INSTRUCTIONS = re.compile(
    r"<<<(?:TEXT|END)\b|\b(?:TEXT|END) [0-9a-f]{12}\b|^--- ?(?:system|user) ?---"
    r"|\boutput only the \w+|\bwrite its paraphrase now\b|<\|?/?(?:im_start|im_end|eot_id|think)\|?>",
    re.IGNORECASE | re.MULTILINE,
)
_QUOTES = (
    ('"', '"'),
    ("'", "'"),
    ("\u201c", "\u201d"),
    ("\u201e", "\u201c"),
    ("\u00ab", "\u00bb"),
    ("\u300c", "\u300d"),
)


def judge(
    text: str, answer: str, part: Task = "prompt", *, refused: bool = False, cut: bool = False
) -> tuple[Status, str]:
    """Say what became of ``answer`` as a rewrite of ``text``, and give it without its wrapping.

    ``refused`` is the endpoint's own word that it declined, ``cut`` that the answer broke off at ``max_tokens``: half a
    text means something else, so it counts as too long.
    """
    rewrite = unwrapped(text, answer)
    if refused or is_refusal(text, rewrite, part):
        return "refused", rewrite
    if cut or is_too_long(text, rewrite):
        return "too_long", rewrite
    if not rewrite:
        return "empty", rewrite
    checks: tuple[tuple[Status, Check], ...] = (
        ("leaked", leaks),
        ("too_short", is_too_short),
        ("unchanged", is_unchanged),
        ("wrong_language", is_other_script),
        ("near_copy", is_near_copy),
        ("wrong_language", is_other_language),  # last, because it takes longest
    )
    return next((status for status, found in checks if found(text, rewrite)), "kept"), rewrite


def is_too_long(text: str, answer: str) -> bool:
    """Tell whether ``answer`` is many times longer than ``text``: an essay about it, or an answer to it."""
    return len(answer) > LENGTH_FACTOR * len(text) + LENGTH_SLACK


def is_too_short(text: str, answer: str) -> bool:
    """Tell whether ``answer`` is many times shorter than ``text``: its gist, or the beginning of it."""
    return is_too_long(answer, text)


def is_near_copy(text: str, answer: str, ceiling: float = NEAR_COPY) -> bool:
    """Tell whether ``answer`` is all but ``text`` again: nothing can be learnt from it.

    The likeness is the share of letter triples in common (Dice's coefficient, in [0, 1]), which must not pass
    ``ceiling``.
    """
    one, other = _triples(text), _triples(answer)
    return 2 * (one & other).total() > ceiling * (one.total() + other.total())


def leaks(text: str, answer: str) -> bool:
    """Tell whether ``answer`` still has a piece of the instructions or an introduction that its ``text`` has not."""
    found = _INSTRUCTIONS.search(answer)
    if found and not _INSTRUCTIONS.search(text):
        return True
    return bool(_PREAMBLE.match(answer)) and not _PREAMBLE.match(text)


def is_unchanged(text: str, answer: str) -> bool:
    """Tell whether ``answer`` is ``text`` again, whatever the case, punctuation and white space."""
    return _letters(text) == _letters(answer)


def cannot_fit(text: str, max_tokens: int) -> bool:
    """Tell whether a rewrite of ``text`` is sure to break off at ``max_tokens``, so that asking is money lost."""
    return len(text) > CHARACTERS_A_TOKEN * max_tokens


def without_thoughts(answer: str) -> str:
    """Take off the thinking that some models write down before they answer."""
    return _THOUGHTS.sub("", answer)


def unwrapped(text: str, answer: str) -> str:
    """Take off what models put around a rewrite of ``text``: thoughts, markers, an introduction, a fence, quotes.

    What ``text`` has itself stays.
    """
    rewrite = answer if "</think>" in text else without_thoughts(answer)
    markers = Markers.around(text)
    rewrite = rewrite.replace(markers.open, "").replace(markers.close, "")
    if not _MARKER.search(text):
        rewrite = _MARKER.sub("", rewrite)
    rewrite = rewrite.strip()
    if not _INTRODUCTION.match(text):
        rewrite = _INTRODUCTION.sub("", rewrite)
    if (fence := _FENCE.match(rewrite)) and not text.lstrip().startswith("```"):
        rewrite = fence["inside"].strip()
    return _unquoted(text.strip(), rewrite)


def _unquoted(text: str, rewrite: str) -> str:
    for first, last in _QUOTES:
        wrapped = len(rewrite) > 1 and rewrite.startswith(first) and rewrite.endswith(last)
        inside = rewrite[1:-1]
        if wrapped and first not in inside and last not in inside and not text.startswith(first):
            return inside.strip()
    return rewrite


def _triples(text: str) -> Counter[str]:
    """Count the triples of neighbouring letters, whatever the case, punctuation and white space."""
    letters = f"  {_letters(text)} "
    return Counter(letters[at : at + 3] for at in range(len(letters) - 2))


def _letters(text: str) -> str:
    """Give what makes two texts the same; a text of signs and emoji only is compared as it is, without white space."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    letters = "".join(mark for mark in folded if mark.isalnum() or unicodedata.category(mark) == "Mn")
    return letters or "".join(folded.split())
