"""What a model folder tells of its training: which mistakes are kept, and what is refused when it is read."""

from pathlib import Path

import pytest
from railmatch.classifier.errors import DataError, ModelError
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.report.facts import Mistake, Scored, read_facts, worst_mistakes
from small_report import HELD_BACK, write_folder

RECORDS = [Record(f"r{number}", Exchange(f"text {number}")) for number in range(10)]


def test_mistakes_are_ordered_by_how_unlikely_their_own_label_was():
    # at 0.7 harmful ones of 0.60 and 0.10 are missed and the unharmful one of 0.85 is blocked: their own labels have
    # the probabilities 0.60, 0.10 and 0.15
    mistakes = worst_mistakes(RECORDS, HELD_BACK, 0.7, texts=True)
    assert [(mistake.id, mistake.label, mistake.score) for mistake in mistakes] == [
        ("r3", 1, 0.10), ("r4", 0, 0.85), ("r2", 1, 0.60)
    ]  # fmt: skip
    assert [mistake.prompt for mistake in mistakes] == ["text 3", "text 4", "text 2"]


def test_a_score_at_the_threshold_is_harmful():
    # of the unharmful ones 0.85 reaches the threshold and 0.30 is exactly there
    assert [mistake.id for mistake in worst_mistakes(RECORDS, HELD_BACK, 0.30, texts=True)] == ["r3", "r4", "r5"]


def test_at_most_twenty_mistakes_are_kept():
    records = [Record(str(number), Exchange("text")) for number in range(50)]
    scored = Scored.of([0] * 25 + [1] * 25, [0.9 + number / 1000 for number in range(50)])
    mistakes = worst_mistakes(records, scored, 0.5, texts=True)
    assert [mistake.id for mistake in mistakes] == [str(number) for number in range(24, 4, -1)]


def test_texts_may_stay_out_of_the_folder():
    (first, *_) = worst_mistakes(RECORDS, HELD_BACK, 0.7, texts=False)
    assert first == Mistake(id="r3", label=1, score=0.10, prompt=None, response=None)


def test_a_pair_is_kept_with_its_response_and_without_lone_surrogates():
    records = [Record("\ud800", Exchange("why \ud800", "so \udfff")), Record("b", Exchange("", "yes"))]
    (mistake,) = worst_mistakes(records, Scored.of([1, 0], [0.1, 0.2]), 0.5, texts=True)
    assert (mistake.id, mistake.prompt, mistake.response) == ("\ufffd", "why \ufffd", "so \ufffd")


def test_scores_of_one_class_are_refused():
    with pytest.raises(DataError, match="none of the 2 examples is harmful"):
        Scored.of([0, 0], [0.1, 0.2])


def test_what_was_written_is_read(tmp_path: Path):
    facts = read_facts(write_folder(tmp_path))
    assert facts.scores.held_back == HELD_BACK
    assert facts.training["seed"] == 7
    assert facts.settings.window == 96


def test_without_scores_the_rest_is_read(tmp_path: Path):
    folder = write_folder(tmp_path)
    (folder / "scores.json").unlink()
    facts = read_facts(folder)
    assert (facts.scores.held_back, facts.scores.test, facts.scores.mistakes) == (None, None, None)


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path):
    with pytest.raises(ModelError, match=r"is not a RailMatch model: it holds no railmatch\.json"):
        read_facts(tmp_path)


def test_a_model_of_another_origin_is_refused(tmp_path: Path):
    folder = write_folder(tmp_path)
    (folder / "training.json").unlink()
    with pytest.raises(ModelError) as refused:
        read_facts(folder)
    assert str(refused.value) == (
        f"{folder} holds no training.json, which railmatch train writes: without it there is nothing to report"
    )


def test_damaged_files_are_refused(tmp_path: Path):
    folder = write_folder(tmp_path)
    (folder / "scores.json").write_text('{"held_back": {"labels": [0, 1], "scores": [0.5]}}')
    with pytest.raises(ModelError) as refused:
        read_facts(folder)
    assert str(refused.value) == (
        f"{folder / 'scores.json'} cannot be read: Value error, labels and scores must be two lists of one length, "
        "with both classes among them; delete it for a report without curves, or train the model again"
    )
    (folder / "training.json").write_text("{")
    with pytest.raises(ModelError, match=r"training\.json cannot be read: Expecting .*; train the model again"):
        read_facts(folder)
