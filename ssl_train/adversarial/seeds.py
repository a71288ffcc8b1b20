"""The seeds of attacks: labelled examples of both classes, and as many of either in a round."""

import random
from collections.abc import Sequence
from pathlib import Path

from ...classifier.tasks import LABELS, Task
from ..data.reading import open_table
from ..data.records import find_path, load_records
from ..recipe import HubSource, Source, Sources
from .attack import Seed


def load_seeds(sources: Sources, field: str, task: Task, base: Path | None = None) -> list[Seed]:
    """Read labelled examples with their categories, which stand in ``field``; without one the category is "".

    Categories are read from files; where a source is a data set of the Hub, or a folder of one, all are "".

    Raises:
        DataError: the examples cannot be used, or all are of one class.
    """
    records = load_records(sources, task, labelled=True, base=base)
    paths = [_path(source, task, base) for source in (sources if isinstance(sources, list) else [sources])]
    files = [path for path in paths if path is not None]
    categories = [""] * len(records)
    if len(files) == len(paths):
        categories = [_category(row.get(field)) for path in files for _, row in open_table(path, [field]).rows]
    return [
        Seed(record.id, record.exchange, record.label or 0, category)
        for record, category in zip(records, categories, strict=True)
    ]


def _path(source: Source, task: Task, base: Path | None) -> Path | None:
    if isinstance(source, HubSource):
        return None
    path = find_path(source if isinstance(source, str) else source.file, task, base)
    return path if path.is_file() else None


def draw(seeds: Sequence[Seed], most: int | None, chance: str) -> list[Seed]:
    """Draw as many harmful as unharmful seeds, at most ``most`` in all, harmful and unharmful ones in turn.

    The draw depends on the seeds' ids and ``chance`` alone.
    """
    by_label = [sorted((seed for seed in seeds if seed.label == label), key=lambda seed: seed.id) for label in (1, 0)]
    count = min(len(by_label[0]), len(by_label[1]), len(seeds) if most is None else most // len(LABELS))
    generator = random.Random(chance)
    drawn = [generator.sample(some, count) for some in by_label]
    return [seed for pair in zip(*drawn, strict=True) for seed in pair]


def _category(value: object) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""
