"""The report as one HTML page that loads nothing and runs no script, whatever the texts in it say."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ...classifier.metrics import evaluate_scores
from ..history import HISTORY_BLOCK
from .facts import Facts, Scored
from .figures import TITLES, figures_of
from .plots import plot_histogram, plot_kept, plot_losses, plot_precision_recall, plot_reliability, plot_roc
from .statements import HELD_BACK_NOTE, SETS, absent, describe_calibration, describe_mistakes, describe_operating_point
from .tables import LEAKS, OUTCOMES, calibration_rows, count_rows, data_rows, run_rows, vote_rows

HEADLINE = {"f1": "F1", "recall": "Harmful stopped (recall)", "fpr": "Harmless blocked", "auprc": "AUPRC"}
"""The figures that the page shows first and large, and what it calls them there."""


def render_page(facts: Facts, folder: str) -> str:
    """Write the page of a model that lies in ``folder``, whose name is only shown."""
    environment = templates()
    styles = environment.get_template("page.css").render()
    context = _heading(facts, folder) | _figures(facts) | _plots(facts) | _calibration(facts) | _inputs(facts)
    return environment.get_template("page.html").render(styles=Markup(styles), absent=_Absent(absent(facts)), **context)


@cache
def templates() -> Environment:
    """Give the report's templates: HTML is escaped, and a name that is not given is an error."""
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


class _Absent(dict[str, str]):
    """What is absent, by part; nothing for a part that is there."""

    def __missing__(self, part: str) -> str:
        return ""


def evaluations(facts: Facts) -> dict[str, dict[str, Any]]:
    """Give the evaluations that there are, by the names of ``SETS``, at the threshold that the model has now.

    It is another than in training.json where somebody changed it in railmatch.json.
    """
    stored = {"test": facts.training.get("evaluation"), "held-back": facts.training.get("held_back")}
    scored = _scored(facts)
    threshold = facts.settings.threshold
    found = {name: evaluation for name, evaluation in stored.items() if evaluation}
    for name, evaluation in found.items():
        if evaluation["threshold"] != threshold and name in scored:
            found[name] = evaluate_scores(*scored[name].arrays(), threshold=threshold).as_dict()
    return found


def _scored(facts: Facts) -> dict[str, Scored]:
    """Give the scored examples that there are, by the names of ``SETS``."""
    sets = {"test": facts.scores.test, "held-back": facts.scores.held_back}
    return {name: scored for name, scored in sets.items() if scored}


def _heading(facts: Facts, folder: str) -> dict[str, Any]:
    training, settings = facts.training, facts.settings
    counts = [
        f"{training['labels']:,} labels",
        *([f"{training['pool']:,} unlabelled texts"] if training["pool"] else []),
    ]
    return {
        "title": f"{settings.task.capitalize()} classifier",
        "facts": [training["method"], training["encoder"], *counts, settings.created[:10]],
        "folder": folder,
        "threshold": f"{settings.threshold:.3f}",
    }


def _figures(facts: Facts) -> dict[str, Any]:
    found = evaluations(facts)
    first = next(iter(found), None)
    return {
        "figure_titles": TITLES,
        "headline": [figures_of(found[first])[name] for name in HEADLINE] if first else [],
        "headline_titles": list(HEADLINE.values()),
        "sentence": describe_operating_point(facts, first, found[first]) if first else "",
        "columns": [
            {
                "name": SETS[name],
                "figures": figures_of(evaluation),
                "examples": f"{evaluation['harmful']:,} harmful, {evaluation['unharmful']:,} unharmful",
            }
            for name, evaluation in found.items()
        ],
        "held_back_note": HELD_BACK_NOTE if "held-back" in found else "",
    }


def _plots(facts: Facts) -> dict[str, Any]:
    """Draw everything that there are numbers for."""
    sets, threshold, history = _scored(facts), facts.settings.threshold, facts.training["history"]
    unlabelled = facts.training["method"] != "supervised"
    drawn: dict[str, str] = {"pr": "", "roc": "", "reliability": "", "losses": "", "kept": ""}
    if sets:
        drawn["pr"] = plot_precision_recall(sets, threshold)
        drawn["roc"] = plot_roc(sets, threshold)
        drawn["reliability"] = plot_reliability(sets)
    if history["step"]:
        drawn["losses"] = plot_losses(history, unlabelled=unlabelled)
    if history["step"] and unlabelled:
        drawn["kept"] = plot_kept(history)
    histograms = {SETS[name].lower(): Markup(plot_histogram(name, scored, threshold)) for name, scored in sets.items()}
    return {
        "plots": {name: Markup(svg) for name, svg in drawn.items()} | {"histograms": histograms},
        "history_block": HISTORY_BLOCK,
    }


def _calibration(facts: Facts) -> dict[str, Any]:
    calibration = facts.training.get("calibration")
    return {
        "calibration": calibration_rows(calibration) if calibration else [],
        "calibration_sentence": describe_calibration(facts, calibration) if calibration else "",
        "mistakes": facts.scores.mistakes,
        "mistakes_sentence": describe_mistakes(facts, facts.scores.held_back, calibration) if calibration else "",
    }


def _inputs(facts: Facts) -> dict[str, Any]:
    training = facts.training
    return {
        "data": data_rows(training),
        "rewrites": count_rows(training.get("rewrites") or {}, OUTCOMES),
        "votes": vote_rows(training.get("votes") or {}),
        "leaks": count_rows(training.get("leaks") or {}, LEAKS),
        "run": run_rows(training, facts.settings),
        "versions": list((training.get("versions") or {}).items()),
        "recipe": yaml.safe_dump(training["recipe"], sort_keys=False, allow_unicode=True),
    }
