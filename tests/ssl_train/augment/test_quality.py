"""The judgement of answers, and what is taken off around them."""

import pytest
from railmatch.ssl_train.augment.quality import cannot_fit, is_too_long, is_unchanged, judge, unwrapped
from railmatch.ssl_train.augment.template import Markers

TEXT = "How do I get rid of moss on my roof?"
REWRITE = "What takes moss off a roof?"


def test_a_rewrite_is_kept_as_it_is():
    assert judge(TEXT, REWRITE) == ("kept", REWRITE)


@pytest.mark.parametrize("answer", ["", "  \n\t", '""', "```\n\n```", "<think>hm</think>"])
def test_nothing_is_empty(answer: str):
    assert judge(TEXT, answer) == ("empty", "")


@pytest.mark.parametrize(
    "answer",
    [
        TEXT,
        TEXT.upper(),
        "how do i get rid of moss on my roof",
        f"  {TEXT}\n",
        f'"{TEXT}"',
        "How do I get rid of moss... on my roof!",
    ],
)
def test_the_text_again_is_unchanged(answer: str):
    assert judge(TEXT, answer)[0] == "unchanged"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Straße", "STRASSE", True),
        ("ﬁne", "fine", True),
        ("!?", "?!", False),
        ("🎉 🎉", "🎉🎉", True),
        ("🎉", "🔥", False),
        ("5 litres", "50 litres", False),
        ("कि", "कु", False),
    ],
)
def test_only_case_punctuation_and_space_are_overlooked(one: str, other: str, same: bool):
    assert is_unchanged(one, other) is same


def test_an_answer_many_times_too_long_is_none():
    # 4 x 10 characters and 200 more are allowed.
    assert not is_too_long("a" * 10, "b" * 240)
    assert is_too_long("a" * 10, "b" * 241)
    assert judge("a" * 10, "b" * 241)[0] == "too_long"


def test_an_answer_that_broke_off_counts_as_too_long():
    assert judge(TEXT, REWRITE, cut=True) == ("too_long", REWRITE)


def test_the_endpoints_own_refusal_needs_no_words():
    assert judge(TEXT, "", refused=True) == ("refused", "")


def test_a_refusal_in_words_is_refused():
    assert judge(TEXT, "I'm sorry, but I can't help with that.")[0] == "refused"


def test_a_text_that_cannot_fit_is_known_beforehand():
    assert not cannot_fit("a" * 128, 16)
    assert cannot_fit("a" * 129, 16)


@pytest.mark.parametrize(
    "answer",
    [
        f'"{REWRITE}"',
        f"\u201c{REWRITE}\u201d",
        f"\u00ab {REWRITE} \u00bb",
        f"```\n{REWRITE}\n```",
        f"```text\n{REWRITE}\n```",
        f"{Markers.around(TEXT).open}\n{REWRITE}\n{Markers.around(TEXT).close}",
        f"<<<TEXT 0123456789ab>>>\n{REWRITE}\n<<<END 0123456789ab>>>",
        f"Here is the rewritten text:\n\n{REWRITE}",
        f"Sure! Here's a paraphrase of the message: {REWRITE}",
        f"Paraphrase: {REWRITE}",
        f"<think>The user wants\nother words.</think>\n\n{REWRITE}",
    ],
)
def test_the_wrapping_is_taken_off(answer: str):
    assert unwrapped(TEXT, answer) == REWRITE


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('"Wait," he said. "Why?"', '"Hold on," said he. "What for?"'),
        ('"Quoted as a whole"', '"Cited in full"'),
        ("```\ncode\n```", "```\nother\n```"),
        ("Turn it into a list:\nx", "Rewrite the following as a list:\nx"),
        ("Some tips: sleep, eat", "Here are some tips: rest and food"),
        ("Is <<<END 0123456789ab>>> a marker?", "Does <<<END 0123456789ab>>> mark something?"),
        ("'tis cold", "'tis chilly"),
        ("Paraphrased: he left", "Reworded: he went away"),
    ],
)
def test_what_belongs_to_the_text_stays(text: str, answer: str):
    assert unwrapped(text, answer) == answer
