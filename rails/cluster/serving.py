"""Serve the models from a Ray cluster: start the replicas, update their models, and end without losing a request."""

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from queue import SimpleQueue
from time import sleep
from uuid import uuid4

from ray import serve
from ray.serve.config import HTTPOptions
from ray.serve.exceptions import RayServeException

from ...classifier.errors import RailMatchError, SettingsError
from ..service.keys import Keys
from ..service.server import load_guard, thresholds_of
from ..service.state import GRACE
from .claim import sole_command
from .connection import absolute, connected, gpu_share
from .deployment import NAME, described
from .replica import Orders
from .settings import ReplicaSettings

PATHS = ("models", "audit_file")
"""Settings that are paths, which every replica must find."""

_log = logging.getLogger(__name__)


class Replicas:
    """The application on the cluster that this process is connected to, from ``deploy`` to ``end``."""

    def __init__(self, settings: ReplicaSettings) -> None:
        """Take settings, and read the keys, of which replicas get hashes.

        Raises:
            SettingsError: a key is asked for and there is none.
        """
        given = {name: path for name in PATHS if (path := getattr(settings, name)) is not None}
        self._settings = settings.model_copy(update={name: absolute(path) for name, path in given.items()})
        self._keys = Keys(settings.keys())
        self._orders = Orders({}, update=0)
        self._version = uuid4().hex
        self._ours = False

    def deploy(self) -> str:
        """Start the replicas, or let one after the other load the models anew; gives the thresholds that count then.

        The models are loaded here first, so that what cannot be used replaces nothing.

        Raises:
            ModelError: there is no model, or one cannot be used.
            EngineError: a model cannot judge.
            SettingsError: the replicas cannot be started, or cannot use the models.
        """
        with load_guard(self._settings.model_copy(update={"device": "cpu"}), (), cores=1) as guard:
            versions = {str(task): check.version for task, check in guard.checks.items()}
            thresholds = thresholds_of(guard)
        self._follow(Orders(versions, self._orders.update + 1))
        return thresholds

    def end(self) -> None:
        """Turn ``/readyz`` to 503, answer for ``drain`` seconds more, and end the replicas as they run out of work."""
        try:
            self._follow(replace(self._orders, draining=True))
            sleep(self._settings.drain)
        finally:
            self.remove()

    def remove(self) -> None:
        """End the replicas as they run out of work, unless none of them was ever asked for here."""
        if self._ours:
            serve.delete(NAME)

    def _follow(self, orders: Orders) -> None:
        """Have all replicas follow orders; comes back when they do."""
        self._ours, self._orders = True, orders  # before they are followed: where one replica fails, others may not
        deployment = described(self._settings, orders, version=self._version, gpus=gpu_share(self._settings))
        try:
            serve.run(deployment.bind(self._settings, self._keys), name=NAME, route_prefix="/")
        except (RuntimeError, RayServeException) as error:
            reason = getattr(error, "cause", error)  # of an error from another process, without its traceback
            raise SettingsError(f"the replicas do not run: {reason}") from error


def serve_on_ray(settings: ReplicaSettings, *, say: Callable[[str], None] = _log.info) -> None:
    """Serve until SIGTERM or Ctrl-C; SIGHUP loads the models anew, one replica after the other.

    Raises:
        SettingsError: there is no cluster, another command serves from it, the replicas do not run, or a key is asked
            for and there is none.
        ModelError: there is no model, one cannot be used, or CUDA was asked for and is not there.
        EngineError: a model cannot judge.
    """
    replicas = Replicas(settings)
    with connected(settings), sole_command():
        where = start_listening(settings)
        try:
            say(f"Ready {where}: {replicas.deploy()}.")
        except BaseException:
            replicas.remove()
            raise
        with _signals() as signals:
            while signals.get() == signal.SIGHUP:
                say(_updated(replicas))
            replicas.end()


def start_listening(settings: ReplicaSettings) -> str:
    """Have every machine of the cluster that runs a replica listen, and say where.

    Where Serve runs already it stays as it is.
    """
    runs = bool(serve.status().proxies)
    serve.start(
        http_options=HTTPOptions(
            host=settings.host,
            port=settings.port,
            request_timeout_s=settings.body_seconds + settings.deadline + GRACE,
            ssl_keyfile=settings.tls_key and absolute(settings.tls_key),
            ssl_certfile=settings.tls_certificate and absolute(settings.tls_certificate),
        )
    )
    return "where the cluster's Ray Serve listens already" if runs else f"on port {settings.port}"


def _updated(replicas: Replicas) -> str:
    """Update the models, and say what is served then: those before, where the new ones cannot be used."""
    try:
        return f"Updated: {replicas.deploy()}."
    except RailMatchError as error:
        return f"Not updated: {error}"


@contextmanager
def _signals() -> Iterator["SimpleQueue[int]"]:
    """Give the signals that ask for something, in their order, for the time of a block."""
    come: SimpleQueue[int] = SimpleQueue()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)}
    for number in handlers:
        signal.signal(number, lambda number, frame: come.put(number))
    try:
        yield come
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
