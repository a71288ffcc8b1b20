"""Use a Ray cluster for a while: one that runs already, or one that is started on this machine and ended again."""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray

from ...classifier.errors import SettingsError
from .settings import ClusterSettings

LOCAL = "local"
"""How Ray calls a cluster that it starts itself."""

_log = logging.getLogger(__name__)


@contextmanager
def connected(settings: ClusterSettings) -> Iterator[None]:
    """Be connected to a cluster for the time of a block; a connection that is there already is used and left.

    A Ray that is started here shows no dashboard and reports no usage.

    Raises:
        SettingsError: there is no cluster at the address.
    """
    if ray.is_initialized():
        yield
        return
    address = settings.address or os.environ.get("RAY_ADDRESS") or LOCAL
    _connect(address)
    try:
        yield
    finally:
        ray.shutdown()


def gpu_share(settings: ClusterSettings) -> float:
    """Say how many GPUs each process gets: what is set, else one where the cluster has any and they are wanted.

    Where no machine has what a process asks for, Ray waits for one and does not say so; here a warning does.
    """
    nodes = ray.nodes()  # type: ignore[no-untyped-call]  # not annotated there
    machines = [node["Resources"] for node in nodes if node["Alive"]]
    wanted = settings.device != "cpu" and any(machine.get("GPU", 0) >= 1 for machine in machines)
    gpus = settings.gpus if settings.gpus is not None else float(wanted)
    if not any(machine.get("CPU", 0) >= settings.cpus and machine.get("GPU", 0) >= gpus for machine in machines):
        _log.warning("no machine of the cluster has cpus=%g and gpus=%g: waiting for one", settings.cpus, gpus)
    return gpus


def absolute(path: str) -> str:
    """Give a path that leads to the same place from the current folder of every process of the cluster."""
    return str(Path(path).expanduser().absolute())


def _connect(address: str) -> None:
    if address == LOCAL:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        return
    try:
        _knock(address)
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        raise SettingsError(
            f"address is {address!r}: no Ray cluster can be reached there; start one (ray start --head), or leave "
            "address out to use this machine alone"
        ) from error


def _knock(address: str) -> None:
    """See whether anybody listens, for Ray would try for minutes.

    Raises:
        OSError: nobody does.
    """
    host, _, port = address.rpartition(":")
    if port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=10).close()
