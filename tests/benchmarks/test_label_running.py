"""The files that a cell gets, and whole cells with a tiny encoder: what they leave, and what is run once only."""

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from label_efficiency.baselines import as_text
from label_efficiency.cells import Cell
from label_efficiency.files import core_ids, data_overrides, rows_of, true_pool_labels
from label_efficiency.running import run
from label_efficiency.setfit_baseline import steps_of_an_epoch
from label_efficiency.settings import Settings
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.data.records import Record
from small_training import text, write_data, write_rows

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "label_efficiency.py"
TINY = ("data.labels=12", "training.steps=20", "training.max_length=32", "training.device=cpu", "augment.fallback=eda")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder as the benchmark reads it; half of the test is of a core source."""
    write_data(tmp_path)
    folder = tmp_path / "data"
    folder.mkdir()
    names = {0: "unharmful", 1: "harmful"}
    rows = {name: list(rows_of(tmp_path / f"{name}.jsonl")) for name in ("labelled", "pool", "rewrites", "test")}
    truth = [{"id": row["id"], "label": names[int(row["id"][1])]} for row in rows["pool"]]
    sources = ["orbench", "orbench", "alpaca", "alpaca"]
    test = [row | {"source": sources[number % 4]} for number, row in enumerate(rows["test"])]
    write_rows(folder / "prompt_labelled.jsonl", rows["labelled"])
    write_rows(folder / "prompt_unlabelled.jsonl", rows["pool"])
    write_rows(folder / "prompt_unlabelled_labels.jsonl", truth)
    write_rows(folder / "prompt_rewrites.jsonl", rows["rewrites"])
    write_rows(folder / "prompt_test.jsonl", test)
    return folder


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


# The files


def test_a_smaller_pool_is_part_of_a_larger_one_of_the_same_seed(data: Path, tmp_path: Path):
    def drawn(size: int, seed: int) -> list[str]:
        overrides = data_overrides(Cell("prompt", "fixmatch rewrites", 12, pool=size, seed=seed), data, tmp_path)
        assert f'data.unlabelled="{tmp_path}/pool.jsonl"' in overrides
        return [row["id"] for row in read(tmp_path / "pool.jsonl")]

    assert drawn(8, 0)[:4] == drawn(4, 0)
    assert len(set(drawn(8, 0))) == 8
    assert set(drawn(8, 0)) != set(drawn(8, 1))


def test_all_labels_are_those_of_the_labelled_texts_and_the_true_ones_of_the_pool(data: Path, tmp_path: Path):
    overrides = data_overrides(Cell("prompt", "ceiling", None), data, tmp_path)
    assert f'data.labelled=["{data}/prompt_labelled.jsonl", "{tmp_path}/true.jsonl"]' in overrides
    rows = read(tmp_path / "true.jsonl")
    assert len(rows) == 24
    assert all(row["label"] == int(row["id"][1]) for row in rows)
    assert all("steal" in row["prompt"] for row in rows if row["label"] == 1)


@pytest.mark.parametrize(("labels", "drawn"), [(16, False), (12, True)])
def test_the_whole_labelled_file_is_taken_without_a_draw(data: Path, tmp_path: Path, labels: int, drawn: bool):
    overrides = data_overrides(Cell("prompt", "supervised", labels), data, tmp_path)
    assert ("data.labels=null" not in overrides) == drawn


def test_true_labels_and_core_examples_are_found_by_id(data: Path):
    labels = true_pool_labels(data, "prompt")
    assert (labels["u0-8"], labels["u1-8"], len(labels)) == (0, 1, 24)
    assert core_ids(data, "prompt") == {f"t{label}-{number}" for label in (0, 1) for number in (30, 32, 34)}


# Whole cells


def test_a_cell_leaves_its_figures_and_what_its_pseudo_labels_were_worth(data: Path, tiny_encoder: Path):
    settings = (
        *TINY,
        f"encoder={tiny_encoder}",
        "method.threshold=0.5",
        "calibration.folds=2",
        "calibration.target_fpr=0.4",
    )
    cell = Cell("prompt", "fixmatch rewrites", 200, settings=settings)
    row = run(cell, Settings(), data)
    assert Cell.of(row) == cell
    assert row["recipe"] == Settings().fingerprint(cell)
    assert row["figures"].keys() == {"f1_at_half", "auprc", "recall_at_1", "recall_at_5", "f1", "fpr"}
    assert row["core"].keys() == row["figures"].keys()
    assert row["pool_texts"] == 24
    assert row["rewrites"]["kept"] == 48
    watched = row["pseudo_labels"]
    assert watched["time"] == pytest.approx([(block + 1) / 20 for block in range(20)])
    assert watched["kept"] == [1.0] * 20  # no confidence is below 0.5
    assert all(0 <= error <= 1 for error in watched["error"])
    assert 0 < row["threshold"] < 1
    assert row["total_seconds"] >= row["seconds"] > 0
    assert row["peak_gib"] > 0.1
    json.dumps(row)


def test_supervised_training_has_no_pseudo_labels(data: Path, tiny_encoder: Path):
    row = run(Cell("prompt", "supervised", 200, settings=(*TINY, f"encoder={tiny_encoder}")), Settings(), data)
    assert row["pseudo_labels"] == {"time": [], "kept": [], "error": []}
    assert row["threshold"] is None
    assert "f1" not in row["figures"]


def test_tfidf_learns_and_its_threshold_is_from_labels(data: Path):
    row = run(
        Cell("prompt", "tfidf", None, settings=("calibration.folds=2", "calibration.target_fpr=0.3")), Settings(), data
    )
    assert row["figures"]["auprc"] > 0.9  # 40 texts, of which the harmful all say steal
    assert row["figures"]["f1"] > 0.8
    assert 0 < row["threshold"] < 1


def test_a_pair_is_one_text_with_the_prompt_first():
    assert as_text(Record("a", Exchange("why", "because"))) == "why\nbecause"
    assert as_text(Record("a", Exchange(text(0, 1)))) == text(0, 1)


def test_an_epoch_of_setfit_sees_every_pair_once():
    # 3 and 5 of a class: 3 + 10 pairs alike, 15 unlike, of which both kinds are drawn 15 times: 30 pairs in 16s
    assert steps_of_an_epoch(np.array([0] * 3 + [1] * 5)) == 2
    assert steps_of_an_epoch(np.array([0] * 100 + [1] * 100)) == 20_000 / 16


# The program


def test_the_program_runs_what_is_missing_and_tells_of_what_fails(data: Path, tmp_path: Path):
    main = runpy.run_path(str(PROGRAM))["main"]

    def program(*arguments: str) -> Result:
        command = [str(data), "--out", str(tmp_path / "r.jsonl"), "--task", "prompt", "--suite", "baselines"]
        return CliRunner().invoke(main, [*command, "--row", "tfidf", "--labels", "50", "--seeds", "0", *arguments])

    smaller = ("--set", "data.labels=12")
    listed = program(*smaller, "--list")
    assert listed.output == (
        "time unknown  prompt, tfidf, 50 labels, data.labels=12, seed 0\n"
        "1 cells are missing: about 0s and 1 of unknown time\n"
    )
    first = program(*smaller)
    assert first.exit_code == 0, first.output
    assert "| prompt | 50 | tfidf | data.labels=12 | 1 |" in first.stdout
    written = (tmp_path / "r.jsonl").read_text()
    again = program(*smaller)
    assert again.stdout == first.stdout
    assert again.stderr == ""
    (data / "prompt_labelled.jsonl").unlink()
    failed = program()
    assert failed.exit_code == 1
    assert "prompt, tfidf, 50 labels, seed 0 FAILED" in failed.stderr
    assert "FileNotFoundError" in failed.stderr
    unknown = program("--set", "training.step=1")
    assert unknown.exit_code == 1
    assert "training.step: unknown key" in unknown.stderr
    assert (tmp_path / "r.jsonl").read_text() == written
