"""Train one task twice on the same labels, supervised and with FixMatch, and set the two side by side."""

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..classifier.errors import DataError
from ..classifier.tasks import Task
from ..ssl_train.progress import Progress, silent
from ..ssl_train.recipe.file import load_recipe
from ..ssl_train.run import train
from ..terminal.tables import aligned

if TYPE_CHECKING:
    from ..classifier.metrics import Evaluation

QUICKSTART = Path(__file__).parent.parent / "config" / "quickstart.yml"
"""The recipe of the demo, for both tasks."""

METHODS = ("supervised", "fixmatch")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one training gave on the test split, and how many seconds it took."""

    method: str
    evaluation: "Evaluation"
    seconds: float


def starter_test(task: Task) -> Path:
    """Name the file of the test examples that the models of a task are compared on."""
    return QUICKSTART.parent / "starter" / f"{task}_test.jsonl"


def compare(
    task: Task, models: Path, *, overrides: Sequence[str] = (), progress: Progress = silent
) -> tuple[Outcome, ...]:
    """Train ``task`` with every method from the quickstart recipe; the FixMatch model is kept as ``models/task``.

    ``overrides`` are ``key=value`` as in ``railmatch train --set``.

    Raises:
        SettingsError: an override cannot be used.
        OSError: the model folder cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="railmatch-") as scratch:
        folders = {"supervised": Path(scratch) / task, "fixmatch": models / task}
        # The recorded rewrites need a cache only while they are read, so none is left in the reader's folder.
        settings = [f"task={task}", f"augment.cache={json.dumps(str(Path(scratch) / 'rewrites.sqlite'))}", *overrides]
        return tuple(_train(method, folders[method], settings, progress) for method in METHODS)


def _train(method: str, folder: Path, overrides: Sequence[str], progress: Progress) -> Outcome:
    """Train one model and time it."""
    # The supervised model is only compared, at 0.5 like the other, so it needs no threshold of its own.
    folds = ["calibration.folds=0"] if method == "supervised" else []
    recipe = load_recipe(QUICKSTART, [f"method.name={method}", *folds, *overrides])
    started = time.perf_counter()
    result = train(recipe, folder, base=QUICKSTART.parent, progress=progress)
    if result.evaluation is None:
        raise DataError(f"{QUICKSTART}: data.test is missing, so there is nothing to compare the methods on")
    votes = " + votes" if method != "supervised" and recipe.data.votes else ""
    return Outcome(method + votes, result.evaluation, time.perf_counter() - started)


def comparison_table(outcomes: Sequence[Outcome]) -> str:
    """Lay the outcomes out, a line for each method."""
    head = ("method", "F1 at 0.5", "AUPRC", "recall at 1% FPR", "recall at 5% FPR", "seconds")
    return aligned([head, *map(_row, outcomes)])


def _row(outcome: Outcome) -> tuple[str, ...]:
    """Write the figures of one outcome."""
    evaluation = outcome.evaluation
    recall = evaluation.recall_at_fpr
    figures = (evaluation.f1_at_half, evaluation.auprc, recall["0.01"], recall["0.05"])
    return (outcome.method, *(f"{figure:.3f}" for figure in figures), f"{outcome.seconds:.0f}")
