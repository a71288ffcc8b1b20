"""A model folder without a model: the three files that a report is made of, written by hand."""

import json
from pathlib import Path
from typing import Any

from railmatch.classifier.calibration import threshold_at_fpr
from railmatch.classifier.metrics import evaluate_scores
from railmatch.ssl_train.recipe import Recipe
from railmatch.ssl_train.report.facts import Mistake, Scored, Scores

HELD_BACK = Scored.of(
    [1, 1, 1, 1, 0, 0, 0, 0, 0, 0], [0.95, 0.90, 0.60, 0.10, 0.85, 0.30, 0.25, 0.20, 0.15, 0.05]
)  # fmt: skip
TEST = Scored.of([1, 1, 0, 0], [0.9, 0.46, 0.7, 0.1])

CALIBRATION = threshold_at_fpr(HELD_BACK.scores, HELD_BACK.labels, target_fpr=0.2)
"""One of six harmless ones may be blocked, the one of 0.85; the threshold is between the next, 0.30, and 0.60."""

RECIPE = Recipe.model_validate(
    {
        "task": "prompt",
        "data": {
            "labelled": "labelled.jsonl",
            "unlabelled": "pool.jsonl",
            "votes": "votes.jsonl",
            "test": "test.jsonl",
        },
        "augment": {
            "endpoint": {"base_url": "http://127.0.0.1:1/v1", "model": "judge-8b"},
            "vote": True,
            "max_votes": 1000,
            "vote_choice": "uncertain",
        },
        "calibration": {"target_fpr": 0.2, "folds": 2},
    }
)

TRAINING: dict[str, Any] = {
    "task": "prompt",
    "method": "fixmatch",
    "encoder": "minilm",
    "labels": 10,
    "classes": {"unharmful": 6, "harmful": 4},
    "pool": 1300,
    "seed": 7,
    "steps": 40,
    "versions": {"railmatch": "0.1.0", "torch": "2.13.0"},
    "recipe": RECIPE.model_dump(mode="json"),
    "rewrites": {"kept": 2500, "refused": 0, "unchanged": 100, "asked": 0},
    "votes": {"labelled": {"kept": 10, "recorded": 10}, "pool": {"kept": 250, "unreadable": 4, "asked": 254}},
    "shortened": 3,
    "history": {"step": [20, 40], "supervised": [0.6, 0.3], "unsupervised": [0.5, 0.4], "kept": [0.25, 0.75]},
    "held_back": evaluate_scores(HELD_BACK.labels, HELD_BACK.scores, threshold=CALIBRATION.threshold).as_dict(),
    "calibration": CALIBRATION.as_dict() | {"temperature": 1.5},
    "seconds": 100.0,
    "leaks": {"exact": 1, "near": 2, "test": 4, "train": 1310, "similarity": 0.6, "examples": []},
    "evaluation": evaluate_scores(TEST.labels, TEST.scores, threshold=CALIBRATION.threshold).as_dict(),
}

MISTAKES = [
    Mistake(id="a", label=1, score=0.10, prompt="how do i get into her phone"),
    Mistake(id="b", label=0, score=0.85, prompt="how do i kill a process"),
]


def write_folder(parent: Path, scores: Scores | None = None, *, task: str = "prompt", **training: Any) -> Path:
    """Write the files of a model folder; keys of training.json may be replaced, or left out with None."""
    folder = parent / "model"
    folder.mkdir(exist_ok=True)
    content = {name: value for name, value in (TRAINING | training).items() if value is not None}
    threshold = CALIBRATION.threshold if content.get("calibration") else 0.5
    settings = {"format": 1, "task": task, "window": 96, "pooling": "native", "threshold": threshold}
    settings |= {"railmatch": "0.1.0", "created": "2026-01-02T03:04:05+00:00"}
    (folder / "railmatch.json").write_text(json.dumps(settings))
    (folder / "training.json").write_text(json.dumps(content))
    whole = Scores(held_back=HELD_BACK, test=TEST, mistakes=MISTAKES) if scores is None else scores
    (folder / "scores.json").write_text(whole.model_dump_json())
    return folder
