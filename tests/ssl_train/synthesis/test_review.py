"""What a person should look at first, in which order, and as a file that no spreadsheet takes for formulas."""

import csv
from pathlib import Path

import numpy as np
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.synthesis.decisions import add_decisions
from railmatch.ssl_train.synthesis.files import write_rows
from railmatch.ssl_train.synthesis.review import flagged, review_rows, write_review
from railmatch.ssl_train.synthesis.sample import Sample
from railmatch.ssl_train.synthesis.table import Row


def sample(text: str, label: int, agreeing: int = 3) -> Sample:
    return Sample(Exchange(text), label, "theft", "s", agreeing=agreeing, asked=3)


SAMPLES = [sample("fine", 0), sample("=missed", 1), sample("alarm", 0), sample("split", 1, 2), sample("both", 0, 2)]
SCORES = np.array([0.2, 0.4, 0.97, 0.8, 0.7])


def test_the_classifier_is_flagged_where_it_is_against_the_label():
    found = flagged(SAMPLES, SCORES, 0.5)
    assert [each.flag for each in found] == [
        "",
        "the classifier says unharmful (0.40)",
        "the classifier says harmful (0.97)",
        "",
        "the classifier says harmful (0.70)",
    ]
    assert [each.score for each in found] == SCORES.tolist()


def test_the_surest_contradiction_comes_first_then_divided_judges():
    rows = review_rows([each.as_dict() for each in flagged(SAMPLES, SCORES, 0.5)])
    assert [(row["prompt"], row["why"]) for row in rows] == [
        ("alarm", "the classifier says harmful (0.97)"),
        ("both", "the classifier says harmful (0.70); 2 of 3 judge calls agree"),
        ("=missed", "the classifier says unharmful (0.40)"),
        ("split", "2 of 3 judge calls agree"),
    ]


def test_the_file_has_a_column_for_the_decision(tmp_path: Path):
    rows = [Row("accepted", sample=each).as_dict() for each in flagged(SAMPLES, SCORES, 0.5)]
    write_rows(tmp_path / "rounds" / "1_even.jsonl", rows)
    add_decisions(tmp_path, {SAMPLES[2].id: "drop"})
    assert write_review(tmp_path, tmp_path / "review.csv") == 4
    rows = list(csv.DictReader((tmp_path / "review.csv").read_text(encoding="utf-8").splitlines()))
    assert rows[2]["prompt"] == "'=missed"
    assert [(row["decision"], row["judges"], row["label"]) for row in rows[:1]] == [("drop", "3 of 3", "unharmful")]
    assert [row["decision"] for row in rows[1:]] == ["", "", ""]
