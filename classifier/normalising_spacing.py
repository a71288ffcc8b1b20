"""Letter-spacing ("h o w  t o", "h.o.w"): join the letters, and find the words again where no wider gap shows them."""

import re
from collections import Counter

from .normalising_vocabulary import split_words

_BETWEEN = r"(?:\s{1,3}|\s?[.\-_*·•|~/,;:]\s{0,2})"
_SIGNS = " \t\r\n-_*·•|~/"
_LETTER = r"[A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff]"
_SPACED = re.compile(rf"(?<![^\W_])(?<!['\u2019]){_LETTER}(?:{_BETWEEN}{_LETTER}(?![^\W_]|['\u2019])){{2,}}")
_GAP = re.compile(r"[\W_]+")
_LISTING = re.compile(r"[,;:]")
_NEW_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")


def join_spaced_letters(text: str) -> str:
    """Join three or more letters that stand one by one; the sign found most often between them is left out.

    Every other sign stands between words. Where there is none, the likeliest words of the letters are taken. Letters
    with commas between them are a list and stay.

    Raises:
        ModelError: the embedded encoder's files are missing or were changed.
    """
    return _SPACED.sub(lambda stretch: _words(stretch[0]), text)


def _words(stretch: str) -> str:
    gaps = _GAP.findall(stretch)
    [(between, count)] = Counter(gaps).most_common(1)
    if count < 2 or _LISTING.search(between):
        return stretch
    words = [[stretch[0]]]  # lists, for strings that grow by a letter are copied with every letter
    for letter, gap in zip(_GAP.split(stretch)[1:], gaps, strict=True):
        if gap == between:
            words[-1].append(letter)
        else:
            words[-1].append(gap.strip(_SIGNS))
            words.append([letter])
    return " ".join(split_words(part) for word in words for part in _NEW_WORD.split("".join(word)))
