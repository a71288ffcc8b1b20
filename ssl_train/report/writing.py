"""Write what came out of a training into the model folder, each file as a whole or not at all."""

import json
from pathlib import Path
from typing import Any

from ...classifier.storage import write_text_atomically
from .facts import SCORES_FILE, TRAINING_FILE, Scores, read_facts

PAGE_FILE = "report.html"
CARD_FILE = "README.md"


def write_training(folder: Path, training: dict[str, Any], scores: Scores) -> None:
    """Write training.json, scores.json and the model card into a model folder, in place of earlier ones.

    Raises:
        OSError: a file cannot be written; an earlier one is then as it was.
    """
    from .card import render_card

    write_text_atomically(folder / TRAINING_FILE, json.dumps(training, indent=2) + "\n")
    write_text_atomically(folder / SCORES_FILE, scores.model_dump_json() + "\n")
    write_text_atomically(folder / CARD_FILE, render_card(read_facts(folder)))


def write_page(folder: Path, out: Path | None = None) -> Path:
    """Write the report of a model as one HTML page, report.html in its folder when ``out`` is left out; give its path.

    Raises:
        ModelError: the folder does not hold what the report is made of.
        OSError: the page cannot be written; an earlier one is then as it was.
    """
    from .page import render_page

    file = folder / PAGE_FILE if out is None else out
    write_text_atomically(file, render_page(read_facts(folder), str(folder)))
    return file
