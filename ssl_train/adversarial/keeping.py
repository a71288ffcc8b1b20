"""Put the classifier that was kept into its place, with the report and the model card of an ordinary training."""

import json
import shutil
from pathlib import Path
from typing import Any

from ...classifier.device import Device
from ...classifier.errors import ModelError
from ...classifier.metrics import evaluate_scores
from ...classifier.model import SafetyClassifier
from ...classifier.onnx_export import export_int8
from ...classifier.storage import folder_replaced_atomically
from ..data.training_texts import TrainingTexts
from ..evaluation import score_records
from ..progress import silent
from ..recipe import Recipe
from ..report.facts import SCORES_FILE, TRAINING_FILE, Scored, Scores, read_facts, read_scores, worst_mistakes
from ..report.writing import write_page, write_training
from .originals import HeldOut
from .recipe import CAUSAL, HardenRecipe
from .rounds import Outcome


def keep(best: Path, model: Path, training: Recipe, texts: TrainingTexts) -> dict[str, Any]:
    """Copy the best classifier to its place, with its int8 form where the training recipe wants one.

    What is said of that form is given as training.json has it.
    """
    with folder_replaced_atomically(model) as temporary:
        shutil.copytree(best, temporary, dirs_exist_ok=True)
    if not training.export.int8 or (model / "onnx").exists():
        return {}
    classifier = SafetyClassifier.load(model, device="cpu")
    return {"int8": export_int8(classifier, model, [record.exchange for record in texts.labelled]).as_dict()}


def tell(
    model: Path, round_folder: Path, recipe: HardenRecipe, outcome: Outcome, held_out: HeldOut, more: dict[str, Any]
) -> None:
    """Write training.json, scores.json, the model card and the report of the classifier that was kept.

    One that no round has changed keeps what its own training said of it. Where nothing is known of a training, because
    another program or an earlier version made the model, nothing is written.

    Args:
        model: the folder of the classifier that was kept.
        round_folder: that of its round.
        recipe: of the hardening.
        outcome: of all rounds.
        held_out: what the threshold was chosen by, and what decided.
        more: further keys of training.json.

    Raises:
        ModelError: what a round has left is damaged. OSError: a file cannot be written.
    """
    if not ((round_folder if outcome.best else model) / TRAINING_FILE).is_file():
        return
    if outcome.best:
        training, scores = _of_round(model, round_folder, held_out, recipe.device)
    else:
        found = read_facts(model)
        training, scores = found.training, found.scores
    write_training(model, {**training, **more, "hardening": _story(recipe, outcome)}, scores)
    write_page(model)


def _of_round(model: Path, round_folder: Path, held_out: HeldOut, device: Device) -> tuple[dict[str, Any], Scores]:
    """Give what is known of a classifier that a round has trained, measured on both halves of what is held out."""
    classifier = SafetyClassifier.load(model, device=device)
    training: dict[str, Any] = json.loads((round_folder / TRAINING_FILE).read_text(encoding="utf-8"))
    held_back = read_scores(round_folder).held_back
    if held_back is None:  # the two are written together
        raise ModelError(f"{round_folder / SCORES_FILE} is not there; remove {round_folder}, and it is made anew")
    decision = Scored.of(*score_records(classifier, held_out.decision, progress=silent))
    threshold = classifier.threshold
    for name, scored in (("held_back", held_back), ("decision", decision)):
        training[name] = evaluate_scores(*scored.arrays(), threshold=threshold).as_dict()
    training["calibration"] = classifier.settings.calibration
    allowed = training["recipe"]["report"]["texts"]
    mistakes = worst_mistakes(held_out.calibration, held_back, threshold, texts=allowed)
    return training, Scores(held_back=held_back, decision=decision, mistakes=mistakes)


def _story(recipe: HardenRecipe, outcome: Outcome) -> dict[str, Any]:
    """Say what attacked the classifier and what came of it."""
    writer = recipe.generator
    endpoint = writer.endpoint.model if writer.name == "endpoint" and writer.endpoint else None
    start, best = outcome.figures[0], outcome.figures[outcome.best]
    return {
        "classifier": recipe.classifier,
        "generator": writer.name,
        "model": writer.model if writer.name in CAUSAL else endpoint,
        "rounds": len(outcome.figures) - 1,
        "kept": outcome.best,
        "stopped": outcome.stopped,
        "harvests": outcome.harvests,
        "fresh_before": start.fresh,
        "fresh_after": best.fresh,
        "recipe": recipe.model_dump(mode="json"),
    }
