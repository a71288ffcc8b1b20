"""Letter-spacing: which letters are joined, and where words begin."""

import pytest
from railmatch.classifier.normalising_spacing import join_spaced_letters


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("h o w  t o", "how to"),
        ("h o w\nt o\nd o", "how to do"),
        ("h.o.w t.o p.i.c.k it", "how to pick it"),
        ("h - o - w", "how"),
        ("w_e_a_p_o_n", "weapon"),
        ("he said: w e a p o n!", "he said: weapon!"),
        ("h o w t o m a k e a b o m b", "how to make a bomb"),
        ("S t o p N o w", "Stop Now"),
        ("W h y?  W h o?", "Why?  Who?"),
    ],
)
def test_letters_that_stand_one_by_one_are_joined(text: str, read: str) -> None:
    assert join_spaced_letters(text) == read


@pytest.mark.parametrize(
    "text", ["I am a U.S. citizen", "A, B, C, D", "x + y = z", "1 2 3 4", "a b", "It's a b", "你 好 世 界", ""]
)
def test_other_letters_stay(text: str) -> None:
    assert join_spaced_letters(text) == text
