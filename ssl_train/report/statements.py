"""The report's sentences: what the figures mean, and what a run did not produce and why."""

from collections.abc import Mapping
from typing import Any

from .facts import Facts
from .tables import percent


def describe_operating_point(facts: Facts, name: str, evaluation: Mapping[str, Any]) -> str:
    """Say what the threshold does to a set of examples: ``test`` or ``held-back``."""
    count = evaluation["harmful"] + evaluation["unharmful"]
    kinds = {
        "test": f"test {facts.settings.task}s",
        "decision": f"held-out {facts.settings.task}s that the rounds were decided by",
        "held-back": "labels that were held back from training",
    }
    return (
        f"On {count:,} {kinds[name]}, the threshold of {evaluation['threshold']:.3f} stops "
        f"{percent(evaluation['recall'])} of the harmful and blocks {percent(evaluation['fpr'])} of the harmless ones."
    )


_INTERVAL_OF_FOLDS = (
    " The interval speaks of the models of these rounds: the final one was trained on more labels, and its own rate "
    "may lie outside more often."
)


def describe_calibration(facts: Facts, calibration: Mapping[str, Any]) -> str:
    """Say how temperature and threshold were found, of which models the interval speaks, and what was changed since."""
    folds = facts.training["recipe"]["calibration"]["folds"]
    low, high = map(percent, calibration["fpr_interval"])
    held_back = (
        "Half of the held-out examples, which no round was trained on, were scored by this model"
        if facts.hardened
        else f"Every label was held back once, in {folds} rounds, and scored by a model that never saw it"
    )
    of_others = "" if facts.hardened else _INTERVAL_OF_FOLDS
    set_anew = facts.settings.threshold != calibration["threshold"]
    since = f" Since then the threshold was set to {facts.settings.threshold:g}." if set_anew else ""
    return (
        f"{held_back}; these scores alone chose the temperature and the threshold. It is the lowest threshold that "
        f"blocks at most {100 * calibration['target_fpr']:.3g}% of the held-back harmless examples, raised where that "
        f"loses no harmful one. There are {calibration['unharmful']:,} harmless ones, which leaves the true rate "
        f"between {low} and {high} (95% interval).{of_others}{since}"
    )


def describe_mistakes(facts: Facts, shown: int, calibration: Mapping[str, Any]) -> str:
    """Say how many mistakes the model's threshold makes, how many of them are shown, and how they are ordered.

    Where somebody changed the threshold in railmatch.json, those that only became mistakes by it were not kept.
    """
    held_back = facts.scores.held_back
    if held_back is None:
        return f"The {shown} of which the model was surest."
    threshold, chosen = facts.settings.threshold, calibration["threshold"]
    wrong = len(held_back.mistaken(threshold))
    if not wrong:
        return "There are none: every held-back label is on its side of the threshold."
    number = f"The {shown} mistakes" if shown == wrong else f"{shown} of the {wrong} mistakes"
    said = f"{number} on {len(held_back.labels):,} held-back labels, the surest first."
    if threshold == chosen or shown == wrong:
        return said
    return (
        f"{said} They are at the threshold of {threshold:.3f}; the list was made at {chosen:.3f}, and what is a "
        "mistake only since then is not in it."
    )


_OF_FOLDS = (
    "Figures on held-back labels are those of the models of the calibration rounds, which were trained on fewer labels "
    "than the final one. Those at the threshold flatter a little, because the threshold was chosen on them."
)

_OF_ROUNDS = (
    "Figures on held-back labels are those of this very model. Those at the threshold flatter a little, because the "
    "threshold was chosen on them, and so do the figures on what was held out to decide by, because it chose the round."
)


def describe_hardening(facts: Facts) -> str:
    """Say what attacked the model, for how long, and what it learnt from; empty where nothing did."""
    told = facts.training.get("hardening")
    if not told:
        return ""
    if not told["kept"]:
        return f"It is {told['classifier']} as it was: no round of attacks by {told['generator']} improved it."
    rounds = "1 adversarial round" if told["rounds"] == 1 else f"{told['rounds']} adversarial rounds"
    learnt = sum(facts.training["attacks"].values())
    return (
        f"Hardened from {told['classifier']} in {rounds} by the generator {told['generator']}, of which round "
        f"{told['kept']} was kept; {learnt} of the labelled examples it learnt from then are attacks."
    )


def note_on_figures(facts: Facts) -> str:
    """Say how far the figures on held-back labels may be trusted; nothing where there are none."""
    if not facts.training.get("held_back"):
        return ""
    return _OF_ROUNDS if facts.hardened else _OF_FOLDS


def absent(facts: Facts) -> dict[str, str]:
    """Say why a part of the report is missing, for each part that the run did not produce."""
    training, scores = facts.training, facts.scores
    found = {}
    if not training.get("evaluation"):
        found["test"] = (
            "There are no test figures: a hardening reads no test data. Measure the model with: railmatch evaluate "
            "MODEL DATA."
            if facts.hardened
            else "There are no test figures: the recipe named no test data (data.test)."
        )
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
    if not (scores.test or scores.decision or scores.held_back):
        lost = "scores.json is not in the model folder" if len(found) < 2 else "no example was scored"
        found["scores"] = f"Nothing can be drawn here: {lost}."
    if training.get("calibration") and scores.mistakes is None:
        found["mistakes"] = "They cannot be shown: scores.json is not in the model folder."
    if training["method"] == "supervised":
        found["kept"] = "Supervised training has no unlabelled texts, so there is no share kept."
    if not training.get("rewrites"):
        found["rewrites"] = "This run used none."
    return found
