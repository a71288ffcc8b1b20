"""ScoreSettings: everything that can be set of ``railmatch score``, checked before anything is read."""

from pydantic import Field

from ..classifier.model import Device
from ..classifier.tasks import Task
from ..rails.cluster.settings import ClusterSettings
from ..rails.options import OptionSettings


class ScoreSettings(OptionSettings):
    """What ``railmatch score`` can be told.

    Attributes:
        models: folder with ``prompt/`` and ``response/``, or with one model itself.
        task: whether prompts are judged, or responses to them.
        device: ``auto`` takes the GPU when there is one.
        threshold: replaces that stored with the model, in (0, 1].
        text: whether the texts themselves are written, not their hashes.
        part_rows: rows of a file that is written; what is lost at most where a run is killed.
    """

    models: str = "models"
    task: Task = "prompt"
    device: Device = "auto"
    threshold: float | None = Field(default=None, gt=0, le=1)
    text: bool = False
    part_rows: int = Field(default=1000, ge=1)


class ClusterScoreSettings(ClusterSettings, ScoreSettings):
    """What ``railmatch score --ray`` can be told beside what ``railmatch score`` can.

    Attributes:
        workers: processes that judge; as many as the cluster has room for when left out.
        block_bytes: bytes of texts that a worker is handed at a time: the more, the fewer hands; what is judged again
            where a worker dies.
    """

    workers: int | None = Field(default=None, ge=1)
    block_bytes: int = Field(default=2**20, ge=1)
