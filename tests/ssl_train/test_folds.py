"""Folds: every labelled example is held back once, with both classes in each part."""

import pytest
from railmatch.classifier.errors import SettingsError
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.folds import held_back_folds


def labelled(unharmful: int, harmful: int) -> list[Record]:
    labels = [0] * unharmful + [1] * harmful
    return [Record(str(number), Exchange(f"text {number}"), label) for number, label in enumerate(labels)]


def test_every_example_is_held_back_once():
    parts = held_back_folds(labelled(10, 7), 4, seed=0)
    assert len(parts) == 4
    assert sorted(position for part in parts for position in part) == list(range(17))


def test_classes_are_spread_evenly():
    parts = held_back_folds(labelled(8, 4), 4, seed=0)
    assert [sum(position >= 8 for position in part) for part in parts] == [1, 1, 1, 1]


def test_the_seed_decides():
    records = labelled(20, 20)
    assert held_back_folds(records, 4, seed=1) == held_back_folds(records, 4, seed=1)
    assert held_back_folds(records, 4, seed=1) != held_back_folds(records, 4, seed=2)


def test_no_folds_hold_nothing_back():
    assert held_back_folds(labelled(1, 1), 0, seed=0) == []


def test_as_many_folds_as_the_smaller_class_has_examples_are_enough():
    assert [len(part) for part in held_back_folds(labelled(3, 3), 3, seed=0)] == [2, 2, 2]


def test_more_folds_than_a_class_has_examples_are_refused():
    with pytest.raises(SettingsError) as refused:
        held_back_folds(labelled(9, 3), 4, seed=0)
    assert str(refused.value) == (
        "calibration.folds is 4, but each fold needs an example of either class and there are 9 unharmful and "
        "3 harmful: set it to at most 3, or add labels"
    )


def test_one_example_of_a_class_leaves_no_folds():
    with pytest.raises(
        SettingsError, match=r"1 unharmful and 9 harmful: set it to 0 \(no calibration\), or add labels"
    ):
        held_back_folds(labelled(1, 9), 2, seed=0)


def test_the_same_text_is_never_held_back_and_trained_on():
    labelled = [Record(f"r{n}", Exchange(f"text {n // 2}"), n // 2 % 2) for n in range(40)]  # every text twice
    for held_back in held_back_folds(labelled, 4, seed=0):
        texts = {labelled[position].exchange for position in held_back}
        assert len(held_back) == 2 * len(texts)
        assert {labelled[position].label for position in held_back} == {0, 1}
