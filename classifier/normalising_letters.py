"""Letters that only look Latin, and characters that are not seen: found, and replaced by what a reader reads."""

import re
import unicodedata
from functools import cache

from confusable_homoglyphs.confusables import confusables_data

from .normalising_vocabulary import word_costs

# Forms that NFKC turns into one ASCII character each, and ligatures. Left out, because ordinary texts use them alone:
# superscript digits, roman numerals, signs such as the numero, litre and kilogram signs.
_FORMS = (
    r"\u02b0-\u02b8\u02e1-\u02e3\u1d2c-\u1d6a\u2070-\u209c"
    r"\u2102\u210a-\u210d\u2110-\u2112\u2115\u2119-\u211d\u2124\u2128\u212c\u212d\u212f-\u2131\u2133\u2134\u2145-\u2149"
    r"\u249c-\u24e9\ufb00-\ufb06\uff01-\uff5e\U0001d400-\U0001d7ff\U0001f110-\U0001f149"
    r"\U0001f150-\U0001f169\U0001f170-\U0001f189"
)
# Unicode's default ignorable code points; a regex engine that knows their name takes ten times as long.
_INVISIBLE = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    r"\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_LATIN = (
    r"A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02b8\u02e0-\u02e4\u1d00-\u1d25\u1e00-\u1eff\ua722-\ua787"
)

_FORM_RUN = re.compile(rf"[{_FORMS}](?:[\s{_INVISIBLE}]*[{_FORMS}])*")
_LETTER_FORM = re.compile(rf"(?![\uff01-\uff20\uff3b-\uff40\uff5b-\uff5e])[{_FORMS}]")
_PARENTHESISED = re.compile(r"\(([!-~])\)")
_ASCII_LETTERS = re.compile(r"[A-Za-z]")

_INVISIBLE_RUN = re.compile(rf"[{_INVISIBLE}]+")
_BIDIRECTIONAL = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_TAGS = re.compile(r"[\U000e0020-\U000e007f]+")
_FLAG = "\U0001f3f4"
_IN_A_WORD = re.compile(rf"[{_LATIN}0-9]")
_FOREIGN = re.compile(
    rf"[\u203c\u2049]|(?![\x00-\x7f{_LATIN}\u00a0\u2000-\u203b\u203d-\u2048\u204a-\u205f\u3000])[\s\S]"
)

_WORD = re.compile(r"[^\W\d_]+")
_LONE_LETTERS = re.compile(r"(?<![^\W\d_])[^\W\d_](?:[\W\d_]{1,4}[^\W\d_](?![^\W\d_])){2,}")
_CUT_WORD = re.compile(rf"[^\W\d_](?:(?:[^\W\d_]|[{_INVISIBLE}])*[^\W\d_])?")
_LATIN_LETTER = re.compile(rf"[{_LATIN}]")
_LATIN_LETTERS = re.compile(rf"[{_LATIN}]+")
_PHONETIC = {0x251: "a", 0x261: "g"}
_SMALL_CAPITAL = "LATIN LETTER SMALL CAPITAL "


def reveal_compatibility_forms(text: str) -> str:
    """Turn fullwidth, mathematical, circled, squared and parenthesised letters into ordinary ones.

    One such letter that stands alone is a sign (the circled M of a metro) and stays, and so do digits and punctuation
    marks that stand without such letters.
    """
    forms = [] if text.isascii() else _LETTER_FORM.findall(text)
    if not forms:
        return text
    return _FORM_RUN.sub(lambda run: _ordinary_form(run, many=len(forms) > 2), text)


def _ordinary_form(run: "re.Match[str]", many: bool) -> str:
    plain = "".join(map(_ordinary_letter, _INVISIBLE_RUN.sub("", run[0])))
    letters = len(_ASCII_LETTERS.findall(plain))
    in_a_word = any(_IN_A_WORD.match(mark) for mark in _neighbours(run))
    return plain if letters > 1 or (letters and (in_a_word or many)) else run[0]


@cache
def _ordinary_letter(form: str) -> str:
    for first in (0x1F150, 0x1F170):  # negative circled and squared capitals, which NFKC does not know
        if first <= ord(form) < first + 26:
            return chr(ord("A") + ord(form) - first)
    return _PARENTHESISED.sub(r"\1", unicodedata.normalize("NFKC", form))


def reveal_invisible(text: str) -> str:
    """Remove invisible characters in and beside Latin words, and spell out ASCII that is hidden in tag characters.

    They stay where they do their work: next to emoji and letters of other scripts, and bidirectional controls anywhere
    in a text that has right-to-left letters, unless a Latin word is cut by them.
    """
    if text.isascii() or not _INVISIBLE_RUN.search(text):
        return text
    text = _CUT_WORD.sub(_whole_word, text)
    right_to_left = any(unicodedata.bidirectional(mark) in ("R", "AL") for mark in text)
    return _INVISIBLE_RUN.sub(lambda run: _visible_part(run, right_to_left), text)


