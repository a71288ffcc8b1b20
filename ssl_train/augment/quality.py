"""Is an LLM's answer a rewrite at all? Pure functions that recognise what must never become a strong view."""

import re
import unicodedata
from typing import Literal

from ...classifier.tasks import Task
from .refusal import is_refusal
from .template import Markers

Status = Literal["kept", "refused", "empty", "unchanged", "too_long", "unreadable"]
"""What became of an answer; only ``kept`` is used. ``unreadable`` is an answer to a vote that names no vote."""

LENGTH_FACTOR = 4
LENGTH_SLACK = 200
"""An answer may have ``LENGTH_FACTOR`` times the characters of its text, and ``LENGTH_SLACK`` more for short ones."""

CHARACTERS_A_TOKEN = 8
"""More characters than a token of running text has on average with any tokenizer, so a safe upper bound."""

_MARKER = re.compile(r"<<<(?:TEXT|END) [0-9a-f]{12}>>>")
_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_REWRITTEN = r"(?:rewritten|rewrite|paraphrased?|rephrased|reworded|restyled)"
_INTRODUCTION = re.compile(
    r"\A(?:(?:sure|certainly|of course|okay|ok)[^\w:]+[^\n:]{0,60}"
    r"|(?:here(?:['\u2019]s| is| are)|below is|this is)\b[^\n:]{0,40}"
    rf"|(?:the |my )?)\b{_REWRITTEN}\b(?: (?:the|this|your|text|message|prompt|response|answer|version|of|in))*:\s+",
    re.IGNORECASE,
)
_FENCE = re.compile(r"\A```\w*\n(?P<inside>.*)\n```\Z", re.DOTALL)
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
    return ("unchanged" if is_unchanged(text, rewrite) else "kept"), rewrite


def is_too_long(text: str, answer: str) -> bool:
    """Tell whether ``answer`` is many times longer than ``text``: an essay about it, or an answer to it."""
    return len(answer) > LENGTH_FACTOR * len(text) + LENGTH_SLACK


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
    rewrite = without_thoughts(answer)
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


def _letters(text: str) -> str:
    """Give what makes two texts the same; a text of signs and emoji only is compared as it is, without white space."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    letters = "".join(mark for mark in folded if mark.isalnum() or unicodedata.category(mark) == "Mn")
    return letters or "".join(folded.split())
