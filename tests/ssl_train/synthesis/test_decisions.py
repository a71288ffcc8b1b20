"""What a person decided: kept through crashes, the last word counts, and a filled-in table is read."""

from pathlib import Path

import pytest
from railmatch.classifier.errors import DataError
from railmatch.ssl_train.synthesis.decisions import (
    add_decisions,
    decisions_of_table,
    forget_decisions,
    read_decisions,
)


def test_the_last_decision_counts_and_undo_takes_it_back(tmp_path: Path):
    assert read_decisions(tmp_path) == {}
    add_decisions(tmp_path, {"a": "harmful", "b": "drop"})
    add_decisions(tmp_path, {"a": "unharmful"})
    add_decisions(tmp_path, {"b": "undo"})
    assert read_decisions(tmp_path) == {"a": "unharmful"}


@pytest.mark.parametrize("torn", ['{"id": "b", "deci', '{"id": "b", "decision": "drop"}', "\u00fc\u00fc", ""])
def test_a_line_that_a_crash_tore_is_no_decision_and_does_no_harm(tmp_path: Path, torn: str):
    add_decisions(tmp_path, {"a": "harmful"})
    with (tmp_path / "decisions.jsonl").open("ab") as file:
        file.write(torn.encode()[:-1] if torn.startswith("\u00fc") else torn.encode())
    assert read_decisions(tmp_path) == {"a": "harmful"}
    add_decisions(tmp_path, {"c": "drop"})
    assert read_decisions(tmp_path) == {"a": "harmful", "c": "drop"}


@pytest.mark.parametrize("line", ['{"id": "a", "decision": "perhaps"}', "[1]", "no JSON", '{"decision": "drop"}'])
def test_a_damaged_file_is_named(tmp_path: Path, line: str):
    (tmp_path / "decisions.jsonl").write_text(line + "\n")
    with pytest.raises(DataError, match=r"decisions\.jsonl: cannot be read .*; remove the damaged lines, or the file"):
        read_decisions(tmp_path)


def test_what_was_decided_about_withdrawn_records_goes(tmp_path: Path):
    add_decisions(tmp_path, {"a": "harmful", "b": "drop"})
    forget_decisions(tmp_path, ["b", "z"])
    assert (tmp_path / "decisions.jsonl").read_text() == '{"id": "a", "decision": "harmful"}\n'


def table(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "review.csv"
    path.write_text("\ufeffid,prompt,decision\r\n" + "".join(f"{row}\r\n" for row in rows), encoding="utf-8")
    return path


def test_a_filled_in_table_is_read(tmp_path: Path):
    path = table(tmp_path, 'a,"two\r\nlines",Drop ', "b,x,", "c,x,harmful")
    assert decisions_of_table(path, "abc") == {"a": "drop", "c": "harmful"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,x,yes", "row 3: unknown decision 'yes'; write unharmful, harmful or drop, or leave it empty"),
        ("1E+16,x,drop", "row 3: the data set has no record '1E+16'; a spreadsheet may have changed the id"),
    ],
)
def test_what_makes_no_sense_in_a_table_is_named(tmp_path: Path, row: str, message: str):
    path = table(tmp_path, "b,x,", row)
    with pytest.raises(DataError) as error:
        decisions_of_table(path, "abc")
    assert str(error.value) == f"{path}, {message}"


def test_another_table_is_refused(tmp_path: Path):
    (tmp_path / "other.csv").write_text("id,label\na,harmful\n")
    with pytest.raises(DataError) as error:
        decisions_of_table(tmp_path / "other.csv", "a")
    assert str(error.value) == (
        f"{tmp_path / 'other.csv'}: no columns 'id' and 'decision'; give the file that synthesize --review wrote"
    )
