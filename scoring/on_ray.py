"""Judge records on a Ray cluster: one process reads, as many as wanted judge, and the lines come back in order."""

import json
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import ray
import ray.data
from ray.data import ActorPoolStrategy, DataContext
from ray.exceptions import RayTaskError

from ..classifier.errors import RailMatchError
from ..classifier.inputs import Exchange
from ..rails.cluster.connection import absolute, connected, gpu_share
from ..ssl_train.data.records import Record, stream_records
from ..ssl_train.recipe import FileSource, HubSource, Source
from .lines import Line
from .settings import ClusterScoreSettings

Batch = dict[str, list[str]]
"""A column ``json`` of ASCII texts: in this form Arrow takes every text, half surrogate pairs included."""


def judged_on_ray(source: Source, skip: int, settings: ClusterScoreSettings) -> Iterator[Line]:
    """Yield a line for every record after the first ``skip``, in their order.

    The data set is read on this machine; the models must lie in the same folder on every machine.

    Raises:
        SettingsError: there is no cluster at the address.
        DataError: the data set cannot be read.
        ModelError: a worker cannot use the models.
    """
    with connected(settings):
        context = DataContext.get_current()
        context.target_max_block_size = settings.block_bytes
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False  # the command has its own
        address = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]  # not annotated there
        here = {f"node:{address}": 0.001}  # the machine that has the data set for sure
        read = partial(_read, source=_absolute(source), skip=skip, settings=settings)
        texts = ray.data.from_items([{"json": ""}]).map_batches(read, batch_size=None, num_cpus=0, resources=here)
        settings = settings.model_copy(update={"models": absolute(settings.models)})
        lines = texts.map_batches(
            Judge,
            fn_constructor_args=(settings,),
            batch_size=None,
            compute=ActorPoolStrategy(min_size=1, max_size=settings.workers),
            num_cpus=settings.cpus,
            num_gpus=gpu_share(settings),
        )
        try:
            for row in lines.iter_rows():
                yield json.loads(row["json"])
        except RayTaskError as error:
            raise _own(error) from error


def _read(_: Batch, source: Source, skip: int, settings: ClusterScoreSettings) -> Iterator[Batch]:
    """Read the data set, about a block at a time; what Ray takes for its data set is one empty row."""
    texts: list[str] = []
    size = 0
    for record in islice(stream_records(source, settings.task), skip, None):
        texts.append(json.dumps([record.id, *record.exchange]))
        size += len(texts[-1])
        if size >= settings.block_bytes:
            yield {"json": texts}
            texts, size = [], 0
    if texts:
        yield {"json": texts}


class Judge:
    """A worker: a process with a model."""

    def __init__(self, settings: ClusterScoreSettings) -> None:
        """Load the model; only here, for the process that reads needs no PyTorch."""
        from .judging import judged, loaded_guard

        self._judged = judged
        self._settings = settings
        self._guard = loaded_guard(settings, cores=settings.cores)

    def __call__(self, batch: Batch) -> Batch:
        """Judge a batch."""
        records = (Record(identity, Exchange(*texts)) for identity, *texts in map(json.loads, batch["json"]))
        lines = self._judged(self._guard.check(self._settings.task), records, text=self._settings.text)
        return {"json": [json.dumps(line) for line in lines]}


def _absolute(source: Source) -> Source:
    """Name the data set so that it is found from the current folder of another process, too."""
    if isinstance(source, HubSource):
        return source.model_copy(update={"hub": absolute(source.hub)}) if Path(source.hub).exists() else source
    file = FileSource(file=source) if isinstance(source, str) else source
    return file.model_copy(update={"file": absolute(file.file)})


def _own(error: RayTaskError) -> Exception:
    """Give the error of ours that a process of the cluster met, where it was one."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, RailMatchError):
            return type(cause)(str(cause))
        cause = getattr(cause, "cause", None) or cause.__cause__
    return error
