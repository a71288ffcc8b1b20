"""Cut a very long text into pieces, so that it is tokenised and judged a part at a time and others get their turn."""

import re
from collections.abc import Iterator

from ..inputs import Exchange

PIECE = 32_768
"""Characters of a piece: some twenty windows of 512 tokens, tokenised in a few hundredths of a second."""

OVERLAP = 2_048
"""Characters that the next piece sees again, about a window, so that a sentence on a seam is seen whole."""

# Characters that give no token (blanks, controls, combining and invisible marks, private use) and could fill a piece.
_TOKENLESS = (
    r"\s\x00-\x1f\x7f-\x9f\u00ad\u0300-\u036f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\uf8ff\ufe00-\ufe0f"
    r"\ufeff\ufffd\U000e0000-\U0010ffff"
)
_LONG_GAP = re.compile(rf"[{_TOKENLESS}](?<![{_TOKENLESS}]{{2}})[{_TOKENLESS}]{{64,}}")
_BLANK = re.compile(r"[^\S\x0b\x0c\x1c-\x1f\x85]")  # tokenizers drop those controls, and join what they part


def pieces(exchange: Exchange, *, characters: int = PIECE, overlap: int = OVERLAP) -> Iterator[Exchange]:
    """Yield exchanges that together hold all of what is judged, each of at most ``characters`` characters.

    What is judged is the response where there is one. Its prompt goes with every piece, and keeps only its beginning
    and its end where it is longer than a piece: the windows have no room for the middle in any case. An exchange that
    is short enough comes out as it is; in a longer one, gaps of more than 64 characters that give no token are closed
    first, for else a gap could part the words of a sentence by more than any overlap.
    """
    if len(exchange.prompt) <= characters and len(exchange.response or "") <= characters:
        yield exchange
        return
    prompt = _LONG_GAP.sub(_closed, exchange.prompt)
    if exchange.response is None:
        yield from (Exchange(part) for part in _cut(prompt, characters, overlap))
        return
    if len(prompt) > characters:
        prompt = prompt[: characters // 2] + prompt[-(characters // 2) :]
    response = _LONG_GAP.sub(_closed, exchange.response)
    yield from (Exchange(prompt, part) for part in _cut(response, characters, overlap))


def _closed(gap: "re.Match[str]") -> str:
    return " " if _BLANK.search(gap[0]) else ""


def _cut(text: str, characters: int, overlap: int) -> Iterator[str]:
    step = characters - overlap
    yield text[:characters]
    for start in range(step, max(0, len(text) - overlap), step):
        yield text[start : start + characters]
