"""Which examples of a run were scored, and the figures on them at the threshold that the model has now."""

from typing import Any

from ...classifier.metrics import evaluate_scores
from .facts import Facts, Scored
from .figures import figures_of
from .tables import classes

SETS = {"test": "Test examples", "decision": "Held out to decide by", "held-back": "Held-back labels"}
"""The sets of scored examples, as a heading calls them; the first that is there gives the headline."""


def scored_sets(facts: Facts) -> dict[str, Scored]:
    """Give the scored examples that there are, by the names of ``SETS``."""
    scores = facts.scores
    sets = {"test": scores.test, "decision": scores.decision, "held-back": scores.held_back}
    return {name: scored for name, scored in sets.items() if scored}


def evaluations(facts: Facts) -> dict[str, dict[str, Any]]:
    """Give the evaluations that there are, as ``Evaluation.as_dict`` does, by the names of ``SETS``.

    Where somebody changed the threshold in railmatch.json, they are made anew from the scores.
    """
    keys = {"test": "evaluation", "decision": "decision", "held-back": "held_back"}
    stored = {name: facts.training.get(key) for name, key in keys.items()}
    scored = scored_sets(facts)
    threshold = facts.settings.threshold
    found = {name: evaluation for name, evaluation in stored.items() if evaluation}
    for name, evaluation in found.items():
        if evaluation["threshold"] != threshold and name in scored:
            found[name] = evaluate_scores(*scored[name].arrays(), threshold=threshold).as_dict()
    return found


def figure_columns(facts: Facts) -> list[dict[str, Any]]:
    """Give a column of figures for each evaluation: its name, its figures by name, and its examples in words."""
    return [
        {"name": SETS[name], "figures": figures_of(evaluation), "examples": classes(evaluation)}
        for name, evaluation in evaluations(facts).items()
    ]
