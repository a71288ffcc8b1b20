"""Undo rewrites of a text that cost nothing and hide its words from a tokenizer, but not from a chat model."""

from typing import NamedTuple

from .inputs import Exchange
from .normalising_letters import reveal_compatibility_forms, reveal_homoglyphs, reveal_invisible
from .normalising_spacing import join_spaced_letters

__all__ = ["Undone", "UndoneExchange", "undo_evasion", "undo_exchange"]


class Undone(NamedTuple):
    """A text with the rewrites undone, and the names of those that were found, in the order of undoing."""

    text: str
    found: tuple[str, ...]


class UndoneExchange(NamedTuple):
    """An exchange with the rewrites of both texts undone, and the names of those that were found."""

    exchange: Exchange
    found: tuple[str, ...]


_STEPS = (
    ("compatibility forms", reveal_compatibility_forms),
    ("invisible characters", reveal_invisible),
    ("homoglyphs", reveal_homoglyphs),
    ("letter-spacing", join_spaced_letters),
)


def undo_evasion(text: str) -> Undone:
    """Give Latin words their ordinary letters back; whatever is no Latin word keeps every character.

    Undone are compatibility forms of letters (fullwidth, mathematical, circled), invisible characters inside and
    beside Latin words (zero-width, bidirectional, tags), letters of other scripts that pass for Latin ones, and spaces
    or signs between all letters of a word. Joiners of emoji and of other scripts, directional marks of right-to-left
    texts, and fullwidth digits and signs of East Asian texts stay.

    Whoever judges should judge both forms of a text that was changed and take the higher score: undoing can join
    letters that were meant to stand apart, and so may only ever add a judgement, never take one away. Training texts
    are left as they are: a model learns ordinary words, and an ordinary text has a single form, judged once.
    """
    found = []
    for name, step in _STEPS:
        changed = step(text)
        if changed != text:
            found.append(name)
            text = changed
    return Undone(text, tuple(found))


def undo_exchange(exchange: Exchange) -> UndoneExchange:
    """Undo the evasion of a prompt and of its response (``undo_evasion``)."""
    prompt = undo_evasion(exchange.prompt)
    response = undo_evasion(exchange.response or "")
    without = Exchange(prompt.text, None if exchange.response is None else response.text)
    return UndoneExchange(without, tuple(dict.fromkeys(prompt.found + response.found)))
