"""Read rows out of JSONL, CSV, Parquet and Hugging Face data sets; every fault names the file and the row."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...classifier.errors import DataError

LARGEST_CSV_FIELD = 2**27
"""Characters in one CSV cell; the csv module's own limit of 131,072 is less than one long conversation."""

BATCH_ROWS = 1_000
"""Rows taken out of an Arrow table at once: enough to be fast, few enough to stay small."""

Row = tuple[int, Mapping[str, Any]]
"""The number of a row, as its file counts it, and its fields."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows to be read once, under the name by which errors call their source.

    Rows count from 1; in a CSV file the header is row 1, as a spreadsheet shows it. ``fields`` are the columns where
    the format declares them, else None: in JSONL every row has its own.
    """

    name: str
    rows: Iterator[Row]
    fields: Sequence[str] | None = None


def open_table(path: Path, wanted: Sequence[str]) -> Table:
    """Open a file by its suffix; where the format allows, only the ``wanted`` fields are read off the disk.

    Raises:
        DataError: the suffix is unknown or the file is not what its suffix says.
    """
    suffix = path.suffix.lower()
    if suffix in {".jsonl", ".ndjson", ".json"}:
        return Table(str(path), _json_rows(path))
    if suffix in {".csv", ".tsv"}:
        return _csv_table(path, "\t" if suffix == ".tsv" else ",")
    if suffix in {".parquet", ".pq"}:
        return _parquet_table(path, wanted)
    raise DataError(f"{path}: unknown kind of file {suffix!r}; RailMatch reads .jsonl, .csv, .tsv and .parquet")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    with file:
        for number, raw in enumerate(file, 1):
            try:
                yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{path}, row {number}: not UTF-8 (byte 0x{raw[error.start]:02x} at position {error.start + 1} "
                    "of the line); save the file as UTF-8"
                ) from None


def _json_rows(path: Path) -> Iterator[Row]:
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, row {number}: not valid JSON ({error}); write one object a line") from None
        if not isinstance(row, dict):
            raise DataError(
                f"{path}, row {number}: a JSON {type(row).__name__} where an object is wanted; "
                'write one object a line, like {"prompt": "...", "label": "harmful"}'
            )
        yield number, row


def _csv_table(path: Path, delimiter: str) -> Table:
    csv.field_size_limit(max(csv.field_size_limit(), LARGEST_CSV_FIELD))
    reader = csv.reader((line for _, line in _lines(path)), delimiter=delimiter, strict=True)
    header = _csv_row(path, 1, reader) or []
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise DataError(f"{path}, row 1: the header names {repeated[0]!r} twice; every column needs its own name")
    return Table(str(path), _csv_rows(path, reader, header), header)


def _csv_row(path: Path, number: int, reader: Iterator[list[str]]) -> list[str] | None:
    try:
        return next(reader, None)
    except csv.Error as error:
        raise DataError(f"{path}, row {number}: not valid CSV ({error})") from None


def _csv_rows(path: Path, reader: Iterator[list[str]], header: list[str]) -> Iterator[Row]:
    number = 2
    while (cells := _csv_row(path, number, reader)) is not None:
        if len(cells) not in (0, len(header)):
            raise DataError(
                f"{path}, row {number}: {len(cells)} cells under a header of {len(header)}; "
                "put texts that hold the delimiter in double quotes"
            )
        if cells:
            yield number, dict(zip(header, cells, strict=True))
        number += 1


def _parquet_table(path: Path, wanted: Sequence[str]) -> Table:
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a Parquet file ({error})") from None
    fields = file.schema_arrow.names
    batches = file.iter_batches(BATCH_ROWS, columns=[name for name in fields if name in wanted])
    rows = (row for batch in batches for row in batch.to_pylist())
    return Table(str(path), enumerate(rows, 1), fields)


def open_dataset(where: str | Path, name: str | None, split: str, wanted: Sequence[str]) -> Table:
    """Open a data set of the Hugging Face Hub, or a folder: one that ``save_to_disk`` wrote, or one of data files.

    Class labels come as their names, not as their numbers: the order of the names is the data set's own affair.

    Raises:
        DataError: there is no such data set, configuration or split, or the Hub cannot be reached.
    """
    from datasets import ClassLabel

    title = f"{where}[{split}]"
    dataset = _load(where, name, split, title)
    fields: list[str] = list(dataset.column_names)
    kept = dataset.select_columns([field for field in fields if field in wanted])
    named = {field: kind for field, kind in kept.features.items() if isinstance(kind, ClassLabel)}

    def rows() -> Iterator[Row]:
        number = 0
        for batch in kept.iter(BATCH_ROWS):
            for values in zip(*batch.values(), strict=True):
                number += 1
                row = dict(zip(batch, values, strict=True))
                for field, kind in named.items():
                    # the Hub marks an absent class by -1
                    row[field] = None if row[field] in (None, -1) else kind.int2str(row[field])
                yield number, row

    return Table(title, rows(), fields)


def _load(where: str | Path, name: str | None, split: str, title: str) -> Any:
    import pyarrow
    from datasets import Dataset, load_dataset, load_from_disk
    from datasets.exceptions import DatasetsError

    folder = Path(where)
    saved = any((folder / marker).is_file() for marker in ("dataset_dict.json", "state.json"))
    try:
        loaded = load_from_disk(str(where)) if saved else load_dataset(str(where), name, split=split)
    except (DatasetsError, OSError, ValueError, pyarrow.ArrowException) as error:
        raise DataError(f"{title}: cannot load this data set: {str(error) or type(error).__name__}") from error
    if not isinstance(loaded, Dataset):
        if split not in loaded:
            raise DataError(f"{title}: no split {split!r}; this data set has {', '.join(map(repr, loaded))}")
        loaded = loaded[split]
    elif saved and split not in ("train", str(loaded.split)):
        raise DataError(f"{title}: this folder holds one split, {str(loaded.split)!r}; leave split out")
    return loaded
