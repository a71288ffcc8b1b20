"""What counts as a vote in the many ways in which models answer, and what does not."""

import pytest
from railmatch.ssl_train.augment.vote_answer import read_vote


@pytest.mark.parametrize(
    ("answer", "vote"),
    [
        ("3", 3),
        ("0", 0),
        (" 4\n", 4),
        ("3.", 3),
        ("'3'", 3),
        ("**3**", 3),
        ("[3]", 3),
        ("Vote: 3", 3),
        ("**Vote:** 3", 3),
        ("vote = 3", 3),
        ("My answer is 3.", 3),
        ("3 - probably harmful", 3),
        ("3 \u2013 probably harmful", 3),
        ("3 (probably harmful)", 3),
        ("3, since it asks how to hide", 3),
        ("3\n\nIt names 2 weapons.", 3),
        ("Here is my vote.\n\n3", 3),
        ("3\n3", 3),
        ("<think>Is it 1 or 2? It is 2:\n1</think>\n3", 3),
        ('{"vote": 3}', 3),
        ('{"vote": "3"}', 3),
        ('```json\n{\n  "vote": 3,\n  "reason": "2 weapons"\n}\n```', 3),
        ("{'vote': 3}", 3),
    ],
)
def test_a_vote_is_found_in_what_stands_around_it(answer: str, vote: int):
    assert read_vote(answer) == vote


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "harmful",
        "It is probably harmful.",
        "I'm sorry, but I can't help with that request.",
        "3 or 4",
        "3/4",
        "3 of 4",
        "0-4",
        "Vote: 3\nVote: 4",
        "Vote: 3\nConfidence: 2",
        "1. It asks for a weapon.\n2. It hides why.",
        "On a scale from 0 to 4: 3",
        "This text names 2",
        "2 weapons are named here.",
        "5",
        "33",
        "3.5",
        "-1",
        '{"vote": 7}',
        '{"vote": 2.5}',
        '{"vote": true}',
        '{"vote": null}',
    ],
)
def test_an_answer_without_one_vote_has_none(answer: str):
    assert read_vote(answer) is None
