"""Which pool texts may have a vote: the draw, and the least certain ones."""

import pytest
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.recipe import Recipe
from railmatch.ssl_train.voting.choice import chosen_without_training, least_certain, vote_candidates

POOL = [Record(f"id{number:02}", Exchange(f"text {number}")) for number in range(20)]


def recipe(seed: int = 0, **augment) -> Recipe:
    return Recipe.model_validate(
        {
            "task": "prompt",
            "seed": seed,
            "data": {"labelled": "l.jsonl", "unlabelled": "u.jsonl", "votes": "v.jsonl"},
            "augment": augment,
        }
    )


def ids(records) -> list[str]:
    return [record.id for record in records]


def test_all_texts_may_have_a_vote_where_the_endpoint_is_asked_and_else_those_with_a_recorded_one():
    assert vote_candidates(recipe(vote=True), POOL, {"id03": 1}) == POOL
    assert ids(vote_candidates(recipe(), POOL, {"id03": 1, "id01": 4, "labelled": 0})) == ["id01", "id03"]


@pytest.mark.parametrize("choice", ["random", "uncertain"])
@pytest.mark.parametrize("most", [None, 20, 100])
def test_without_a_limit_that_binds_all_are_chosen(choice: str, most: int | None):
    assert chosen_without_training(recipe(vote=True, max_votes=most, vote_choice=choice), POOL, {}) == POOL


def test_the_draw_depends_on_seed_and_ids_alone():
    first = ids(chosen_without_training(recipe(vote=True, max_votes=5), POOL, {}))
    assert len(set(first)) == 5
    assert ids(chosen_without_training(recipe(vote=True, max_votes=5), POOL[::-1], {})) == first
    assert ids(chosen_without_training(recipe(vote=True, max_votes=5, seed=1), POOL, {})) != first


def test_a_larger_draw_holds_the_smaller_one():
    small, large = (ids(chosen_without_training(recipe(vote=True, max_votes=n), POOL, {})) for n in (5, 9))
    assert large[:5] == small


def test_recorded_votes_are_limited_too():
    recorded = dict.fromkeys(["id00", "id01", "id02", "id03"], 1)
    chosen = ids(chosen_without_training(recipe(max_votes=2), POOL, recorded))
    assert len(chosen) == 2
    assert set(chosen) < recorded.keys()


def test_for_the_least_certain_a_classifier_must_be_trained_first():
    assert chosen_without_training(recipe(vote=True, max_votes=5, vote_choice="uncertain"), POOL, {}) is None


def test_the_least_certain_are_nearest_to_a_half():
    scores = {"id00": 0.9, "id01": 0.45, "id02": 0.56, "id03": 0.1, "id04": 0.55, "id05": 0.501}
    chosen = least_certain(POOL[:6], scores, 4)
    assert ids(chosen) == ["id05", "id01", "id04", "id02"]  # 0.001, then two at 0.05 by id, then 0.06
