"""One replica: a process of a Ray cluster in which the app of ``railmatch serve`` runs, told by Serve what to serve."""

import asyncio
from dataclasses import asdict, dataclass
from typing import Any

from ray import serve

from ...classifier.errors import ModelError
from ..service.app import build_app
from ..service.gate import Gate
from ..service.keys import Keys
from ..service.server import load_guard, observers_of
from ..service.state import Service
from .settings import ReplicaSettings


@dataclass(frozen=True)
class Orders:
    """What all replicas shall do; Serve hands it to one after the other, and changes are what it calls an update.

    ``versions`` are those of the models by task, so that a machine with other files is found; ``update`` counts the
    updates, so that each is one although nothing else may have changed.
    """

    versions: dict[str, str]
    update: int = 0
    draining: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, which is what Serve takes."""
        return asdict(self)


class Replica:
    """Loads the models when it is told to, and answers with the ones before until then."""

    def __init__(self, settings: ReplicaSettings, keys: Keys) -> None:
        """Prepare the app; Serve calls ``reconfigure`` before it sends requests."""
        self._settings = settings
        self._service = Service(settings, replica=serve.get_replica_context().replica_id.unique_id)
        self._observers = observers_of(self._service)
        self._update = -1
        _here.append(build_app(self._service, keys))

    async def reconfigure(self, orders: dict[str, Any]) -> None:
        """Follow new orders; meanwhile Serve sends requests to other replicas.

        Raises:
            ModelError: the models cannot be used, or are others than those of the command.
            EngineError: a model cannot judge.
        """
        wanted = Orders(**orders)
        if wanted.update != self._update:
            await asyncio.to_thread(self._load, wanted.versions)
            self._update = wanted.update
        self._service.draining = wanted.draining

    def _load(self, versions: dict[str, str]) -> None:
        guard = load_guard(self._settings, self._observers, cores=self._settings.cores)
        found = {str(task): check.version for task, check in guard.checks.items()}
        if found != versions:
            guard.close()
            raise ModelError(
                f"{self._settings.models} holds other models on this machine, {found}, than where the command runs, "
                f"{versions}: copy them to every machine of the cluster"
            )
        self._service.use(guard)


_here: list[Gate] = []
"""The app of this process: Serve asks for it by a function, and puts no two replicas into one process."""


def app_of_this_process() -> Gate:
    """Give the app of the replica in this process."""
    return _here[-1]
