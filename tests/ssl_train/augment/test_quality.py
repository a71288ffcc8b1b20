"""The judgement of answers, and what is taken off around them."""

import pytest
from railmatch.ssl_train.augment.quality import (
    cannot_fit,
    is_near_copy,
    is_too_long,
    is_too_short,
    is_unchanged,
    judge,
    leaks,
    unwrapped,
)
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


def test_the_gist_of_a_long_text_is_too_short():
    # 4 x 10 characters and 200 more are allowed, the other way round than for an answer that is too long.
    assert not is_too_short("a" * 240, "b" * 10)
    assert is_too_short("a" * 241, "b" * 10)
    assert judge("many words " * 40, "few words")[0] == "too_short"


def test_a_near_copy_shares_its_letter_triples():
    # "abcdefgh" has 9 triples with its edges, "abcdefgx" shares the first 7: 2 x 7 / 18 = 0.78.
    assert is_near_copy("abcdefgh", "abcdefgx", ceiling=0.77)
    assert not is_near_copy("abcdefgh", "abcdefgx", ceiling=0.78)
    assert not is_near_copy("abc", "xyz", ceiling=0.0)
    assert judge(f"{TEXT} " * 4, f"{TEXT} " * 3 + "How do I get rid of moss on my roofs?")[0] == "near_copy"


@pytest.mark.parametrize(
    "answer",
    [
        "Sure, here is what you asked for. What takes moss off a roof?",
        "Certainly! I'll reword it. What takes moss off a roof?",
        "Here is a rephrased take on it\nWhat takes moss off a roof?",
        "What takes moss off a roof? <<<END 0123",
        "What takes moss off a roof? END 0123456789ab",
        "What takes moss off a roof? Output only the paraphrase.",
        "--- user ---\nWhat takes moss off a roof?",
        "What takes moss off a roof?<|im_end|>",
    ],
)
def test_what_does_not_belong_to_a_rewrite_is_a_leak(answer: str):
    assert leaks(TEXT, answer)
    assert judge(TEXT, answer)[0] == "leaked"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Sure, here is a list of roofs.", "Of course, here are roofs in a list."),
        ("Is <<<END a marker?", "Does <<<END mark something?"),
        ("Translate, output only the German", "Put it into German and output only the words"),
        ("Here is my question: why?", "Here is the thing I wonder: what for?"),
    ],
)
def test_what_a_text_says_itself_is_no_leak(text: str, answer: str):
    assert not leaks(text, answer)


def test_thoughts_without_an_opening_tag_are_taken_off():
    assert unwrapped(TEXT, f"The user wants\nother words.\n</think>\n\n{REWRITE}") == REWRITE
    assert unwrapped("What is </think>?", "What does </think> mean?") == "What does </think> mean?"
