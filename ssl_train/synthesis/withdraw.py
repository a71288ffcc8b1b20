"""Take a seed back, with all that came from it: a person may withdraw an example, or it turns out to be wrong."""

from pathlib import Path

from ...classifier.errors import DataError
from . import files
from .decisions import forget_decisions
from .outcome import REVIEW, without_names, write_outcome


def withdraw(folder: Path, seed: str) -> int:
    """Remove every trace of ``seed`` from ``folder``, and count the records of the data set that went.

    Its records, table rows, counts and decisions go, and the reasons against other texts name it no more. The seed is
    noted in ``withdrawn.json``, so that later runs leave it out. Answers of the endpoint stay in the cache.

    Raises:
        DataError: there is no data set in the folder, or nothing in it came from that seed.
    """
    tables = {path: files.read_rows(path) for path in files.tables(folder) if files.round_of(path) != REVIEW}
    records = files.read_rows(folder / files.DATA)
    gone = {seed} | {row["id"] for table in tables.values() for row in table if row.get("seed") == seed and "id" in row}
    if not any(row.get("seed") == seed for table in tables.values() for row in table):
        raise DataError(f"{folder}: nothing in it came from a seed {seed!r}; the ids of seeds are in the field 'seed'")
    files.write_withdrawn(folder, sorted({*files.withdrawn_seeds(folder), seed}))
    for path, table in tables.items():
        files.write_rows(path, without_names([row for row in table if row.get("seed") != seed], gone))
    forget_decisions(folder, gone)
    begun = files.read_summary(folder)["seeds"]
    return len(records) - int(write_outcome(folder, seeds=begun - 1)["records"])
