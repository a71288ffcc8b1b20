"""Label votes: who judges, in which order, and what counts as agreement."""

import pytest
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.recipe import EndpointSettings
from railmatch.ssl_train.synthesis.judging import ask_for_votes, counted, judges, outvoted, read_votes
from railmatch.ssl_train.synthesis.recipe import JudgeSettings
from railmatch.ssl_train.synthesis.sample import Sample

ENDPOINT = EndpointSettings(model="writer", temperature=0.9)


def samples(count: int) -> list[Sample]:
    return [Sample(Exchange(f"text {number}"), number % 2, "theft", "s") for number in range(count)]


def test_models_take_turns_and_judge_without_chance():
    found = judges(JudgeSettings(models=["a", "b"], calls=3), ENDPOINT)
    assert [(judge.model, judge.temperature) for judge in found] == [("a", 0.0), ("b", 0.0), ("a", 0.0)]
    alone = judges(JudgeSettings(calls=2), ENDPOINT.model_copy(update={"temperature": None}))
    assert [(judge.model, judge.temperature) for judge in alone] == [("writer", None)] * 2


def test_each_judge_sees_every_text_once_in_an_order_of_its_own():
    texts = samples(25)
    asked = [ask_for_votes(texts, judge, 20, 0, "policy", ENDPOINT) for judge in (0, 1)]
    assert [[len(question.sources) for question in questions] for questions in asked] == [[20, 5], [20, 5]]
    for questions in asked:
        assert {sample.id for question in questions for sample in question.sources} == {each.id for each in texts}
    assert asked[0][0].sources != asked[1][0].sources
    assert "harmful" not in asked[0][0].messages()[-1]["content"]  # nobody is told the intended label


def test_the_same_question_to_two_judges_is_asked_twice():
    keys = {ask_for_votes(samples(1), judge, 20, 0, "policy", ENDPOINT)[0].key for judge in (0, 1, 2)}
    assert len(keys) == 3


def test_a_pair_is_judged_as_a_response():
    pair = [Sample(Exchange("How?", "Like this."), 1, "theft", "s")]
    (question,) = ask_for_votes(pair, 0, 20, 0, "policy", ENDPOINT)
    assert '{"prompt": "How?", "response": "Like this."}' in question.messages()[-1]["content"]
    assert question.template.name == "synthesis/judge_response"


@pytest.mark.parametrize(
    ("word", "agrees"), [("harmful", True), (" Harmful ", True), ("unharmful", False), (None, False)]
)
def test_only_the_intended_label_is_agreement(word: str | None, agrees: bool):
    (question,) = ask_for_votes([Sample(Exchange("x"), 1, "theft", "s")], 0, 20, 0, "policy", ENDPOINT)
    assert bool(read_votes(question, {"1": word, "2": "harmful"})) is agrees


def test_two_of_three_must_agree():
    first, second, third = samples(3)
    found = counted([first, second, third], [first, first, second, third, third, third], 3)
    assert [(sample.agreeing, sample.asked) for sample in found] == [(2, 3), (1, 3), (3, 3)]
    assert outvoted(found, 2) == ["", "label: 1 of 3 judge calls agree", ""]
