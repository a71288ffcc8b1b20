"""What the demo tells of ordinary texts and look-alike pairs."""

import json
from pathlib import Path

import pytest
from railmatch.classifier.errors import ModelError
from railmatch.classifier.model import SafetyClassifier
from railmatch.demo.kinds import blocked_by_kind, kinds_table
from railmatch.ssl_train.report.facts import SCORES_FILE, TRAINING_FILE, Scored, Scores

KINDS = [("ordinary", "harmful"), ("pair", "unharmful"), ("ordinary", "harmful"), ("pair", "harmful")]


@pytest.fixture
def model(tiny_encoder: Path, tmp_path: Path) -> Path:
    """A model folder, threshold 0.5, that was measured on a file of ``KINDS``."""
    folder = tmp_path / "model"
    SafetyClassifier.from_encoder(str(tiny_encoder), "prompt", window=32).save(folder)
    scored = Scored(labels=[1, 0, 1, 1], scores=[0.9, 0.6, 0.4, 0.5])
    (folder / TRAINING_FILE).write_text("{}")
    (folder / SCORES_FILE).write_text(Scores(test=scored).model_dump_json())
    return folder


@pytest.fixture
def test_file(tmp_path: Path) -> Path:
    file = tmp_path / "test.jsonl"
    file.write_text("".join(json.dumps({"kind": kind, "label": label}) + "\n" for kind, label in KINDS))
    return file


def test_blocked_texts_are_counted_by_kind_and_label(model: Path, test_file: Path):
    # at 0.5: 0.9, 0.6 and 0.5 itself are blocked, 0.4 is not
    assert blocked_by_kind(model, test_file) == {
        ("ordinary", "harmful"): (1, 2),
        ("pair", "unharmful"): (1, 1),
        ("pair", "harmful"): (1, 1),
    }


def test_a_model_measured_on_something_else_is_not_taken(model: Path, tmp_path: Path):
    longer = tmp_path / "longer.jsonl"
    longer.write_text('{"kind": "pair", "label": "harmful"}\n' * 5)
    with pytest.raises(ValueError, match="shorter"):
        blocked_by_kind(model, longer)
    with pytest.raises(ModelError):
        blocked_by_kind(tmp_path, longer)


def test_the_table_names_kinds_in_plain_words():
    table = kinds_table({("pair", "harmful"): (1, 4), ("ordinary", "unharmful"): (0, 3)})
    assert table.splitlines() == [
        "at the threshold  label      texts  blocked",
        "ordinary          unharmful  3      0%",
        "look-alike pairs  harmful    4      25%",
    ]
