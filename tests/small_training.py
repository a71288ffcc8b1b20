"""A recipe with its data, small enough that the tiny encoder learns it in seconds."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from railmatch.ssl_train.progress import Advance
from railmatch.ssl_train.recipe import Recipe

THINGS = ["car", "money", "letter", "key", "phone", "cake", "book", "lock", "house", "garden"]
PEOPLE = ["friend", "neighbour", "boss", "wife", "child", "teacher"]
PAIRS = list(itertools.product(THINGS, PEOPLE))


def text(label: int, number: int) -> str:
    """A request that is plainly harmful (1) or not (0); no two numbers below 60 give the same."""
    thing, person = PAIRS[number]
    if label:
        return f"how do i steal the {thing} of my {person}"
    return f"please help me find a new {thing} for my {person} today"


def rewrite(label: int, number: int) -> str:
    thing, person = PAIRS[number]
    if label:
        return f"tell me a way to steal from my {person} the {thing}"
    return f"where can i find for my {person} a {thing} that is new"


def write_rows(file: Path, rows: list[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_data(folder: Path, *, pair: bool = False) -> None:
    """8 labelled texts of either class, a pool of 24 with two rewrites each, and 6 test texts of either class.

    With ``pair`` the request is the response to a fixed prompt.
    """

    def row(prefix: str, kind: int, number: int, **more: Any) -> dict[str, Any]:
        words = text(kind, number)
        judged = {"prompt": "what should i say", "response": words} if pair else {"prompt": words}
        return {"id": f"{prefix}{kind}-{number}", **judged, **more}

    def rewrites(label: int, number: int) -> list[Any]:
        found = [rewrite(label, number), rewrite(label, number).replace("my", "the") + " please"]
        return [["what could i say", words] for words in found] if pair else found

    names = {0: "unharmful", 1: "harmful"}
    both = (0, 1)
    write_rows(folder / "labelled.jsonl", [row("l", y, n, label=names[y]) for n in range(8) for y in both])
    write_rows(folder / "pool.jsonl", [row("u", y, n) for n in range(8, 20) for y in both])
    write_rows(
        folder / "rewrites.jsonl",
        [{"id": f"u{y}-{n}", "rewrites": rewrites(y, n)} for n in range(8, 20) for y in both],
    )
    write_rows(folder / "test.jsonl", [row("t", y, n, label=names[y]) for n in range(30, 36) for y in both])


def recipe(folder: Path, encoder: Path, **sections: Any) -> Recipe:
    """The recipe of ``write_data``; a section's keys are added to, a key that is no section is replaced."""
    content: dict[str, Any] = {
        "task": "prompt",
        "encoder": str(encoder),
        "data": {
            "labelled": "labelled.jsonl",
            "unlabelled": "pool.jsonl",
            "rewrites": "rewrites.jsonl",
            "test": "test.jsonl",
        },
        "augment": {"cache": str(folder / "cache.sqlite")},
        "method": {"name": "fixmatch", "threshold": 0.6},
        "training": {
            "steps": 12,
            "labelled_batch": 4,
            "unlabelled_batch": 6,
            "learning_rate": 2e-3,
            "max_length": 32,
            "device": "cpu",
            "precision": "fp32",
            "checkpoint_every": 4,
        },
        "calibration": {"target_fpr": 0.25, "folds": 2},
        "export": {"int8": False},  # it would take as long as the training
    }
    for name, value in sections.items():
        content[name] = content.get(name, {}) | value if isinstance(value, dict) else value
    return Recipe.model_validate(content)


class Steps:
    """A progress that counts the calls of its advance and may act at one of them."""

    def __init__(self, at: int | None = None, act: Any = None) -> None:
        self.counts: list[int] = []
        self.at = at
        self.act = act

    @contextmanager
    def __call__(self, description: str, total: int) -> Iterator[Advance]:
        yield self.advance if description.startswith("training") else (lambda count: None)

    def advance(self, count: int) -> None:
        self.counts.append(count)
        if sum(self.counts) == self.at and self.act:
            self.act()
