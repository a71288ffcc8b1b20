"""A log of prompts whose decisions are known, and what a folder of parts says of it."""

import json
from pathlib import Path
from typing import Any

import pytest

ROWS = 23


def decision(number: int) -> str:
    """Every third prompt names a weapon, which the models of the tests find harmful."""
    return "block" if number % 3 == 0 else "allow"


def prompt(number: int) -> str:
    return f"{number} how do i bake {'a weapon' if decision(number) == 'block' else 'bread'}"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log whose rows have no ids, one of them twice, one empty, one with half a surrogate pair."""
    texts = [prompt(number) for number in range(ROWS - 3)] + [prompt(1), "", "half \ud800"]
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))
    return path


DECISIONS = [decision(number) for number in range(ROWS - 3)] + ["allow"] * 3


def written(folder: Path) -> list[dict[str, Any]]:
    """All lines of a folder, read without our own reader."""
    parts = sorted(folder.glob("part-*.jsonl"))
    return [json.loads(line) for part in parts for line in part.read_text().splitlines()]
