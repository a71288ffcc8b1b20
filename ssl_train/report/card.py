"""The model card, README.md beside the weights, in the form of the Hugging Face Hub."""

import re
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from ...classifier.backbone import EMBEDDED
from .facts import Facts
from .figures import TITLES
from .measured import figure_columns
from .statements import absent, describe_calibration, describe_hardening, note_on_figures
from .tables import OUTCOMES, attack_rows, count_rows, data_rows, vote_rows, voter_rows
from .templates import templates

EMBEDDED_BASE = "sentence-transformers/all-MiniLM-L6-v2"
"""The Hub id of the embedded encoder."""

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def render_card(facts: Facts) -> str:
    """Write the card: what the model is, how to use it, what made it, and how well it does.

    ``license: unknown`` stands for a choice that is the user's, and a base model is named where it is one of the Hub.
    """
    template = templates().get_template("card.md")
    head = front_matter(facts.training["encoder"]).to_yaml()
    return str(ModelCard(template.render(front_matter=f"---\n{head}\n---", **_context(facts))))


def front_matter(encoder: str) -> ModelCardData:
    """Describe the model for the Hub's search."""
    return ModelCardData(
        base_model=_base_model(encoder),
        library_name="transformers",
        license="unknown",
        pipeline_tag="text-classification",
        tags=["railmatch", "guardrails", "content-moderation", "safety"],
    )


def _base_model(encoder: str) -> str | None:
    if encoder == EMBEDDED:
        return EMBEDDED_BASE
    return encoder if HUB_ID.fullmatch(encoder) and not Path(encoder).is_dir() else None


def _context(facts: Facts) -> dict[str, Any]:
    training, settings = facts.training, facts.settings
    pair = settings.task == "response"
    return {
        "task": settings.task,
        "subject": "response to a prompt" if pair else "prompt",
        "version": f" {settings.railmatch}" if settings.railmatch else "",
        "labels": f"{training['labels']:,}",
        "pool": f"{training['pool']:,}" if training["pool"] else "",
        "check": 'check_response("a prompt", "a response")' if pair else 'check_prompt("a prompt")',
        "pipeline_input": '{"text": "a prompt", "text_pair": "a response"}' if pair else '"a prompt"',
        "window": settings.window,
        "threshold": repr(settings.threshold),
        "hardening": describe_hardening(facts),
        "training": _training(facts),
        **_figures(facts),
    }


def _training(facts: Facts) -> list[tuple[str, str]]:
    training = facts.training
    votes = {kind: {"kept": counts["kept"]} for kind, counts in (training.get("votes") or {}).items()}
    rewrites = count_rows({"kept": (training.get("rewrites") or {}).get("kept", 0)}, OUTCOMES)
    return [
        ("Method", training["method"]),
        ("Encoder", training["encoder"]),
        ("Steps", f"{training['steps']:,}"),
        ("Seed", str(training["seed"])),
        *data_rows(training),
        ("Rewrites of unlabelled texts", rewrites[0][1]),
        *vote_rows(votes),
        *voter_rows(training),
        *attack_rows(training),
        *([("On CPUs", training["int8"]["sentence"])] if "int8" in training else []),
    ]


def _figures(facts: Facts) -> dict[str, Any]:
    missing = absent(facts)
    calibration = facts.training.get("calibration")
    notes = [note] if (note := note_on_figures(facts)) else []
    notes += [missing[part] for part in ("figures", "test") if part in missing][:1]
    return {
        "figure_titles": TITLES,
        "columns": figure_columns(facts),
        "figure_notes": notes,
        "calibration": describe_calibration(facts, calibration) if calibration else missing["held_back"],
    }
