"""The data set is what the rounds accepted, a person's decisions honoured, and the counts are those of its tables."""

import json
from pathlib import Path

import pytest
from railmatch.classifier.errors import DataError
from railmatch.ssl_train.data.records import load_records
from railmatch.ssl_train.synthesis.decisions import add_decisions
from railmatch.ssl_train.synthesis.files import read_rows
from railmatch.ssl_train.synthesis.outcome import proposed, write_outcome, write_tables
from railmatch.ssl_train.synthesis.table import Row
from railmatch.ssl_train.synthesis.withdraw import withdraw
from small_synthesis import TEXTS, sample, write_synthesis

ALL = {"id-fine": 0, "id-</pre": 1, "id-alarm": 0, "id-split": 1}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_synthesis(tmp_path)


def labels(folder: Path) -> dict[str, int | None]:
    return {r.id: r.label for r in load_records(str(folder / "data.jsonl"), "prompt", labelled=True)}


def summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


def test_without_decisions_the_data_set_is_the_last_round(folder: Path):
    assert labels(folder) == ALL
    assert [row["prompt"] for row in proposed(folder)] == list(TEXTS)
    assert list(summary(folder)["rounds"]) == ["queries", "even"]
    assert not (folder / "rounds" / "3_review.jsonl").exists()


def test_decisions_are_honoured_with_a_table_of_their_own(folder: Path):
    add_decisions(folder, {"id-fine": "unharmful", "id-alarm": "harmful", "id-split": "drop", "id-gone": "drop"})
    write_outcome(folder)
    assert labels(folder) == {"id-fine": 0, "id-</pre": 1, "id-alarm": 1}
    assert [record.get("review") for record in read_rows(folder / "data.jsonl")] == ["confirmed", None, "relabelled"]
    table = read_rows(folder / "rounds" / "3_review.jsonl")
    assert [(row["id"], row["decision"], row["check"], row["reason"]) for row in table] == [
        ("id-fine", "accepted", "review", "a person confirmed the label"),
        ("id-alarm", "accepted", "review", "a person says harmful, not unharmful"),
        ("id-split", "rejected", "review", "a person dropped it"),
    ]
    counted = summary(folder)
    assert (counted["seeds"], counted["records"]) == (2, 3)
    assert counted["rounds"]["review"] == {
        "texts": 3,
        "accepted": 2,
        "rejected": {"review": 1},
        "by_category": {"theft & more": {"harmful": 1, "unharmful": 1}},
    }


def test_a_decision_that_is_taken_back_leaves_nothing(folder: Path):
    before = {path.name: path.read_bytes() for path in folder.rglob("*.json*")}
    add_decisions(folder, {"id-split": "drop"})
    write_outcome(folder)
    add_decisions(folder, {"id-split": "undo"})
    write_outcome(folder)
    after = {path.name: path.read_bytes() for path in folder.rglob("*.json*") if path.name != "decisions.jsonl"}
    assert after == before


def test_tables_of_an_earlier_run_go_only_when_the_new_ones_are_there(folder: Path):
    """The second of the new tables cannot be written: a folder stands in its place."""
    earlier = {path.name: path.read_bytes() for path in (folder / "rounds").iterdir()}
    rounds = {"queries": [Row("accepted", sample=sample("new", 0))], "responses": [], "even": []}
    (folder / "rounds" / "2_responses.jsonl").mkdir()
    with pytest.raises(OSError):
        write_tables(folder, rounds)
    assert (folder / "rounds" / "2_even.jsonl").read_bytes() == earlier["2_even.jsonl"]
    (folder / "rounds" / "2_responses.jsonl").rmdir()
    write_tables(folder, rounds)
    assert {path.name for path in (folder / "rounds").iterdir()} == {
        "1_queries.jsonl", "2_responses.jsonl", "3_even.jsonl"
    }  # fmt: skip
    assert [row["prompt"] for row in read_rows(folder / "rounds" / "1_queries.jsonl")] == ["new"]


def test_a_folder_without_a_data_set_is_named(tmp_path: Path):
    with pytest.raises(DataError) as error:
        proposed(tmp_path)
    assert str(error.value) == (
        f"{tmp_path}: no data set of railmatch synthesize; name the folder that its --out named"
    )


def test_a_withdrawn_seed_leaves_the_counts_the_reasons_and_the_decisions(folder: Path):
    add_decisions(folder, {"id-alarm": "harmful", "id-fine": "unharmful"})
    write_outcome(folder)
    assert withdraw(folder, "s2") == 2
    counted = summary(folder)
    assert (counted["seeds"], counted["records"]) == (1, 2)
    cells = {"theft & more": {"harmful": 1, "unharmful": 1}}
    assert counted["rounds"] == {
        "queries": {"texts": 3, "accepted": 2, "rejected": {"near_copy": 1}, "by_category": cells},
        "even": {"texts": 2, "accepted": 2, "rejected": {}, "by_category": cells},
        "review": {"texts": 1, "accepted": 1, "rejected": {}, "by_category": {"theft & more": {"unharmful": 1}}},
    }
    (like,) = [row for row in read_rows(folder / "rounds" / "1_queries.jsonl") if row["decision"] == "rejected"]
    assert like["reason"] == "near copy of a withdrawn text (0.81)"
    left = "".join(path.read_text() for path in folder.rglob("*.json*") if path.name != "withdrawn.json")
    for gone in ("s2", "id-alarm", "id-split"):
        assert gone not in left
