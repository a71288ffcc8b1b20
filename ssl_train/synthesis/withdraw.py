"""Take a seed back, with all that came from it: a person may withdraw an example, or it turns out to be wrong."""

from pathlib import Path

from ...classifier.errors import DataError
from . import files


def withdraw(folder: Path, seed: str) -> int:
    """Remove every record and table row of ``seed`` from ``folder``, and count the records that went.

    The seed is noted in ``withdrawn.json``, so that later runs leave it out. Answers of the endpoint stay in the cache.
    The counts in ``summary.json`` are those of the run; the number of records is put right.

    Raises:
        DataError: there is no data set in the folder, or nothing in it came from that seed.
    """
    tables = [folder / files.DATA, *sorted((folder / files.ROUNDS).glob("*.jsonl"))]
    rows = {path: files.read_rows(path) for path in tables}
    if not any(row.get("seed") == seed for table in rows.values() for row in table):
        raise DataError(f"{folder}: nothing in it came from a seed {seed!r}; the ids of seeds are in the field 'seed'")
    files.write_withdrawn(folder, sorted({*files.withdrawn_seeds(folder), seed}))
    for path, table in rows.items():
        files.write_rows(path, (row for row in table if row.get("seed") != seed))
    left = [row for row in rows[folder / files.DATA] if row.get("seed") != seed]
    return len(rows[folder / files.DATA]) - len(left)
