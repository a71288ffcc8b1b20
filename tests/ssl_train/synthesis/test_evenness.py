"""The last round by hand: which records go for diversity and balance, and in which order."""

from dataclasses import replace

import numpy as np
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.synthesis.evenness import one_sided, too_alike, too_many
from railmatch.ssl_train.synthesis.sample import Sample


def sample(name: str, label: int, category: str = "theft", agreeing: int = 3) -> Sample:
    return Sample(Exchange(name), label, category, "s", agreeing=agreeing, asked=3)


def at(*degrees: float) -> np.ndarray:
    """Unit vectors in the plane."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_of_the_nearest_pair_the_later_goes_until_the_floor_is_reached():
    records = [sample(name, 1) for name in "abcd"]
    # distances to the nearest: a and b (1 degree apart) 0.0002, c and d (60 degrees from b and from c) 0.5
    reasons = too_alike(records, at(0, 1, 61, 121), 0.3)
    assert reasons == {1: "too alike: diversity 0.250, nearest cosine 1.00"}
    assert too_alike(records, at(0, 1, 61, 121), 0.2) == {}


def test_diversity_is_that_of_a_cell_and_two_records_stay():
    records = [sample("a", 1), sample("b", 0), sample("c", 1), sample("d", 1)]
    assert set(too_alike(records, at(0, 0, 0, 0), 0.5)) == {2}


def test_the_larger_class_gives_up_its_most_doubtful_then_its_most_alike():
    records = [sample("a", 1), sample("b", 1), sample("c", 1, agreeing=2), sample("d", 1), sample("e", 0)]
    records += [sample("f", 0)]
    reasons = one_sided(records, at(0, 90, 180, 91, 0, 0))
    assert reasons == dict.fromkeys((2, 3), "balance: 2 records of each class in 'theft'")


def test_a_category_with_one_class_gives_up_all():
    assert list(one_sided([sample("a", 1), sample("b", 1, "fraud"), sample("c", 0, "fraud")], at(0, 1, 2))) == [0]


def test_no_category_has_more_than_its_multiple_of_the_smallest():
    small = [sample(name, label, "fraud") for name, label in zip("abcd", (0, 0, 1, 1), strict=True)]
    large = [sample(name, number % 2) for number, name in enumerate("efghijkl")]
    large[0] = replace(large[0], agreeing=2)
    reasons = too_many([*small, *large], np.concatenate([at(0, 1, 2, 3), at(*range(0, 320, 40))]), 1.5)
    assert len(reasons) == 2  # 4 of each class, and 1.5 times 2 are allowed
    assert reasons[4] == "balance: at most 3 records of a class in a category"
    assert too_many([*small, *large], at(*range(12)), 2.0) == {}
    assert too_many([], at(), 2.0) == {}
