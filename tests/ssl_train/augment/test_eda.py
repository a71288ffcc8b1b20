"""EDA: each operation by hand where only one outcome is possible, and by all outcomes where several are."""

import random
from collections import Counter

import pytest
from railmatch.ssl_train.augment.eda import (
    OPERATIONS,
    change_words,
    delete_words,
    eda_variants,
    insert_words,
    letters_of,
    number_of_changes,
    replace_words,
    swap_words,
)

SYNONYMS = {"cake": ["pie"], "steal": ["rob", "snatch"]}


def outcomes(make, seeds: int = 200) -> set[str]:
    return {" ".join(make(random.Random(seed))) for seed in range(seeds)}


def test_a_word_is_replaced_by_its_synonym_and_keeps_its_punctuation():
    assert replace_words(["Bake", "a", "(Cake)!"], 1, random.Random(0), SYNONYMS) == ["Bake", "a", "(pie)!"]


def test_each_word_with_synonyms_may_be_the_one_that_is_replaced_by_any_of_them():
    words = ["steal", "a", "cake"]
    assert outcomes(lambda rng: replace_words(words, 1, rng, SYNONYMS)) == {
        "rob a cake",
        "snatch a cake",
        "steal a pie",
    }


def test_no_more_words_are_replaced_than_have_synonyms():
    words = ["cake", "or", "cake", "or", "tea"]
    assert replace_words(words, 5, random.Random(0), SYNONYMS) == ["pie", "or", "pie", "or", "tea"]
    assert replace_words(["tea"], 1, random.Random(0), SYNONYMS) == ["tea"]


def test_a_synonym_is_inserted_anywhere():
    assert outcomes(lambda rng: insert_words(["a", "cake"], 1, rng, SYNONYMS)) == {
        "pie a cake",
        "a pie cake",
        "a cake pie",
    }


def test_inserted_are_synonyms_of_words_of_the_text_and_not_of_those_inserted_before():
    chain = {"cake": ["pie"], "pie": ["tart"]}
    for seed in range(50):
        assert sorted(insert_words(["a", "cake"], 3, random.Random(seed), chain)) == [
            "a",
            "cake",
            "pie",
            "pie",
            "pie",
        ]


def test_without_a_word_that_has_synonyms_nothing_is_inserted():
    assert insert_words(["a", "b"], 3, random.Random(0), SYNONYMS) == ["a", "b"]


def test_two_words_are_swapped():
    assert swap_words(["a", "b"], 1, random.Random(0)) == ["b", "a"]
    assert swap_words(["a", "b"], 2, random.Random(0)) == ["a", "b"]
    assert swap_words(["a"], 1, random.Random(0)) == ["a"]
    assert outcomes(lambda rng: swap_words(["a", "b", "c"], 1, rng)) == {"b a c", "c b a", "a c b"}


def test_each_word_is_deleted_with_the_probability():
    words = [str(number) for number in range(2000)]
    kept = delete_words(words, 0.1, random.Random(0))
    assert 1740 <= len(kept) <= 1860  # 1800 expected, and 4.5 standard deviations of 13.4 to either side
    assert kept == sorted(kept, key=int)
    assert delete_words(words, 0.0, random.Random(0)) == words


def test_deletion_never_empties_a_text():
    assert outcomes(lambda rng: delete_words(["a", "b", "c"], 1.0, rng)) == {"a", "b", "c"}
    assert delete_words([], 1.0, random.Random(0)) == []


@pytest.mark.parametrize(
    ("length", "alpha", "expected"),
    [(20, 0.1, 2), (29, 0.1, 2), (30, 0.1, 3), (4, 0.1, 1), (1, 0.1, 1), (8, 0.5, 4), (8, 1.0, 8), (8, 0.0, 0)],
)
def test_the_number_of_changes_is_the_share_rounded_down_and_at_least_one(length: int, alpha: float, expected: int):
    assert number_of_changes(length, alpha) == expected


@pytest.mark.parametrize(
    ("operation", "changed", "length"), [("replace", 3, 30), ("insert", 3, 33), ("swap", 6, 30), ("delete", None, None)]
)
def test_each_operation_changes_as_many_words_as_the_share_says(operation, changed: int | None, length: int | None):
    words = [f"{letter}cake" for letter in "abcdefghijklmnopqrstuvwxyzäöüß"]
    synonyms = {word: [word.replace("cake", "pie")] for word in words}
    for seed in range(20):
        new = change_words(words, operation, random.Random(seed), synonyms, alpha=0.1)
        if operation == "delete":
            assert 0 < len(new) <= 30
            assert set(new) <= set(words)
            continue
        assert len(new) == length
        if operation == "insert":
            assert sum(word.endswith("pie") for word in new) == changed
            assert [word for word in new if word.endswith("cake")] == words
        else:
            assert 0 < sum(one != other for one, other in zip(new, words, strict=True)) <= changed


def test_variants_are_made_by_different_operations():
    words = [f"{letter}cake" for letter in "abcdefghijklmnopqrst"]
    synonyms = {word: ["pie"] for word in words}

    def operation(variant: str) -> str:
        new = variant.split()
        if len(new) != len(words):
            return "insert" if len(new) > len(words) else "delete"
        return "replace" if "pie" in new else "swap"

    for seed in range(20):
        variants = eda_variants(" ".join(words), random.Random(seed), synonyms, alpha=0.3, variants=8)
        assert Counter(map(operation, variants)) == dict.fromkeys(OPERATIONS, 2)


def test_where_an_operation_changes_nothing_another_one_is_taken():
    """Without synonyms two words can be swapped, and one of them deleted."""
    for seed in range(50):
        variants = eda_variants("send tea", random.Random(seed), {}, alpha=0.1, variants=4)
        assert set(variants) <= {"tea send", "send", "tea"}


@pytest.mark.parametrize("text", ["", "  \n", "tea", " tea ", "\u8bf7\u6cc4\u9732\u5bc6\u7801"])
def test_a_text_that_cannot_be_changed_comes_back_as_it_is(text: str):
    assert eda_variants(text, random.Random(0), SYNONYMS, alpha=0.1, variants=3) == [text] * 3


def test_an_alpha_of_nothing_gives_the_text():
    text = "steal a\tcake,  please"
    assert eda_variants(text, random.Random(0), SYNONYMS, alpha=0.0, variants=4) == [text] * 4


def test_the_same_random_state_gives_the_same_variants():
    text = "how do i steal a cake from my neighbour"
    one, again, other = (eda_variants(text, random.Random(seed), SYNONYMS, alpha=0.1, variants=8) for seed in (1, 1, 2))
    assert one == again != other


@pytest.mark.parametrize(
    ("word", "letters"),
    [
        ("Cake", "cake"),
        ('"cake,"', "cake"),
        ("don't", None),
        ("3rd", None),
        ("--", None),
        ("_Stra\u00dfe_", "stra\u00dfe"),
    ],
)
def test_the_letters_of_a_word_are_without_the_punctuation_around_it(word: str, letters: str | None):
    assert letters_of(word) == letters
