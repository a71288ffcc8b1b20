"""The gate before every endpoint: the key, the rate, the size and the time of a request; and who must go when draining.

It is plain ASGI, because a body must be counted while it arrives and not after.
"""

import asyncio

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .keys import Keys
from .rate import RateLimit
from .refusal import Refused
from .state import Service

OPEN = frozenset({"/healthz", "/readyz"})
"""Asked by whatever watches the process, without a key and as often as it likes."""

DISCARDED = 8
"""How many times ``max_body`` is read and thrown away, so that a client that is still sending can read the refusal."""


class Gate:
    """Lets requests through to the app, or refuses them."""

    def __init__(self, app: ASGIApp, service: Service, keys: Keys) -> None:
        """Stand before ``app``."""
        self._app = app
        self._service = service
        self._keys = keys
        rate, burst = service.settings.rate_limit, service.settings.burst
        self._rate = None if rate is None else RateLimit(rate, burst or max(1, round(2 * rate)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with self._service.requests.in_flight.track_inprogress():
            try:
                self._admit(scope)
                body = await self._body(receive)
            except Refused as refused:
                await refused.response()(scope, receive, self._noted(send))
            else:
                if body is not None:
                    await self._app(scope, _replayed(body, receive), self._noted(send))

    async def turn_away(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request of a connection that is one too many, unless whoever watches the process asks."""
        if scope["path"] in OPEN:
            await self(scope, receive, send)
            return
        most = self._service.settings.max_connections
        refused = Refused(503, "too_many_connections", f"{most} connections are open already", retry_after=1)
        response = refused.response()
        response.headers["connection"] = "close"
        await response(scope, receive, self._noted(send))

    def _admit(self, scope: Scope) -> None:
        """Check the rate before the key, so that keys cannot be tried out fast.

        Raises:
            Refused: too many requests, or a wrong key.
        """
        if scope["path"] in OPEN:
            return
        address = scope["client"][0] if scope["client"] else ""
        authorization = Headers(scope=scope).get("authorization", "").encode("latin-1")
        client, allowed = self._keys.client(authorization, address)
        wait = self._rate.take(client) if self._rate is not None else 0.0
        if wait:
            raise Refused(429, "rate_limited", f"too many requests: the next one may come in {wait:.2f} s",
                          retry_after=wait)  # fmt: skip
        if not allowed:
            raise Refused(401, "invalid_api_key", "the API key is missing or wrong: send Authorization: Bearer KEY")

    async def _body(self, receive: Receive) -> bytes | None:
        """Take the whole body; None where the client went away.

        Raises:
            Refused: it is too large or takes too long.
        """
        limit = self._service.settings.max_body
        parts, size, more = [], 0, True
        try:
            async with asyncio.timeout(self._service.settings.body_seconds):
                while more and size <= DISCARDED * limit:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    part = message.get("body", b"")
                    size += len(part)
                    if size <= limit:
                        parts.append(part)
                    more = message.get("more_body", False)
        except TimeoutError:
            raise Refused(408, "body_timeout", "the request took too long to arrive") from None
        if size > limit:
            raise Refused(413, "body_too_large", f"the request has more than {limit} bytes")
        return b"".join(parts)

    def _noted(self, send: Send) -> Send:
        """Count the answer; while draining, tell the client to connect anew, which leads it elsewhere."""

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._service.requests.answers.labels(str(message["status"])).inc()
                if self._service.draining:
                    MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        return noted


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Give the body in one message, then whatever else comes."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return first.pop() if first else await receive()

    return replayed
