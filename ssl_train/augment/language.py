"""Is a rewrite in the language of its text? Told by its letters, and where they are the same by py3langid, offline.

A guess counts only where it is sure: of 6,000 English texts of at least 40 Latin letters py3langid took six for another
language, the surest of them at 0.71; short texts and mixed ones it takes for anything.
"""

import unicodedata
from collections import Counter
from functools import cache
from typing import Any

LETTERS = 40
"""A text with fewer letters than this is not guessed at."""

SURE = 0.9
"""The least probability of a guess that counts."""

_EAST_ASIAN = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "HALFWIDTH", "KATAKANA-HIRAGANA"})
_LATIN_LOOKS = frozenset({"FULLWIDTH", "MATHEMATICAL", "DOUBLE", "SCRIPT", "FEMININE", "MASCULINE", "MODIFIER"})
"""First words of the names of letters that are written for Latin ones."""


def is_other_script(text: str, answer: str) -> bool:
    """Tell whether ``answer`` is written in other letters than ``text``, so in another language.

    A text that mixes scripts evenly, or has no letters, may be answered in any.
    """
    asked, answered = main_script(text), main_script(answer)
    return asked is not None and answered is not None and asked != answered


def is_other_language(text: str, answer: str) -> bool:
    """Tell whether ``answer`` is surely in another language than ``text``, whose letters are the same."""
    if not (_can_be_told(text) and _can_be_told(answer)):
        return False
    (asked, sure), (answered, as_sure) = map(_identifier().classify, (text, answer))
    return bool(asked != answered and min(sure, as_sure) >= SURE)


def _can_be_told(text: str) -> bool:
    return sum(map(str.isalpha, text)) >= LETTERS and main_script(text) is not None


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # its model takes a second or two to load

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def main_script(text: str) -> str | None:
    """Name the script of at least nine tenths of the letters of ``text``; None where no script has so many.

    Kana, hangul and Chinese characters are one script here, because Japanese and Korean mix them.
    """
    if text.isascii():  # as most texts are, and looking letters up takes long
        return "LATIN" if any(map(str.isalpha, text)) else None
    scripts = Counter(_script(letter) for letter in text if letter.isalpha())
    if not scripts:
        return None
    script, count = scripts.most_common(1)[0]
    return script if count >= 0.9 * scripts.total() else None


def _script(letter: str) -> str:
    name = unicodedata.name(letter, "UNKNOWN").split(" ", 1)[0].split("-", 1)[0]
    return "CJK" if name in _EAST_ASIAN else "LATIN" if name in _LATIN_LOOKS else name
