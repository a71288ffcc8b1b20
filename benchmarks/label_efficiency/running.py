"""Run one cell, in a process of its own so that its peak of memory is its own, and give its line of results."""

import contextlib
import multiprocessing
import os
import resource
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from .cells import Cell
from .files import core_ids, data_overrides, true_pool_labels
from .settings import Settings

KIB_IN_GIB = 2**20

NO_EXPORT = "export.int8=false"
"""The cells are judged by the network itself, so making its int8 form would only take time."""


def run_apart(cell: Cell, settings: Settings, data: Path) -> dict[str, Any]:
    """Run a cell in a process of its own, which ends when this one does.

    Raises:
        Exception: what the cell raised. BrokenProcessPool: its process was killed, for memory perhaps.
    """
    apart = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=apart, initializer=_end_with_parent) as process:
        return process.submit(run, cell, settings, data).result()


def _end_with_parent() -> None:
    """Let this process end when the one that started it is gone, even if that was killed."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def run(cell: Cell, settings: Settings, data: Path) -> dict[str, Any]:
    """Train one cell and measure it on the test examples, which are judged once; ``data`` is an absolute path.

    Raises:
        RailMatchError: the settings, the data or the training cannot be used.
    """
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(data):
        scratch = Path(folder)
        recipe = settings.recipe(cell, [*data_overrides(cell, data, scratch), NO_EXPORT])
        # only here, in the cell's own process: that which waits for it needs neither PyTorch nor scikit-learn
        from railmatch.ssl_train.data.records import load_records

        from .baselines import BASELINES
        from .measuring import figures
        from .training import train_cell

        test = load_records(f"{cell.task}_test.jsonl", recipe.task, labelled=True)
        if cell.row in BASELINES:
            outcome = BASELINES[cell.row](recipe, test)
        else:
            outcome = train_cell(recipe, data, test, scratch, true_pool_labels(data, cell.task))
    core = core_ids(data, cell.task)
    return {
        **cell.as_dict(),
        "recipe": settings.fingerprint(cell),
        "figures": figures(test, outcome),
        "core": figures(test, outcome, core) if core else None,
        "threshold": outcome.threshold,
        "seconds": round(outcome.seconds, 1),
        "total_seconds": round(time.perf_counter() - started, 1),
        **_peak_memory(),
        **outcome.details,
    }


def _peak_memory() -> dict[str, float]:
    """Give the most memory that this process has had at once, in GiB, and that of the GPU where there is one."""
    peak = {"peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_IN_GIB, 2)}
    import torch

    if torch.cuda.is_available():
        peak["gpu_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
    return peak