def _whole_word(word: "re.Match[str]") -> str:
    """Join a word again that has Latin letters; in a word of another script a joiner may be part of its spelling."""
    return _INVISIBLE_RUN.sub(_hidden_ascii, word[0]) if _LATIN_LETTER.search(word[0]) else word[0]


def _hidden_ascii(run: "re.Match[str]") -> str:
    return "".join(chr(ord(tag) - 0xE0000) for found in _TAGS.findall(run[0]) for tag in found).rstrip("\x7f")


def _visible_part(run: "re.Match[str]", right_to_left: bool) -> str:
    before, after = _neighbours(run)
    if before == _FLAG and _TAGS.fullmatch(run[0]) and len(run[0]) <= 7:  # a flag such as Scotland's
        return run[0]
    if hidden := _hidden_ascii(run):
        return hidden
    if _FOREIGN.match(before) or _FOREIGN.match(after):
        return run[0]
    return run[0] if right_to_left and _BIDIRECTIONAL.fullmatch(run[0]) else ""


def reveal_homoglyphs(text: str) -> str:
    """Replace letters that pass for Latin ones, in words that are then wholly Latin.

    A word without any Latin letter is replaced only in a text that reads as Latin, so that a Russian or Greek text,
    some of whose words happen to consist of such letters, stays as it is.
    """
    if text.isascii() or not _lookalikes().keys() & set(map(ord, set(text))):
        return text
    if _LATIN_LETTER.search(text):
        text = _LONE_LETTERS.sub(_latin_letters, text)  # else each would be a word of its own
        text = _WORD.sub(_latin_if_mixed, text)
    return _CUT_WORD.sub(lambda word: _latin(word[0]), text) if _reads_as_latin(text) else text


def _latin(letters: str) -> str:
    """Give the Latin letters that these pass for, or the letters themselves where one of them passes for none."""
    plain = _INVISIBLE_RUN.sub("", letters).translate(_lookalikes())
    return plain if _LATIN_LETTERS.fullmatch(plain) else letters


def _latin_if_mixed(word: "re.Match[str]") -> str:
    return word[0] if word[0].isascii() or not _LATIN_LETTER.search(word[0]) else _latin(word[0])


def _latin_letters(stretch: "re.Match[str]") -> str:
    letters = "".join(_WORD.findall(stretch[0]))
    mixed = _LATIN_LETTER.search(letters) and _LATIN_LETTERS.fullmatch(_latin(letters))
    return stretch[0].translate(_lookalikes()) if mixed else stretch[0]


def _reads_as_latin(text: str) -> bool:
    """Say whether most letters are Latin, or most words pass for English ones without having a Latin letter."""
    words = _WORD.findall(text)
    if 2 * sum(map(len, _LATIN_LETTERS.findall(text))) > sum(map(len, words)):
        return True
    passing = [word.translate(_lookalikes()).lower() for word in words if _lookalikes().keys() >= set(map(ord, word))]
    known = sum(len(word) > 2 and word in word_costs() for word in passing)
    return known > 1 and 2 * known > len(words)


@cache
def _lookalikes() -> dict[int, str]:
    """Map letters to the ASCII letter that they pass for: Unicode's confusables, and small capitals.

    Latin letters of living alphabets (the Turkish dotless i) are not in it.
    """
    table = dict(_PHONETIC)
    for letter, similar in confusables_data.items():
        plain = next(filter(None, (_ascii_letter(other["c"]) for other in similar)), None)
        if plain and len(letter) == 1 and _WORD.match(letter) and not _LATIN_LETTER.match(letter):
            table[ord(letter)] = "I" if plain == "l" and letter.isupper() else plain
    small = map(chr, (*range(0x250, 0x2B0), *range(0x1D00, 0x1D23), 0xA730, 0xA731))
    return table | {ord(letter): plain for letter in small if (plain := _ascii_letter(letter))}


def _ascii_letter(letter: str) -> str | None:
    if len(letter) == 1 and _ASCII_LETTERS.match(letter):
        return letter
    name = unicodedata.name(letter, "") if len(letter) == 1 else ""
    plain = name.removeprefix(_SMALL_CAPITAL)
    return plain.lower() if len(plain) == 1 else None


def _neighbours(run: "re.Match[str]") -> tuple[str, str]:
    """Give the characters before and after a match, empty at the ends of the text."""
    return run.string[max(0, run.start() - 1) : run.start()], run.string[run.end() : run.end() + 1]
