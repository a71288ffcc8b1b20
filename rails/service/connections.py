"""Connections of the server: how many there may be, and how long one may take to say what it wants."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

from .gate import Gate
from .settings import ServiceSettings


def bounded_connections(gate: Gate, settings: ServiceSettings) -> type[H11Protocol]:
    """Make uvicorn's class of connections with two bounds that it has not.

    A connection beyond ``max_connections`` gets the gate's refusal, in the form of every other one. One that does not
    complete the headers of a request within ``header_seconds`` is closed: uvicorn would wait for ever.
    """

    class Connection(H11Protocol):
        _patience: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
            super().connection_made(transport)
            if len(self.connections) > settings.max_connections:
                self.app = gate.turn_away
            self._wait_for_headers()

        def handle_events(self) -> None:
            super().handle_events()
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop_waiting()

        def on_response_complete(self) -> None:
            self._wait_for_headers()
            super().on_response_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def _wait_for_headers(self) -> None:
            self._stop_waiting()
            self._patience = self.loop.call_later(settings.header_seconds, self.timeout_keep_alive_handler)

        def _stop_waiting(self) -> None:
            if self._patience is not None:
                self._patience.cancel()

    return Connection
