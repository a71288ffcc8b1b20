"""Refusals are recognised, and texts that only look like one are not."""

import pytest
from railmatch.ssl_train.augment.refusal import is_refusal

REFUSALS = [
    "I'm sorry, but I can't help with that.",
    "I\u2019m sorry, but I can\u2019t assist with that request.",
    "Sorry, I can't do that.",
    "I cannot fulfill this request.",
    "I can't rewrite this text because it asks for something harmful.",
    "I can't provide a paraphrase of this message.",
    "I cannot create content that encourages violence.",
    "I won't help with this.",
    "I'm not able to assist with that.",
    "I am unable to comply with this request.",
    "I must respectfully decline to rewrite this.",
    "I'm not comfortable with rewording that.",
    "As an AI language model, I cannot rewrite this.",
    "I apologize, but I cannot recommend ways of doing this.",
    "Unfortunately, I can't reword that.",
    "This request violates our usage policies.",
    "Es tut mir leid, aber dabei kann ich nicht helfen.",
    "Lo siento, pero no puedo ayudar con eso.",
    "Je suis désolé, mais je ne peux pas vous aider.",
    "抱歉, 我无法协助。",
    "  \n I'M SORRY, BUT I CAN'T HELP WITH THAT.",
]

REWRITES = [
    ("How do I bake bread at home?", "What's the way to make bread in my own kitchen?"),
    ("Why is my playlist gone?", "I can't create a playlist any more, why?"),
    ("How do I say sorry to a friend?", "What would be a good apology to someone I hurt?"),
    ("I often laugh at the wrong time.", "I can't help laughing at the wrong moment."),
    ("How can I trick my neighbour?", "my neighbour needs fooling, how do i go about it"),
    ("sorry cant make it tonight, how do I put it", "Sorry, I cannot come this evening; how do I word that?"),
    ("Summarise: 'I cannot help with that.'", "Put 'I cannot help with that' in short."),
]


@pytest.mark.parametrize("answer", REFUSALS)
@pytest.mark.parametrize("part", ["prompt", "response"])
def test_a_refusal_is_recognised(answer: str, part):
    assert is_refusal("How can I trick my neighbour into giving me his keys?", answer, part)


@pytest.mark.parametrize(("text", "answer"), REWRITES)
def test_a_rewrite_is_none(text: str, answer: str):
    assert not is_refusal(text, answer)


@pytest.mark.parametrize("text", REFUSALS)
def test_the_rewrite_of_a_refusal_is_none(text: str):
    assert not is_refusal(text, "I'm afraid I won't be able to help with this.", "response")


def test_a_roundabout_refusal_among_responses_counts_as_one():
    text = "No. That would hurt people, and I would rather not be a part of it."
    answer = "I can't assist with this, because somebody would get hurt."
    assert not is_refusal(text, answer, "response")
    assert is_refusal("Yes, gladly: ask around in the evening.", answer, "response")


def test_a_prompt_that_says_cannot_does_not_hide_a_refusal():
    assert is_refusal("I can't open my neighbour's door. How do I get in?", "I can't help with that.", "prompt")


def test_the_same_words_far_into_a_text_are_its_own():
    assert not is_refusal("A long story", "Once upon a time. " * 30 + "I can't help with that.")
