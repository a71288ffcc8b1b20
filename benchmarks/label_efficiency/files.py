"""The files of a folder of data: how many texts there are, reduced pools, true labels, and the core of the test."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .cells import Cell

CORE_SOURCES = frozenset({"gr_wildguard", "gr_beavertails", "orbench"})
"""Sources of prompts with both classes; of the others all but one, a small one, have one class, which style tells."""


def rows_of(file: Path) -> Iterator[dict[str, Any]]:
    """Read the rows of a file of JSON lines."""
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def pool_file(data: Path, task: str) -> Path:
    """Name the file with the pool of a task."""
    return data / f"{task}_unlabelled.jsonl"


def pool_size(data: Path, task: str) -> int:
    """Count the texts of a task's pool."""
    return sum(1 for _ in rows_of(pool_file(data, task)))


def true_pool_labels(data: Path, task: str) -> dict[str, int]:
    """Read the true labels of the pool by id, 1 being harmful: for measuring, and for the ceiling."""
    rows = rows_of(data / f"{task}_unlabelled_labels.jsonl")
    return {str(row["id"]): int(row["label"] == "harmful") for row in rows}


def core_ids(data: Path, task: str) -> frozenset[str]:
    """Name the test examples of the core sources; there are none among the responses."""
    return frozenset(str(row["id"]) for row in rows_of(data / f"{task}_test.jsonl") if row["source"] in CORE_SOURCES)


def data_overrides(cell: Cell, data: Path, scratch: Path) -> list[str]:
    """Write the files into ``scratch`` that a cell needs beside those of the folder, and give the settings for them."""
    overrides = [f"augment.cache={json.dumps(str(scratch / 'cache.sqlite'))}"]
    if cell.pool is not None:
        reduced = scratch / "pool.jsonl"
        _write(reduced, _sample(list(rows_of(pool_file(data, cell.task))), cell.pool, cell.seed))
        overrides.append(f"data.unlabelled={json.dumps(str(reduced))}")
    labelled = [data / f"{cell.task}_labelled.jsonl"]
    if cell.labels is None:
        labelled.append(scratch / "true.jsonl")
        _write(labelled[-1], list(_labelled_pool(data, cell.task)))
        overrides += [f"data.labelled={json.dumps([str(file) for file in labelled])}", "data.unlabelled=null"]
    elif cell.labels == sum(1 for _ in rows_of(labelled[0])):
        overrides.append("data.labels=null")  # a balanced draw of all is not possible where the classes differ
    return overrides


def _sample(rows: list[dict[str, Any]], size: int, seed: int) -> list[dict[str, Any]]:
    """Draw a part of the pool; a larger part of the same seed holds the smaller ones."""
    random.Random(f"pool {seed}").shuffle(rows)
    return rows[:size]


def _labelled_pool(data: Path, task: str) -> Iterator[dict[str, Any]]:
    labels = true_pool_labels(data, task)
    for row in rows_of(pool_file(data, task)):
        yield row | {"label": labels[str(row["id"])]}


def _write(file: Path, rows: list[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
