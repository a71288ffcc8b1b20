"""Words in a row of letters: the likeliest known ones, and unknown ones whole."""

import pytest
from railmatch.classifier.normalising_vocabulary import split_words, word_costs


@pytest.mark.parametrize(
    ("letters", "words"),
    [
        ("howtobakebread", "how to bake bread"),
        ("Howtobake", "How to bake"),
        ("fentanyl", "fentanyl"),
        ("sellfentanylto", "sell fentanyl to"),
        ("a", "a"),
        ("xq", "xq"),
        ("", ""),
    ],
)
def test_letters_are_split_into_words(letters: str, words: str) -> None:
    assert split_words(letters) == words


def test_frequent_words_cost_less() -> None:
    costs = word_costs()
    assert 0 < costs["the"] < costs["bread"]
    assert "xq" not in costs
    assert min(map(len, costs)) == 1
    assert {word for word in costs if len(word) == 1} == {"a", "i"}
