"""Who sends a request: the keys that are known, compared so that the time taken tells nothing about them."""

import hashlib
import hmac
from collections.abc import Sequence


class Keys:
    """The keys that clients may send as ``Authorization: Bearer KEY``; without any, everybody may ask."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Keep hashes, so that all comparisons are of equal length and no key is sent where this object is."""
        self._digests = [_digest(key.encode()) for key in keys]

    def client(self, authorization: bytes, address: str) -> tuple[bytes, bool]:
        """Name the client (its key, or its address where the key is none) and say whether it may ask."""
        if not self._digests:
            return address.encode(), True
        scheme, _, key = authorization.partition(b" ")
        sent = _digest(key.strip())
        known = [hmac.compare_digest(sent, digest) for digest in self._digests]  # all, so that none is found faster
        allowed = any(known) and scheme.lower() == b"bearer"
        return (sent if allowed else address.encode()), allowed


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
