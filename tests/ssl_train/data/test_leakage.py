"""Leaks between train and test: hand-counted shingles, and the fast search against comparing all pairs."""

import json
import random

import pytest
from railmatch.classifier.errors import SettingsError
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.data.leakage import Leak, find_leaks, shingles
from railmatch.ssl_train.data.records import Record


def prompts(name: str, *texts: str) -> list[Record]:
    return [Record(f"{name}{number}", Exchange(text)) for number, text in enumerate(texts)]


def test_shingles_are_pairs_of_words_without_case_or_punctuation():
    assert shingles(Exchange("How do I, er: STEAL a car?")) == {
        *("how do", "do i", "i er", "er steal", "steal a", "a car"),
    }
    assert shingles(Exchange("Hello!")) == {"hello"}
    assert shingles(Exchange("?! 👋")) == frozenset()


def test_no_shingle_spans_a_prompt_and_its_response():
    assert shingles(Exchange("one two", "three four")) == {"one two", "three four"}


def test_copies_count_whatever_their_case_and_spaces():
    report = find_leaks(prompts("train", "Bake a cake"), prompts("test", "bake  A cake\n", "fish"))
    assert (report.exact, report.near, report.test, report.train) == (1, 0, 2, 1)
    assert report.examples == (Leak("test0", "train0", 1.0),)


def test_similarity_is_the_share_of_common_shingles():
    # 4 common shingles (a b, b c, c d, d e) of 6 (with e f and e g): 2/3
    train, test = prompts("train", "a b c d e f"), prompts("test", "a b c d e g")
    report = find_leaks(train, test, similarity=0.66)
    assert (report.exact, report.near) == (0, 1)
    assert report.examples == (Leak("test0", "train0", 4 / 6),)
    assert find_leaks(train, test, similarity=0.67).near == 0


def test_the_bound_itself_is_a_leak():
    # 3 common shingles of 5: exactly 0.6, which binary fractions only come near to
    report = find_leaks(prompts("train", "a b c d e"), prompts("test", "a b c d f"), similarity=0.6)
    assert report.near == 1


def test_a_test_record_counts_once_with_its_most_similar_partner():
    train = prompts("train", "a b c d e f g h i x", "a b c d e f g h i j", "a b c d e f g h y z")
    report = find_leaks(train, prompts("test", "a b c d e f g h i k"), similarity=0.5)
    assert report.near == 1
    assert report.examples == (Leak("test0", "train0", 8 / 10),)


def test_texts_without_words_are_only_found_as_copies():
    report = find_leaks(prompts("train", "👋", "?!"), prompts("test", "👋", "!?"))
    assert (report.exact, report.near) == (1, 0)


def test_pairs_are_compared_as_a_whole():
    train = [Record("train", Exchange("same prompt here", "one answer is this"))]
    test = [
        Record("other", Exchange("same prompt here", "the second reply differs much")),
        Record("copy", Exchange("Same prompt here", "One answer is this")),
    ]
    report = find_leaks(train, test)
    assert (report.exact, report.near, report.examples) == (1, 0, (Leak("copy", "train", 1.0),))


def test_at_most_ten_pairs_are_shown_the_most_similar_first():
    texts = [f"word{number} and one more word" for number in range(12)]
    report = find_leaks(prompts("train", *texts), prompts("test", *texts[:11], "word11 and one more"))
    assert (report.exact, report.near, len(report.examples)) == (11, 1, 10)
    assert {leak.similarity for leak in report.examples} == {1.0}


@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.8, 1.0])
def test_the_search_finds_what_comparing_all_pairs_finds(similarity):
    generator = random.Random(0)
    texts = [" ".join(generator.choices("abcdefgh", k=generator.randint(1, 9))) for _ in range(300)]
    train, test = prompts("train", *texts[:200]), prompts("test", *texts[200:])
    best = {
        record.id: max(jaccard(shingles(record.exchange), shingles(other.exchange)) for other in train)
        for record in test
    }
    expected = {identity for identity, value in best.items() if value >= similarity}
    report = find_leaks(train, test, similarity=similarity)
    assert 0 < len(expected) < 100
    assert report.exact + report.near == len(expected)
    assert all(leak.similarity == best[leak.test] for leak in report.examples)


def jaccard(one: frozenset[str], two: frozenset[str]) -> float:
    return len(one & two) / len(one | two)


def test_leaks_are_logged_and_nothing_is_removed(caplog):
    train, test = prompts("train", "Bake a cake"), prompts("test", "Bake a cake")
    find_leaks(train, test)
    assert caplog.messages == [
        "1 of 1 test texts are in the training set word for word and 0 nearly: their figures flatter"
    ]
    assert len(train) == len(test) == 1


def test_the_report_is_ready_for_json():
    report = find_leaks(prompts("train", "a b"), prompts("test", "a b"), similarity=0.5)
    assert json.loads(json.dumps(report.as_dict())) == {
        "exact": 1,
        "near": 0,
        "test": 1,
        "train": 1,
        "similarity": 0.5,
        "examples": [{"test": "test0", "train": "train0", "similarity": 1.0}],
    }


@pytest.mark.parametrize("similarity", [0, -0.5, 1.01])
def test_an_impossible_similarity_is_refused(similarity):
    with pytest.raises(SettingsError, match="must be above 0 and at most 1"):
        find_leaks([], [], similarity=similarity)
