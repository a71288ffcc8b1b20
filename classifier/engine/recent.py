"""Judgements of the last texts, because a streamed response is judged again as a whole when it is complete."""

import hashlib
from collections import OrderedDict

from ..inputs import Exchange
from .request import Judgement


def fingerprint(exchange: Exchange) -> bytes:
    """Hash an exchange so that two different ones never share a judgement; nothing keeps the text itself."""
    prompt = exchange.prompt.encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(f"{len(prompt)}:".encode() + prompt)  # the length, else "a" + "bc" would be "ab" + "c"
    if exchange.response is not None:
        digest.update(b":" + exchange.response.encode("utf-8", "surrogatepass"))
    return digest.digest()


class Recent:
    """The newest ``size`` judgements by fingerprint; whoever calls sees to it that one thread at a time does."""

    def __init__(self, size: int) -> None:
        """Keep at most ``size`` judgements; 0 keeps none."""
        self.size = size
        self._judgements: OrderedDict[bytes, Judgement] = OrderedDict()

    def get(self, key: bytes) -> Judgement | None:
        """Give a judgement, which then counts as used last, or None."""
        if key not in self._judgements:
            return None
        self._judgements.move_to_end(key)
        return self._judgements[key]

    def put(self, key: bytes, judgement: Judgement) -> None:
        """Keep a judgement, and forget the one that was used longest ago where there are too many."""
        self._judgements[key] = judgement
        self._judgements.move_to_end(key)
        if len(self._judgements) > self.size:
            self._judgements.popitem(last=False)

    def __len__(self) -> int:
        """Count the judgements."""
        return len(self._judgements)
