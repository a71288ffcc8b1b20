"""One command at a time serves from a cluster: a second one would take the place of the first without a word."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray

from ...classifier.errors import SettingsError

CLAIM = "railmatch-serve"
"""The name of the claim, in a namespace of the same name, which no two processes can have at a time."""


class Claim:
    """An actor that does nothing: its name is what counts, and Ray ends it with the process that made it."""


@contextmanager
def sole_command() -> Iterator[None]:
    """Be the only command that serves from the cluster for the time of a block, however this process ends.

    What a command left there that was killed may be replaced, and its requests are not dropped.

    Raises:
        SettingsError: another one serves from it.
    """
    only = {"name": CLAIM, "namespace": CLAIM, "num_cpus": 0, "max_restarts": -1}  # its machine may go
    try:
        claim: Any = ray.remote(Claim).options(**only).remote()
    except ValueError as error:
        raise SettingsError(
            "another railmatch serve --ray serves from this cluster: end that one first (SIGTERM), have it load new "
            "models (SIGHUP), or name another cluster with address"
        ) from error
    try:
        yield
    finally:
        ray.kill(claim)
