"""Score a data set into a folder, on this machine or on many; a run that was killed is gone on with."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from ..classifier.errors import DataError, SettingsError
from ..ssl_train.data.records import Record, stream_records
from ..ssl_train.progress import Progress, silent
from ..ssl_train.recipe import HubSource, Source
from .judging import judged, loaded_guard
from .lines import Line
from .output import Output, only_run
from .settings import ClusterScoreSettings, ScoreSettings


def score(source: Source, folder: Path, settings: ScoreSettings, *, progress: Progress = silent) -> Output:
    """Judge every record of a data set that the folder does not hold yet, and give what the folder holds then.

    No record is written twice and none is left out, whenever earlier runs ended.

    Raises:
        DataError: the data set cannot be read, holds no records, or is another one than that of the folder.
        SettingsError: another run writes to the folder, or what it holds is of another model, task or threshold.
        ModelError: there is no model, one cannot be used, or CUDA was asked for and is not there.
        EngineError: the model judges nothing any more.
    """
    with only_run(folder):
        output = Output(folder)
        records = stream_records(source, settings.task)
        output.skip(records)
        first = next(records, None)
        if first is not None:
            with progress(f"judging {settings.task}s", None) as advance:
                lines = _judged(source, output.rows, chain([first], records), settings)
                output.write(lines, settings.part_rows, advance)
        elif not output.rows:
            raise DataError(f"{_name(source)}: no rows; texts are needed here")
        output.finish()
    return output


def _judged(source: Source, rows: int, records: Iterator[Record], settings: ScoreSettings) -> Iterator[Line]:
    """Judge what comes after the first ``rows`` records: here the ``records``, while a cluster reads them by itself."""
    if not isinstance(settings, ClusterScoreSettings):
        return _judged_here(records, settings)
    try:
        from .on_ray import judged_on_ray
    except ImportError as error:
        raise SettingsError(f"railmatch score --ray needs {error.name}: pip install 'railmatch[ray]'") from error
    return judged_on_ray(source, rows, settings)


def _judged_here(records: Iterator[Record], settings: ScoreSettings) -> Iterator[Line]:
    with loaded_guard(settings) as guard:
        yield from judged(guard.check(settings.task), records, text=settings.text)


def _name(source: Source) -> str:
    if isinstance(source, str):
        return source
    return source.hub if isinstance(source, HubSource) else source.file
