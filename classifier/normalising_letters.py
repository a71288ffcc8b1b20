"""Letters that only look Latin, and characters that are not seen: found, and replaced by what a reader reads."""

import unicodedata
from functools import cache

import regex
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
_FORM_RUN = regex.compile(rf"[{_FORMS}](?:[\s\p{{Default_Ignorable_Code_Point}}]*[{_FORMS}])*")
_LETTER_FORM = regex.compile(rf"(?V1)[[{_FORMS}]--[\uff01-\uff20\uff3b-\uff40\uff5b-\uff5e]]")
_PARENTHESISED = regex.compile(r"\((\p{ASCII})\)")
_ASCII_LETTERS = regex.compile(r"[A-Za-z]")

_INVISIBLE_RUN = regex.compile(r"\p{Default_Ignorable_Code_Point}+")
_BIDIRECTIONAL = regex.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_RIGHT_TO_LEFT = regex.compile(r"[\p{Bidi_Class=R}\p{Bidi_Class=AL}]")
_TAGS = regex.compile(r"[\U000e0020-\U000e007f]+")
_CUT_WORD = regex.compile(
    r"(?<!\p{L})(?=[\p{L}\p{Default_Ignorable_Code_Point}]*\p{Latin})\p{L}[\p{L}\p{Default_Ignorable_Code_Point}]*\p{L}"
)
_FLAG = "\U0001f3f4"
_WORD = regex.compile(r"[\p{Latin}0-9]")
_FOREIGN = regex.compile(r"(?V1)[[\P{ASCII}--[\p{Latin}\p{Zs}\u2010-\u203b\u203d-\u2048\u204a-\u205e]][\u203c\u2049]]")

_LATIN_WORD = regex.compile(r"\p{Latin}+")
_FOREIGN_LETTER = regex.compile(r"(?V1)[[\p{L}\p{Nl}]--\p{Latin}]")
_LONE_LETTERS = regex.compile(r"(?<!\p{L})(?=[^\p{Latin}]{0,40}\p{Latin})\p{L}(?:\P{L}{1,4}\p{L}(?!\p{L})){2,}")
_ANY_WORD = regex.compile(r"\p{L}+")
_MIXED_WORD = regex.compile(r"(?<![\p{L}\p{Nl}])(?=[\p{L}\p{Nl}]*\p{Latin})[\p{L}\p{Nl}]+")
_PHONETIC = {0x251: "a", 0x261: "g"}
_SMALL_CAPITAL = "LATIN LETTER SMALL CAPITAL "


def reveal_compatibility_forms(text: str) -> str:
    """Turn fullwidth, mathematical, circled, squared and parenthesised letters into ordinary ones.

    One such letter that stands alone is a sign (the circled M of a metro) and stays, and so do digits and punctuation
    marks that stand without such letters.
    """
    forms = _LETTER_FORM.findall(text)
    if not forms:
        return text
    return _FORM_RUN.sub(lambda run: _ordinary_form(run, many=len(forms) > 2), text)


def _ordinary_form(run: "regex.Match[str]", many: bool) -> str:
    plain = "".join(map(_ordinary_letter, _INVISIBLE_RUN.sub("", run[0])))
    letters = len(_ASCII_LETTERS.findall(plain))
    in_a_word = any(_WORD.match(mark) for mark in _neighbours(run))
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
    text = _CUT_WORD.sub(lambda word: _INVISIBLE_RUN.sub(_hidden_ascii, word[0]), text)
    return _INVISIBLE_RUN.sub(_visible_part, text)


def _hidden_ascii(run: "regex.Match[str]") -> str:
    return "".join(chr(ord(tag) - 0xE0000) for found in _TAGS.findall(run[0]) for tag in found).rstrip("\x7f")


def _visible_part(run: "regex.Match[str]") -> str:
    before, after = _neighbours(run)
    if before == _FLAG and _TAGS.fullmatch(run[0]) and len(run[0]) <= 7:  # a flag such as Scotland's
        return run[0]
    if hidden := _hidden_ascii(run):
        return hidden
    if _FOREIGN.match(before) or _FOREIGN.match(after):
        return run[0]
    if _BIDIRECTIONAL.fullmatch(run[0]) and _RIGHT_TO_LEFT.search(run.string):
        return run[0]
    return ""


def reveal_homoglyphs(text: str) -> str:
    """Replace letters that pass for Latin ones, in words that are then wholly Latin.

    A word without any Latin letter is replaced only in a text that reads as Latin, so that a Russian or Greek text,
    some of whose words happen to consist of such letters, stays as it is.
    """
    if text.isascii() or not _ANY_WORD.search(text):
        return text
    text = _LONE_LETTERS.sub(lambda letters: _latin_word(letters[0]), text)  # else each would be a word of its own
    text = _MIXED_WORD.sub(lambda word: _latin_word(word[0]), text)
    return _passing_word().sub(lambda word: _latin_word(word[0]), text) if _reads_as_latin(text) else text


def _latin_word(word: str) -> str:
    plain = word.translate(_lookalikes())
    return word if _FOREIGN_LETTER.search(plain) else _INVISIBLE_RUN.sub("", plain)


def _reads_as_latin(text: str) -> bool:
    """Say whether most letters are Latin, or most words without a Latin letter pass for known English ones."""
    words = _ANY_WORD.findall(text)
    if 2 * sum(map(len, _LATIN_WORD.findall(text))) > sum(map(len, words)):
        return True
    passing = [_latin_word(word).lower() for word in _passing_word().findall(text)]
    known = sum(len(word) > 2 and word in word_costs() for word in passing)
    return known > 1 and 2 * known > len(words)


@cache
def _passing_word() -> "regex.Pattern[str]":
    letters = "".join(map(chr, _lookalikes()))
    return regex.compile(
        rf"(?<!\p{{L}})[{letters}](?:[{letters}\p{{Default_Ignorable_Code_Point}}]*[{letters}])?(?!\p{{L}})"
    )


@cache
def _lookalikes() -> dict[int, str]:
    """Map letters to the ASCII letter that they pass for: Unicode's confusables, and small capitals.

    Latin letters of living alphabets (the Turkish dotless i) are not in it.
    """
    table = dict(_PHONETIC)
    for letter, similar in confusables_data.items():
        plain = next(filter(None, (_ascii_letter(other["c"]) for other in similar)), None)
        if plain and len(letter) == 1 and _FOREIGN_LETTER.match(letter):
            table[ord(letter)] = "I" if plain == "l" and letter.isupper() else plain
    small = map(chr, (*range(0x250, 0x2B0), *range(0x1D00, 0x1D23), 0xA730, 0xA731))
    return table | {ord(letter): plain for letter in small if (plain := _ascii_letter(letter))}


def _ascii_letter(letter: str) -> str | None:
    if len(letter) == 1 and _ASCII_LETTERS.match(letter):
        return letter
    name = unicodedata.name(letter, "") if len(letter) == 1 else ""
    plain = name.removeprefix(_SMALL_CAPITAL)
    return plain.lower() if len(plain) == 1 else None


def _neighbours(run: "regex.Match[str]") -> tuple[str, str]:
    """Give the characters before and after a match, empty at the ends of the text."""
    return run.string[max(0, run.start() - 1) : run.start()], run.string[run.end() : run.end() + 1]
