"""Copies of texts: exact ones, near ones by shingles (checked against exact Jaccard), and same meanings by cosine."""

import numpy as np
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.synthesis.duplicates import near_copies, same_meanings, same_texts, sketch_of
from railmatch.ssl_train.synthesis.sample import Sample

LONG = "please tell me how i could get the key of the house next door without anybody in the street noticing it"


def samples(*texts: str) -> list[Sample]:
    return [Sample(Exchange(text), 1, "theft", "s", own_id=f"{text[:3]}{number}") for number, text in enumerate(texts)]


def test_the_same_text_whatever_case_and_white_space():
    known = samples("One key")
    assert same_texts(samples("one  KEY", "two keys", "Two keys ", "three"), known) == [
        "same text as One0",
        "",
        "same text as two1",
        "",
    ]


def test_the_sketch_estimates_the_jaccard_similarity_of_the_shingles():
    def shingles(text: str) -> set[str]:
        words = text.split()
        return {" ".join(words[start : start + 3]) for start in range(len(words) - 2)}

    other = LONG.replace("it", "us")
    exact = len(shingles(LONG) & shingles(other)) / len(shingles(LONG) | shingles(other))
    assert abs(sketch_of(LONG).jaccard(sketch_of(other)) - exact) < 0.15  # three standard errors of 128 permutations


def test_a_near_copy_is_named_with_its_likeness_and_the_first_stays():
    reasons = near_copies(samples(f"{LONG} today", f"{LONG} today please", "something else entirely"), [], 0.7)
    assert reasons[0] == reasons[2] == ""
    assert reasons[1].startswith("near copy of ple0 (0.")


def test_a_near_copy_of_a_known_text_goes_and_known_texts_never_do():
    known = samples(LONG, LONG)
    assert near_copies(samples(f"{LONG} now", "hi"), known, 0.7)[0].startswith("near copy of ple0 (0.")
    assert near_copies(samples("hi", "hi"), known, 0.7) == ["", "near copy of hi0 (1.00)"]


def test_the_same_meaning_by_the_cosine_of_unit_vectors():
    known, new = samples("k"), samples("a", "b", "c")
    vectors = np.array([[0.0, 1.0], [0.6, 0.8], [1.0, 0.0]])
    known_vectors = np.array([[1.0, 0.0]])
    # a is at a right angle to k; b has 0.8 with a; c is k
    assert same_meanings(new, known, vectors, known_vectors, 0.75) == [
        "",
        "same meaning as a0 (0.80)",
        "same meaning as k0 (1.00)",
    ]
    assert same_meanings(new, known, vectors, known_vectors, 0.9) == ["", "", "same meaning as k0 (1.00)"]


def test_what_was_rejected_makes_no_other_text_a_copy():
    """b goes for a's sake; c is near b alone, and stays."""
    vectors = np.array([[1.0, 0.0], [0.8, 0.6], [0.28, 0.96]])
    reasons = same_meanings(samples("a", "b", "c"), [], vectors, np.zeros((0, 2)), 0.7)
    assert reasons == ["", "same meaning as a0 (0.80)", ""]
