"""What the rounds came to, as hardening.json, and as a page that loads nothing and runs no script."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

from ...classifier.storage import write_text_atomically
from ...classifier.tasks import LABELS
from ..report.drawing import COLOURS, drawn
from ..report.templates import templates
from ..report.versions import versions
from .harvest import Attack
from .recipe import HardenRecipe
from .rounds import Outcome

FACTS_FILE = "hardening.json"
PAGE_FILE = "hardening.html"

EXAMPLES = 6
"""So many attacks of each round, half of either class where there are, are shown."""

LEARNING = {
    "reward": "Reward while learning",
    "fool": "Gate x nats while learning",
    "passed": "Share that passed the gate while learning",
    "diversity": "Distance to the nearest text of the seed while learning",
    "kl": "KL divergence from the model as it was",
    "entropy": "Entropy while learning",
    "frac_reward_zero_std": "Share of seeds whose texts earned the same while learning",
}
"""The curves of a generator that learns, by the names it gives them, with their captions."""

Facts = dict[str, Any]
Series = Mapping[str, tuple[Sequence[float | None], str]]
"""What is drawn: by its name a value for each round, None where there is none, and its colour."""


def write_report(folder: Path, recipe: HardenRecipe, outcome: Outcome, attacks: Sequence[Sequence[Attack]]) -> Path:
    """Write the facts and the page into the run's folder and give the page's path; ``attacks`` are kept ones by round.

    Raises:
        OSError: a file cannot be written.
    """
    facts: Facts = {
        "best": outcome.best,
        "stopped": outcome.stopped,
        "classifiers": [asdict(figures) for figures in outcome.figures],
        "harvests": outcome.harvests,
        "learned": [asdict(learned) for learned in outcome.learned],
        "examples": [example for some in attacks for example in _examples(some)],
        "versions": versions(),
        "recipe": recipe.model_dump(mode="json"),
    }
    write_text_atomically(folder / FACTS_FILE, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    page = folder / PAGE_FILE
    write_text_atomically(page, render(json.loads((folder / FACTS_FILE).read_text(encoding="utf-8"))))
    return page


def render(facts: Facts) -> str:
    """Write the page from what hardening.json holds."""
    environment = templates()
    recipe = facts["recipe"]
    return environment.get_template("hardening.html").render(
        styles=Markup(environment.get_template("page.css").render()),
        facts=facts,
        title=f"Hardening of a {recipe['task']} classifier",
        sentence=sentence(facts),
        plots={caption: Markup(svg) for caption, svg in _plots(facts).items()},
        percent=percent,
        recipe=yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True),
    )


def sentence(facts: Facts) -> str:
    """Say in a sentence what was gained and what it cost."""
    start, best = facts["classifiers"][0], facts["classifiers"][facts["best"]]
    if facts["best"] == 0:
        return "No round paid: the classifier is as it was at the start."
    broken = (
        ""
        if start["fresh"] is None
        else f"Fresh attacks broke {percent(start['fresh'])} of the seeds before and {percent(best['fresh'])} after. "
    )
    return (
        f"{broken}On held-out examples AUPRC went from {start['auprc']:.3f} to {best['auprc']:.3f}, F1 from "
        f"{start['f1']:.3f} to {best['f1']:.3f}, and the share of harmless texts blocked from "
        f"{percent(start['fpr'])} to {percent(best['fpr'])}."
    )


def percent(share: float | None) -> str:
    """Write a share with one decimal, or a dash where there is none."""
    return "\N{EN DASH}" if share is None else f"{100 * share:.1f}%"


def _plots(facts: Facts) -> dict[str, str]:
    """Draw everything that there are numbers for, by caption."""
    classifiers, harvests = facts["classifiers"], facts["harvests"]

    def column(rows: Sequence[Facts], of: Callable[[Facts], float | None]) -> list[float | None]:
        return [of(row) for row in rows]

    plots = {
        "Clean examples": _over_rounds(
            "clean",
            {
                "AUPRC": (column(classifiers, lambda row: row["auprc"]), "test"),
                "F1": (column(classifiers, lambda row: row["f1"]), "held-back"),
                "harmless blocked": (column(classifiers, lambda row: row["fpr"]), "unharmful"),
            },
        )
    }
    if harvests:
        fresh = column(classifiers, lambda row: row["fresh"])
        earlier = column(classifiers, lambda row: _mean(list(row["by_round"].values())))
        attack = {"fresh attacks: seeds broken": (fresh, "harmful"), "earlier attacks": (earlier, "muted")}
        plots = {"Attack success": _over_rounds("success", attack)} | plots
        plots["What was harvested"] = _over_rounds(
            "harvest",
            {
                "faithful": (column(harvests, lambda row: row["faithful"]), "test"),
                "diversity": (column(harvests, lambda row: row["diversity"]), "held-back"),
            },
            first=1,
        )
    for name, caption in LEARNING.items():
        if curve := [value for learned in facts["learned"] for value in learned["curves"].get(name, [])]:
            plots[caption] = _over_steps(name, curve)
    return plots


def _over_rounds(name: str, series: Series, first: int = 0) -> str:
    """Draw shares over the rounds' numbers, which begin at ``first``."""
    with drawn(name) as plot:
        for label, (values, colour) in series.items():
            points = [(number, value) for number, value in enumerate(values, first) if value is not None]
            if points:
                plot.axes.plot(*zip(*points, strict=True), color=COLOURS[colour], label=label, marker="o", markersize=4)
        plot.axes.set(xlabel="classifier of round" if first == 0 else "round", ylim=(-0.02, 1.04))
        longest = max(len(values) for values, _ in series.values())
        plot.axes.set_xticks(range(first, first + longest))
        if plot.axes.lines:
            plot.legend()
    return plot.svg


def _over_steps(name: str, values: Sequence[float]) -> str:
    with drawn(name) as plot:
        plot.axes.plot(range(1, len(values) + 1), values, color=COLOURS["test"])
        plot.axes.set(xlabel="step of the generator's learning, all rounds")
    return plot.svg


def _examples(attacks: Sequence[Attack]) -> list[Facts]:
    """Pick the best attacks of a round, of both classes, with what the page shows of them."""
    shown = []
    for label in range(len(LABELS)):
        shown += [attack for attack in attacks if attack.candidate.seed.label == label][: EXAMPLES // len(LABELS)]
    return [
        {
            "round": attack.round,
            "label": LABELS[attack.candidate.seed.label],
            "category": attack.candidate.seed.category,
            "harmful": attack.terms.harmful,
            "succeeds": attack.succeeds,
            "seed_id": attack.candidate.seed.id,
            "seed": attack.candidate.seed.text,
            "text": attack.candidate.text,
        }
        for attack in shown
    ]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
