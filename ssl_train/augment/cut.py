"""Answers to questions with set answers that broke off at ``max_tokens``: asked anew once the limit has been raised."""

import re
from collections.abc import Iterable

from .cache import Answer, Cache, Key
from .endpoint import Reply

_CUT = re.compile(r"\A\[cut off at (?P<most>\d+) tokens\] ")


def noted(reply: Reply, max_tokens: int) -> str:
    """Give what is kept of an answer that is none: its own words, and the limit at which it broke off, if it did."""
    return f"[cut off at {max_tokens} tokens] {reply.text}" if reply.cut else reply.text


def is_missing(answer: Answer | None, max_tokens: int) -> bool:
    """Tell whether a question is to be asked: it has no answer, or one that broke off at a lower limit than now."""
    if answer is None or answer.status != "unreadable":
        return answer is None
    cut = _CUT.match(answer.text)
    return cut is not None and int(cut["most"]) < max_tokens


def forget_missing(keys: Iterable[Key], cache: Cache, max_tokens: int) -> None:
    """Forget the answers to questions that are to be asked anew.

    Raises:
        DataError: the cache cannot be written.
    """
    for key in keys:
        answer = cache.get(key)
        if answer is not None and is_missing(answer, max_tokens):
            cache.forget(key, answer)
