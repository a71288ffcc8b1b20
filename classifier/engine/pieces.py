"""Cut a very long text into pieces, so that it is tokenised and judged a part at a time and others get their turn."""

from collections.abc import Iterator

from ..inputs import Exchange

PIECE = 32_768
"""Characters of a piece: some twenty windows of 512 tokens, tokenised in a few hundredths of a second."""

OVERLAP = 2_048
"""Characters that the next piece sees again, about a window, so that a sentence on a seam is seen whole."""


def pieces(exchange: Exchange, *, characters: int = PIECE, overlap: int = OVERLAP) -> Iterator[Exchange]:
    """Yield exchanges that together hold all of what is judged, each of at most ``characters`` characters.

    What is judged is the response where there is one. Its prompt goes with every piece, and keeps only its beginning
    and its end where it is longer than a piece: the windows have no room for the middle in any case. An exchange that
    is short enough comes out as it is.
    """
    if len(exchange.prompt) <= characters and len(exchange.response or "") <= characters:
        yield exchange
        return
    if exchange.response is None:
        yield from (Exchange(part) for part in _cut(exchange.prompt, characters, overlap))
        return
    prompt = exchange.prompt
    if len(prompt) > characters:
        prompt = prompt[: characters // 2] + prompt[-(characters // 2) :]
    yield from (Exchange(prompt, part) for part in _cut(exchange.response, characters, overlap))


def _cut(text: str, characters: int, overlap: int) -> Iterator[str]:
    step = characters - overlap
    yield text[:characters]
    for start in range(step, max(0, len(text) - overlap), step):
        yield text[start : start + characters]
