"""Recorded rewrites and votes: what each row may hold, and how a wrong one is named."""

import json
from pathlib import Path

import pytest
from railmatch.classifier.errors import DataError
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.data.records import load_rewrites, load_votes


def written(folder: Path, rows: list) -> Path:
    path = folder / "recorded.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_rewrites_are_texts_pairs_or_nothing(tmp_path):
    rows = [
        {"id": "a", "rewrites": ["one", None]},
        {"id": 7, "rewrites": [["prompt", "response"]]},
        {"id": "c", "rewrites": []},
    ]
    assert load_rewrites(written(tmp_path, rows)) == {
        "a": [Exchange("one"), None],
        "7": [Exchange("prompt", "response")],
        "c": [],
    }


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"id": "b", "rewrites": "one"}, "'rewrites' must be a list, not str"),
        ({"id": "b", "rewrites": [5]}, "a rewrite must be a text, a pair [prompt, response] or null, not 5"),
        (
            {"id": "b", "rewrites": [["one"]]},
            "a rewrite must be a text, a pair [prompt, response] or null, not ['one']",
        ),
        ({"id": "b", "rewrite": []}, "needs the fields 'id' and 'rewrites'; it has 'id', 'rewrite'"),
        ({"id": None, "rewrites": []}, "needs the fields 'id' and 'rewrites'; it has 'id', 'rewrites'"),
        ({"id": "a", "rewrites": []}, "the id 'a' was already used in row 1; give each id once"),
    ],
)
def test_a_wrong_row_of_rewrites_is_named(tmp_path, row, reason):
    path = written(tmp_path, [{"id": "a", "rewrites": []}, row])
    with pytest.raises(DataError) as error:
        load_rewrites(path)
    assert str(error.value) == f"{path}, row 2: {reason}"


def test_votes_are_whole_numbers_from_0_to_4(tmp_path):
    assert load_votes(written(tmp_path, [{"id": "a", "vote": 0}, {"id": "b", "vote": 4}])) == {"a": 0, "b": 4}
    table = tmp_path / "votes.csv"
    table.write_text("id,vote\na,0\nb,4\n")
    assert load_votes(table) == {"a": 0, "b": 4}


@pytest.mark.parametrize("vote", [-1, 5, 2.5, True, None, "many"])
def test_another_vote_is_refused(tmp_path, vote):
    path = written(tmp_path, [{"id": "a", "vote": vote}])
    with pytest.raises(DataError) as error:
        load_votes(path)
    assert str(error.value) == f"{path}, row 1: the vote {vote!r} must be a whole number from 0 to 4"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none.jsonl: no such file"):
        load_votes(tmp_path / "none.jsonl")
