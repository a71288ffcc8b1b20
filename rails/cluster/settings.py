"""What can be set of work on a Ray cluster, checked before a cluster is touched."""

from typing import Self

from pydantic import Field, model_validator

from ...classifier.model import Device
from ..options import OptionSettings
from ..service.settings import ServiceSettings


class ClusterSettings(OptionSettings):
    """Where the cluster is, and how much of it each process with a model takes.

    Attributes:
        address: of a running cluster, such as ``ray-head:6379``, or ``auto`` for that of this machine; when left out
            that in RAY_ADDRESS, else a Ray is started on this machine.
        cpus: cores for each process; where the model is an int8 form it takes so many.
        gpus: GPUs for each process, or a share of one such as 0.25; when left out one, where the cluster has any.
    """

    address: str | None = None
    cpus: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    gpus: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    device: Device = "auto"

    @property
    def cores(self) -> int:
        """Say how many forward passes of an int8 form may run at a time in each process."""
        return max(1, int(self.cpus))

    @model_validator(mode="after")
    def _gpus_can_be_given(self) -> Self:
        if self.gpus is not None and self.gpus > 1 and self.gpus != int(self.gpus):
            raise ValueError(f"gpus is {self.gpus}: it is a share of one GPU, or a whole number of them")
        if self.gpus and self.device == "cpu":
            raise ValueError(f"gpus is {self.gpus}, but device is 'cpu': leave one of them out")
        if self.gpus == 0 and self.device == "cuda":
            raise ValueError("device is 'cuda', but gpus is 0: leave gpus out, or give a share such as gpus=0.25")
        return self


class ReplicaSettings(ClusterSettings, ServiceSettings):
    """What ``railmatch serve --ray`` can be told beside what ``railmatch serve`` can.

    Attributes:
        replicas: processes that serve the models; with ``max_replicas`` the least of them.
        max_replicas: most of them; between the two their number follows the load.
        target_requests: requests at a time for each replica that their number follows.
    """

    replicas: int = Field(default=2, ge=1)
    max_replicas: int | None = Field(default=None, ge=1)
    target_requests: float = Field(default=32.0, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _the_most_are_not_less(self) -> Self:
        if self.max_replicas is not None and self.max_replicas < self.replicas:
            raise ValueError(f"max_replicas is {self.max_replicas}, which is less than replicas ({self.replicas})")
        return self

    @model_validator(mode="after")
    def _the_port_is_known(self) -> Self:
        if self.port == 0:
            raise ValueError("port is 0: every node of a cluster listens on the same port, so choose one")
        return self
