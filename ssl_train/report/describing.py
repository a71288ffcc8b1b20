"""What went into a training, as training.json begins."""

from typing import Any

from ...classifier.tasks import LABELS
from ..data.training_texts import TrainingTexts
from ..recipe import Recipe
from .versions import versions


def describe_inputs(recipe: Recipe, texts: TrainingTexts) -> dict[str, Any]:
    """Name the recipe, the numbers of its texts, and the versions it ran with."""
    return {
        "task": recipe.task,
        "method": recipe.method.name,
        "encoder": recipe.encoder,
        "labels": len(texts.labelled),
        "classes": {name: sum(record.label == at for record in texts.labelled) for at, name in enumerate(LABELS)},
        "pool": len(texts.pool),
        "seed": recipe.seed,
        "steps": recipe.training.steps,
        "versions": versions(),
        "recipe": recipe.model_dump(mode="json"),
    }
