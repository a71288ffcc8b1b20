"""The cells that RailMatch trains."""

from collections.abc import Sequence
from pathlib import Path

from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.progress import terminal_progress
from railmatch.ssl_train.recipe import Recipe
from railmatch.ssl_train.run import train

from .measuring import Outcome
from .observing import PseudoLabelWatch

PROGRESS_S = 60.0


def train_cell(recipe: Recipe, data: Path, test: Sequence[Record], scratch: Path, labels: dict[str, int]) -> Outcome:
    """Train a recipe and judge the test examples; ``labels`` are the pool's true ones, for the watch alone."""
    watch = PseudoLabelWatch(labels, recipe.training.steps)
    result = train(
        recipe, scratch / "model", base=data, progress=terminal_progress(every_s=PROGRESS_S), observe=watch.observe
    )
    scores = result.model.predict_proba([record.exchange for record in test])
    calibrated = result.report["calibration"] is not None
    return Outcome(
        scores,
        seconds=result.report["seconds"],
        threshold=result.model.threshold if calibrated else None,
        details={
            "steps": recipe.training.steps,
            "pool_texts": result.report["pool"],
            "rewrites": dict(result.report["rewrites"]),
            "pseudo_labels": watch.as_dict(),
        },
    )
