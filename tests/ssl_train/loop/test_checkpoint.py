"""Checkpoints: taken up by the same run only, whole or not at all."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from disk import full_disk
from railmatch.ssl_train.loop.checkpoint import Checkpoint, FoldScores
from railmatch.ssl_train.loop.history import History
from torch import nn


def parts(weight: float) -> dict[str, nn.Linear]:
    layer = nn.Linear(3, 2)
    nn.init.constant_(layer.weight, weight)
    return {"network": layer}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "work" / "final.pt"


def test_state_comes_back(file: Path):
    Checkpoint(file, "run").save(parts(0.5), 40)
    fresh = parts(0.0)
    assert Checkpoint(file, "run").restore(fresh) == 40
    assert fresh["network"].weight.tolist() == [[0.5] * 3] * 2
    assert [found.name for found in file.parent.iterdir()] == ["final.pt"]


def test_without_a_file_training_begins(file: Path):
    assert Checkpoint(file, "run").restore(parts(0.0)) == 0


def test_a_checkpoint_of_another_run_is_not_taken_up(file: Path):
    Checkpoint(file, "run").save(parts(0.5), 40)
    fresh = parts(0.0)
    assert Checkpoint(file, "another run").restore(fresh) == 0
    assert fresh["network"].weight.count_nonzero() == 0


def test_a_checkpoint_with_other_parts_is_not_taken_up(file: Path):
    Checkpoint(file, "run").save(parts(0.5), 40)
    assert Checkpoint(file, "run").restore(parts(0.0) | {"history": History()}) == 0


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "pickle"])
def test_a_damaged_file_is_left_out_with_a_warning(file: Path, damage: str, caplog: pytest.LogCaptureFixture):
    Checkpoint(file, "run").save(parts(0.5), 40)
    match damage:
        case "truncated":
            file.write_bytes(file.read_bytes()[:-200])
        case "empty":
            file.write_bytes(b"")
        case "text":
            file.write_text("not a checkpoint")
        case "pickle":
            torch.save(["something", "else"], file)
    fresh = parts(0.0)
    with caplog.at_level(logging.WARNING):
        assert Checkpoint(file, "run").restore(fresh) == 0
    assert fresh["network"].weight.count_nonzero() == 0
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{file} is left out, since it cannot be read (")
    assert record.getMessage().endswith("); training starts anew")


def test_a_full_disk_is_an_error_and_leaves_the_earlier_checkpoint(file: Path):
    Checkpoint(file, "run").save(parts(0.5), 40)
    large = {"network": nn.Linear(300, 300)}
    with full_disk(50_000), pytest.raises(OSError, match=r"final\.pt|File too large"):
        Checkpoint(file, "run").save(large, 80)
    assert [found.name for found in file.parent.iterdir()] == ["final.pt"]
    assert Checkpoint(file, "run").restore(parts(0.0)) == 40


def test_a_finished_checkpoint_is_removed(file: Path):
    checkpoint = Checkpoint(file, "run")
    checkpoint.save(parts(0.5), 40)
    checkpoint.remove()
    checkpoint.remove()
    assert not file.exists()


def test_fold_scores_come_back_to_the_last_bit(file: Path):
    scores = np.array([0.1, 1 / 3, 1.0])
    FoldScores(file, "run").save(scores)
    found = FoldScores(file, "run").restore()
    assert found is not None
    assert found.tolist() == scores.tolist()


def test_fold_scores_of_another_run_are_not_taken_up(file: Path):
    assert FoldScores(file, "run").restore() is None
    FoldScores(file, "run").save(np.zeros(3))
    assert FoldScores(file, "another run").restore() is None


@pytest.mark.parametrize("content", ['{"run": "run", "sco', "[]", '{"run": "run"}', '{"run": "run", "scores": ["x"]}'])
def test_damaged_fold_scores_are_left_out_with_a_warning(file: Path, content: str, caplog: pytest.LogCaptureFixture):
    file.parent.mkdir()
    file.write_text(content)
    with caplog.at_level(logging.WARNING):
        assert FoldScores(file, "run").restore() is None
    assert caplog.records[0].getMessage().endswith("; its training starts anew")
