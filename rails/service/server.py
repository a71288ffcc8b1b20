"""Run the service: listen, load, and end without losing a request.

On SIGTERM ``/readyz`` turns 503 at once. Requests are still answered for ``drain`` seconds, in which whatever balances
the load stops sending them; then nothing more is accepted, and those that are being answered are answered.
"""

import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

import uvicorn

from ...classifier.errors import SettingsError
from ..audit import AuditLog
from ..guard import Guard, Observer
from .app import build_app
from .connections import bounded_connections
from .keys import Keys
from .settings import ServiceSettings
from .state import GRACE, Service

MOST_HEADERS = 16_384
"""Bytes of a request's headers."""

_log = logging.getLogger(__name__)


class DrainingServer(uvicorn.Server):
    """A uvicorn server that goes on for a while after SIGTERM."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        """Serve the app of ``config``, which is that of ``service``."""
        super().__init__(config)
        self._service = service
        self._ends_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain at the first SIGTERM; anything else ends the server as soon as its requests are answered."""
        if sig != signal.SIGTERM:
            super().handle_exit(sig, frame)
        elif self._service.draining:
            self.should_exit = True
        else:
            self._ends_at = time.monotonic() + self._service.settings.drain
        self._service.draining = True

    async def on_tick(self, counter: int) -> bool:
        """Say whether it is time to end; uvicorn asks ten times a second."""
        if self._ends_at is not None and time.monotonic() >= self._ends_at:
            self.should_exit = True
        return await super().on_tick(counter)


def make_server(service: Service) -> DrainingServer:
    """Make the server of a service; its models are loaded by somebody else.

    Raises:
        SettingsError: a key is asked for and there is none, or the certificate cannot be used.
    """
    settings = service.settings
    gate = build_app(service, Keys(settings.keys()))
    config = uvicorn.Config(
        gate,
        http=bounded_connections(gate, settings),
        h11_max_incomplete_event_size=MOST_HEADERS,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # else a client could choose the address that its rate is counted by
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        timeout_graceful_shutdown=round(settings.deadline + settings.body_seconds + GRACE),
    )
    try:
        config.load()
    except OSError as error:
        raise SettingsError(
            f"tls_certificate is {settings.tls_certificate!r} and tls_key {settings.tls_key!r}: "
            f"{error.strerror or error}; name two PEM files that belong together"
        ) from error
    return DrainingServer(config, service)


def serve(settings: ServiceSettings, *, say: Callable[[str], None] = _log.info) -> None:
    """Serve until SIGTERM or Ctrl-C; ``say`` is told when the server listens and when it is ready.

    Raises:
        SettingsError: the address is taken, a file cannot be used, or a key is asked for and there is none.
        ModelError: there is no model, one cannot be used, or CUDA was asked for and is not there.
        EngineError: a model cannot judge.
    """
    service = Service(settings)
    server = make_server(service)
    observers = observers_of(service)
    with _listening(settings) as listening:
        say(f"Listening on {_address(settings, listening)}; the models are being loaded.")
        loading = _Loading(service, server, observers, say)
        loading.start()
        try:
            server.run(sockets=[listening])
        finally:
            loading.join()
            if service.guard is not None:
                service.guard.close()
    if loading.failure is not None:
        raise loading.failure


class _Loading(threading.Thread):
    """Loads the models while the server already answers ``/healthz``; a failure ends the server."""

    def __init__(
        self, service: Service, server: uvicorn.Server, observers: list[Observer], say: Callable[[str], None]
    ) -> None:
        super().__init__(name="railmatch-loading", daemon=True)
        self.failure: Exception | None = None
        self._service = service
        self._server = server
        self._observers = observers
        self._say = say

    def run(self) -> None:
        try:
            guard = load_guard(self._service.settings, self._observers)
        except Exception as error:
            self.failure = error
            self._server.should_exit = True
            return
        self._service.use(guard)
        self._say(f"Ready: {thresholds_of(guard)}.")


def observers_of(service: Service) -> list[Observer]:
    """Give what shall be told of every verdict: the metrics, and the audit log where one is wanted.

    Raises:
        SettingsError: the audit log cannot be written.
    """
    settings = service.settings
    if settings.audit_file is None:
        return [service.metrics]
    return [service.metrics, AuditLog(Path(settings.audit_file), text=settings.audit_text)]


def thresholds_of(guard: Guard) -> str:
    """Name what is judged, and from which scores on it is blocked."""
    return ", ".join(f"{task}s at threshold {check.threshold:.4f}" for task, check in guard.checks.items())


def load_guard(settings: ServiceSettings, observers: Sequence[Observer], *, cores: int | None = None) -> Guard:
    """Load and warm up the models, on at most ``cores`` cores where they are int8 forms.

    Raises:
        ModelError: there is no model, one cannot be used, or CUDA was asked for and is not there.
        EngineError: a model cannot judge.
    """
    guard = Guard.load(
        settings.models, device=settings.device, deadline=settings.deadline, observers=observers, cores=cores,
        prompt_threshold=settings.prompt_threshold, response_threshold=settings.response_threshold,
    )  # fmt: skip
    guard.warm_up()
    return guard


def _listening(settings: ServiceSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0]  # Python adds the address itself
        raise SettingsError(
            f"{settings.host}:{settings.port} cannot be listened on: {reason}; choose another host or port"
        ) from error


def _address(settings: ServiceSettings, listening: socket.socket) -> str:
    scheme = "http" if settings.tls_certificate is None else "https"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{scheme}://{host}:{listening.getsockname()[1]}"
