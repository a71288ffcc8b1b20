"""The report's sentences: what the figures mean, and what a run did not produce and why."""

from collections.abc import Mapping
from typing import Any

from .facts import Facts, Scored
from .tables import percent


def describe_operating_point(facts: Facts, name: str, evaluation: Mapping[str, Any]) -> str:
    """Say what the threshold does to a set of examples: ``test`` or ``held-back``."""
    count = evaluation["harmful"] + evaluation["unharmful"]
    kind = f"test {facts.settings.task}s" if name == "test" else "labels that were held back from training"
    return (
        f"On {count:,} {kind}, the threshold of {evaluation['threshold']:.3f} stops {percent(evaluation['recall'])} of "
        f"the harmful and blocks {percent(evaluation['fpr'])} of the harmless ones."
    )


def describe_calibration(facts: Facts, calibration: Mapping[str, Any]) -> str:
    """Say how temperature and threshold were found."""
    folds = facts.training["recipe"]["calibration"]["folds"]
    low, high = map(percent, calibration["fpr_interval"])
    return (
        f"Every label was held back once, in {folds} rounds, and scored by a model that never saw it; these scores "
        "alone chose the temperature and the threshold. It is the lowest threshold that blocks at most "
        f"{100 * calibration['target_fpr']:.3g}% of the held-back harmless examples. There are "
        f"{calibration['unharmful']:,} of them, which leaves the true rate between {low} and {high} (95% interval)."
    )


def describe_mistakes(facts: Facts, held_back: Scored | None, calibration: Mapping[str, Any]) -> str:
    """Say how many mistakes there are and how they are ordered."""
    shown = len(facts.scores.mistakes or ())
    if held_back is None:
        return f"The {shown} of which the model was surest."
    labels, scores = held_back.arrays()
    wrong = int(((scores >= calibration["threshold"]) != (labels == 1)).sum())
    number = f"The {shown} mistakes" if shown == wrong else f"{shown} of the {wrong} mistakes"
    return f"{number} on {len(labels):,} held-back labels, the surest first."


HELD_BACK_NOTE = (
    "Figures on held-back labels are those of the models of the calibration rounds, which were trained on fewer labels "
    "than the final one. Those at the threshold flatter a little, because the threshold was chosen on them."
)


def absent(facts: Facts) -> dict[str, str]:
    """Say why a part of the report is missing, for each part that the run did not produce."""
    training, scores = facts.training, facts.scores
    found = {}
    if not training.get("evaluation"):
        found["test"] = "There are no test figures: the recipe named no test data (data.test)."
    if not training.get("calibration"):
        found["held_back"] = (
            "No labels were held back (calibration.folds was 0). So there are no mistakes to show, temperature and "
            f"threshold were not fitted, and the threshold is {facts.settings.threshold:g}."
        )
    if len(found) == 2:
        found["figures"] = (
            "This run measured nothing: the recipe named no test data (data.test) and held no labels back "
            "(calibration.folds was 0). Measure the model with: railmatch evaluate MODEL DATA."
        )
    if scores.test is None and scores.held_back is None:
        lost = "scores.json is not in the model folder" if len(found) < 2 else "no example was scored"
        found["scores"] = f"Nothing can be drawn here: {lost}."
    if training.get("calibration") and scores.mistakes is None:
        found["mistakes"] = "They cannot be shown: scores.json is not in the model folder."
    if training["method"] == "supervised":
        found["kept"] = "Supervised training has no unlabelled texts, so there is no share kept."
    if not training.get("rewrites"):
        found["rewrites"] = "This run used none."
    return found
