"""How the replicas are described to Ray Serve: their number, what each takes of the cluster, and what they shall do."""

from typing import Any

from ray import serve
from ray.serve import Deployment
from ray.serve.config import AutoscalingConfig

from ..service.state import GRACE
from .replica import Orders, Replica, app_of_this_process
from .settings import ReplicaSettings

NAME = "railmatch"
"""The application's name on the cluster."""

MOST_REQUESTS = 512
"""Requests at a time that one replica is sent; its engine shares their forward passes."""

MOST_WAITING = 1024
"""Requests that wait at one machine for a replica, as many as callers wait for an engine; Ray would take any number."""


def described(settings: ReplicaSettings, orders: Orders, *, version: str, gpus: float) -> Deployment:
    """Describe the replicas; Serve changes what has changed of the description it had before.

    Args:
        settings: what the command was told.
        orders: what all replicas shall do.
        version: as long as it stays, new orders are handed to the replicas that run.
        gpus: for each replica, or a share of one.
    """
    describe = serve.deployment(
        name=NAME,
        user_config=orders.as_dict(),
        max_ongoing_requests=MOST_REQUESTS,
        max_queued_requests=MOST_WAITING,
        graceful_shutdown_timeout_s=settings.body_seconds + settings.deadline + GRACE,
        ray_actor_options={"num_cpus": settings.cpus, "num_gpus": gpus},
        **_number(settings),
    )
    deployment = describe(serve.ingress(app_of_this_process)(Replica))
    # Else every update would replace the processes: Serve gives each deployment a version by chance, and hands new
    # orders to running replicas only where it stays. Its own ways to keep one are not for a cluster that has other
    # applications, too: they replace those. Should a Ray not know this name, updates still drop nothing.
    deployment._version = version
    return deployment


def _number(settings: ReplicaSettings) -> dict[str, Any]:
    """Say how many replicas there are: a fixed number, or one that follows the load."""
    if settings.max_replicas is None:
        return {"num_replicas": settings.replicas}
    scaling = AutoscalingConfig(
        min_replicas=settings.replicas,
        max_replicas=settings.max_replicas,
        target_ongoing_requests=settings.target_requests,
    )
    return {"autoscaling_config": scaling}
