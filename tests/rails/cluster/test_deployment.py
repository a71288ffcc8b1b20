"""What Ray Serve is told of the replicas, without a Ray that runs."""

from typing import Any

import pytest
from railmatch.rails.cluster.settings import ReplicaSettings

pytest.importorskip("ray", reason="needs the extra railmatch[ray]")


def description(orders: Any = None, *, version: str = "one", gpus: float = 0.0, **settings: Any) -> Any:
    from railmatch.rails.cluster.deployment import described
    from railmatch.rails.cluster.replica import Orders

    return described(ReplicaSettings(**settings), orders or Orders({}), version=version, gpus=gpus)


def test_cores_and_a_share_of_a_gpu_are_asked_for() -> None:
    assert description(cpus=0.5, gpus=0.25).ray_actor_options == {"num_cpus": 0.5, "num_gpus": 0.25}


def test_their_number_is_fixed_or_follows_the_load() -> None:
    assert description(replicas=3).num_replicas == 3
    scaled = description(replicas=2, max_replicas=5, target_requests=8).options()
    scaling = scaled._deployment_config.autoscaling_config
    assert (scaling.min_replicas, scaling.max_replicas, scaling.target_ongoing_requests) == (2, 5, 8.0)


def test_no_more_requests_wait_than_can_be_answered() -> None:
    assert (description().max_ongoing_requests, description().max_queued_requests) == (512, 1024)


def test_new_orders_reach_the_replicas_that_run() -> None:
    """Asks Ray's own code what it would do: should it change, updates would replace the processes."""
    from railmatch.rails.cluster.replica import Orders
    from ray.serve._private.version import DeploymentVersion

    def version(orders: Orders, name: str) -> DeploymentVersion:
        deployment = description(orders, version=name).options()  # a copy, as Serve takes one before it asks
        return DeploymentVersion(deployment.version, deployment._deployment_config, deployment.ray_actor_options)

    before, after = version(Orders({}), "one"), version(Orders({}, update=1), "one")
    assert after.requires_actor_reconfigure(before)
    assert not after.requires_actor_restart(before)
    assert version(Orders({}), "two").requires_actor_restart(before)
