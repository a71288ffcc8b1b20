"""The human examples that everything comes from, with their categories."""

from pathlib import Path

from ...classifier.errors import DataError
from ...classifier.inputs import Exchange, without_surrogates
from ..data.reading import open_table
from ..data.records import Record, find_path, load_records
from ..recipe import FileSource
from .recipe import SeedSettings
from .sample import Sample


def load_seeds(settings: SeedSettings, base: Path | None = None) -> list[Sample]:
    """Read the seeds: labelled prompts, each with a category; both classes must occur.

    Raises:
        DataError: the file is missing or unreadable, a row lacks a prompt, a label or a category, an id occurs twice,
            or all seeds are of one class.
    """
    source = FileSource(file=settings.file, fields=settings.fields)
    records = load_records(source, "prompt", labelled=True, base=base)
    path = find_path(settings.file, "prompt", base)
    rows = open_table(path, [settings.category]).rows
    return [
        _seed(record, row.get(settings.category), settings.category, f"{path}, row {number}")
        for record, (number, row) in zip(records, rows, strict=True)
    ]


def _seed(record: Record, category: object, field: str, at: str) -> Sample:
    if not isinstance(category, str) or not category.strip():
        raise DataError(
            f"{at}: the field {field!r} must name the seed's category; fill it in, or name another field in "
            "seeds.category"
        )
    name, prompt = (without_surrogates(text) for text in (" ".join(category.split()), record.exchange.prompt))
    return Sample(Exchange(prompt), record.label or 0, name, record.id, own_id=record.id)
