"""JSON objects found in what models say, and what is no such object."""

import pytest
from endpoint import REFUSAL
from railmatch.ssl_train.augment.endpoint import Reply
from railmatch.ssl_train.synthesis.answers import LONGEST_TEXT, judge_object, read_object, texts_under


@pytest.mark.parametrize(
    "answer",
    [
        '{"1": "a"}',
        'Sure, here it is:\n```json\n{"1": "a"}\n```\nAnything else?',
        '<think>{"1": "not this"}</think>{"1": "a"}',
        'As {you} asked: {"1": "a"}',
    ],
)
def test_an_object_is_found_whatever_stands_around_it(answer: str):
    assert read_object(answer) == {"1": "a"}


@pytest.mark.parametrize("answer", ["", "1. a\n2. b", '["a"]', "{}", '{"1": "a"', "{" * 5000])
def test_what_is_no_object(answer: str):
    assert read_object(answer) is None


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (Reply('Here: {"a": "ä"}'), "kept"),
        (Reply('{"a": "b"}', cut=True), "too_long"),
        (Reply("", refused=True), "refused"),
        (Reply(REFUSAL), "refused"),
        (Reply("I would write about doors."), "unreadable"),
    ],
)
def test_what_became_of_an_answer(reply: Reply, status: str):
    found, text = judge_object(reply)
    assert found == status
    assert text == (r'{"a": "\u00e4"}' if status == "kept" else reply.text)


def test_only_texts_count_and_no_more_than_were_asked_for():
    found = {"harmful": [" a ", 3, "", None, "b" * (LONGEST_TEXT + 1), {"text": "c"}, "d\ud800", "e"], "1": "alone"}
    assert texts_under(found, "harmful", 2) == ["a", "d\ufffd"]
    assert texts_under(found, "1", 1) == ["alone"]
    assert texts_under(found, "2", 1) == []


def test_half_an_emoji_spelt_in_json_can_be_stored():
    status, text = judge_object(Reply('{"harmful": ["a \\ud83d b"]}'))
    assert status == "kept"
    text.encode("utf-8")
    assert texts_under(read_object(text) or {}, "harmful", 3) == ["a \ufffd b"]
