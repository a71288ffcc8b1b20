"""The report as one HTML page that loads nothing and runs no script, whatever the texts in it say."""

from collections import defaultdict
from typing import Any

import yaml
from markupsafe import Markup

from ..loop.history import HISTORY_BLOCK
from .facts import Facts
from .figures import TITLES, figures_of
from .measured import SETS, evaluations, figure_columns, scored_sets
from .plots import plot_histogram, plot_kept, plot_losses, plot_precision_recall, plot_reliability, plot_roc
from .statements import (
    absent,
    describe_calibration,
    describe_hardening,
    describe_mistakes,
    describe_operating_point,
    note_on_figures,
)
from .tables import (
    LEAKS,
    OUTCOMES,
    attack_rows,
    calibration_rows,
    count_rows,
    data_rows,
    run_rows,
    vote_rows,
    voter_rows,
)
from .templates import templates

HEADLINE = {"f1": "F1", "recall": "Harmful stopped (recall)", "fpr": "Harmless blocked", "auprc": "AUPRC"}
"""The figures that the page shows first and large, and what it calls them there."""


def render_page(facts: Facts, folder: str) -> str:
    """Write the page of a model that lies in ``folder``, whose name is only shown."""
    environment = templates()
    styles = environment.get_template("page.css").render()
    context = _heading(facts, folder) | _figures(facts) | _plots(facts) | _calibration(facts) | _inputs(facts)
    return environment.get_template("page.html").render(
        styles=Markup(styles), absent=defaultdict(str, absent(facts)), **context
    )


def _heading(facts: Facts, folder: str) -> dict[str, Any]:
    training, settings = facts.training, facts.settings
    pool = [f"{training['pool']:,} unlabelled texts"] if training["pool"] else []
    inputs = [training["method"], training["encoder"], f"{training['labels']:,} labels", *pool]
    return {
        "title": f"{settings.task.capitalize()} classifier",
        "facts": [*inputs, settings.created[:10]],
        "folder": folder,
        "threshold": f"{settings.threshold:.3f}",
        "hardening": describe_hardening(facts),
        "trained": "fine-tuning of the round that was kept" if facts.hardened else "last training, on all labels",
    }


def _figures(facts: Facts) -> dict[str, Any]:
    found = evaluations(facts)
    first = next(iter(found), None)
    return {
        "figure_titles": TITLES,
        "headline": [figures_of(found[first])[name] for name in HEADLINE] if first else [],
        "headline_titles": list(HEADLINE.values()),
        "sentence": describe_operating_point(facts, first, found[first]) if first else "",
        "columns": figure_columns(facts),
        "held_back_note": note_on_figures(facts),
    }


def _plots(facts: Facts) -> dict[str, Any]:
    """Draw everything that there are numbers for."""
    sets, threshold, history = scored_sets(facts), facts.settings.threshold, facts.training["history"]
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
    calibration, mistakes = facts.training.get("calibration"), facts.scores.mistakes
    if mistakes is not None:
        mistakes = [mistake for mistake in mistakes if mistake.stands(facts.settings.threshold)]
    return {
        "calibration": calibration_rows(calibration) if calibration else [],
        "calibration_sentence": describe_calibration(facts, calibration) if calibration else "",
        "mistakes": mistakes,
        "mistakes_sentence": describe_mistakes(facts, len(mistakes or ()), calibration) if calibration else "",
    }


def _inputs(facts: Facts) -> dict[str, Any]:
    training = facts.training
    recipes = {"Recipe": training["recipe"]}
    if "hardening" in training:
        recipes["Recipe of the hardening"] = training["hardening"]["recipe"]
    return {
        "data": data_rows(training),
        "rewrites": count_rows(training.get("rewrites") or {}, OUTCOMES),
        "votes": [*vote_rows(training.get("votes") or {}), *voter_rows(training)],
        "attacks": attack_rows(training),
        "leaks": count_rows(training.get("leaks") or {}, LEAKS),
        "run": run_rows(training, facts.settings),
        "versions": list((training.get("versions") or {}).items()),
        "recipes": {name: yaml.safe_dump(each, sort_keys=False, allow_unicode=True) for name, each in recipes.items()},
    }
