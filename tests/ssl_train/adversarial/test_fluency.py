"""Fluency: the least likely pieces decide, and the user's own texts say what is usual."""

import math

import numpy as np
import pytest
from railmatch.ssl_train.adversarial.fluency import Fluency, Letters, lowest_mean


def test_the_lowest_seven_decide():
    assert lowest_mean([0.0] * 100 + [-7.0] * 7) == -7.0
    assert lowest_mean([-1.0, -3.0]) == -2.0
    assert lowest_mean([]) == -math.inf


def test_letters_are_counted_with_one_of_each_added():
    score = Letters(["ab ab"])
    # letters: space, a, b, and one for all others. After two spaces "a" comes twice of twice: (2 + 1) / (2 + 4) = 1/2;
    # likewise "b" after " a" and the space after "ab". So every letter of "ab" has log 1/2.
    # Of "ba": "b" after two spaces (0 + 1) / (2 + 4) = 1/6; "a" after " b" and the space after "ba" 1 / (0 + 4) = 1/4.
    assert score(["ab", "AB  ab"]) == pytest.approx([math.log(1 / 2)] * 2)
    assert score(["ba"]) == pytest.approx([(math.log(1 / 6) + 2 * math.log(1 / 4)) / 3])


def test_one_strange_word_among_fifty_shows():
    usual = [f"the dog number {number} sat on the mat with the cat" for number in range(50)]
    score = Letters(usual)
    text = " ".join(usual[:5])
    assert score([text + " qzxv"])[0] < score([text])[0] - 0.2


def test_the_floor_is_that_of_the_users_own_texts():
    fluency = Fluency.of(lambda texts: np.array([-float(text) for text in texts]), list(map(str, range(101))), 0.1)
    # own scores are 0, -1, .. -100: a tenth of them are below -90, and half below -50
    assert (fluency.floor, fluency.median) == (-90.0, -50.0)
    fluent, gibberish = fluency.judge(["90", "91", "70", "50", "0", "1000"])
    assert fluent.tolist() == [True, False, True, True, True, False]
    assert gibberish == pytest.approx([1.0, 1.0, 0.5, 0.0, 0.0, 1.0])


def test_a_text_without_words_is_not_fluent():
    fluency = Fluency.of(Letters(["some words"]), ["some words", "words"], 0.0)
    fluent, gibberish = fluency.judge([" "])
    assert (fluent.tolist(), gibberish.tolist()) == ([False], [1.0])


def test_an_own_text_without_words_sets_no_floor():
    fluency = Fluency.of(Letters(["some words"]), ["some words", " ", "words"], 0.0)
    assert np.isfinite(fluency.floor)
    fluent, gibberish = fluency.judge([" ", "some words"])
    assert (fluent.tolist(), gibberish[0]) == ([False, True], 1.0)
