"""The recipe's model: what it takes, and what it refuses before anything is loaded."""

import pytest
from pydantic import ValidationError
from railmatch.ssl_train.recipe import FieldNames, FileSource, HubSource, Recipe

DATA = {"labelled": "labelled.jsonl", "unlabelled": "pool.jsonl"}


def recipe(**sections) -> Recipe:
    return Recipe.model_validate({"task": "prompt", "data": DATA, **sections})


def test_a_task_and_data_are_enough():
    smallest = recipe()
    assert (smallest.seed, smallest.encoder, smallest.method.name) == (0, "minilm", "fixmatch")
    assert (smallest.method.threshold, smallest.method.lambda_u) == (0.95, 1.0)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a.jsonl", "a.jsonl"),
        (["a.jsonl", "b.csv"], ["a.jsonl", "b.csv"]),
        ({"file": "a.csv", "fields": {"prompt": "text"}}, FileSource(file="a.csv", fields=FieldNames(prompt="text"))),
        ({"hub": "owner/name", "split": "test"}, HubSource(hub="owner/name", split="test")),
        (["a.jsonl", {"hub": "owner/name"}], ["a.jsonl", HubSource(hub="owner/name")]),
    ],
)
def test_data_may_be_a_file_a_list_or_a_data_set(source, expected):
    assert recipe(data={**DATA, "labelled": source}).data.labelled == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"task": "prompts"},
        {"seed": -1},
        {"seed": 2**31},
        {"seed": True},
        {"data": {**DATA, "labels": 3}},
        {"data": {"unlabelled": "pool.jsonl"}},
        {"method": {"name": "fixmatch", "threshold": 1.1}},
        {"method": {"name": "fixmatch", "lambda_u": float("nan")}},
        {"method": {"name": "multimatch", "heads": 1}},
        {"method": {"name": "multimatch", "heads": 4}},
        {"training": {"steps": 0}},
        {"training": {"steps": "100"}},
        {"training": {"learning_rate": float("inf")}},
        {"training": {"layer_decay": 0}},
        {"calibration": {"target_fpr": 1}},
        {"augment": {"strategy": []}},
        {"augment": {"strategy": ["restyle", "mine/restyle.txt"]}},
        {"augment": {"strategy": ["eda", "eda"]}},
        {"augment": {"fallback": "none"}},
        {"augment": {"eda": {"alpha": 0}}},
        {"augment": {"eda": {"alpha": 1.1}}},
        {"augment": {"eda": {"variants": 0}}},
        {"augment": {"backtranslation": {"forwards": "a model"}}},
        {"augment": {"endpoint": {"base_url": "localhost:8000", "model": "m"}}},
        {"unknown": 1},
    ],
)
def test_settings_that_cannot_be_used_are_refused(wrong):
    with pytest.raises(ValidationError) as error:
        recipe(**wrong)
    assert error.value.error_count() == 1


@pytest.mark.parametrize("gamma", ["virtual", 0.25, -1])
def test_gamma_is_found_or_a_number(gamma):
    assert recipe(method={"name": "marginmatch", "gamma": gamma}).method.gamma == gamma


def test_gamma_is_found_as_published_unless_a_recipe_says_otherwise():
    assert recipe(method={"name": "marginmatch"}).method.gamma == "virtual"


def test_learning_from_unlabelled_texts_needs_some():
    with pytest.raises(ValidationError, match=r"set data.unlabelled, or method.name to supervised"):
        recipe(data={"labelled": "a.jsonl"})
    assert recipe(data={"labelled": "a.jsonl"}, method={"name": "supervised"}).data.unlabelled is None


def test_a_recipe_cannot_change():
    with pytest.raises(ValidationError, match="frozen"):
        recipe().seed = 1


ENDPOINT = {"model": "m"}
VOTED = {**DATA, "votes": "votes.jsonl"}


@pytest.mark.parametrize(
    ("data", "augment"),
    [
        (DATA, {"vote": True, "endpoint": ENDPOINT}),
        (DATA, {"vote": True, "endpoint": ENDPOINT, "max_votes": 100, "vote_choice": "uncertain", "policy": "a.txt"}),
        (VOTED, {"vote": True}),
        (VOTED, {"max_votes": 1}),
    ],
    ids=str,
)
def test_votes_are_asked_for_or_recorded(data, augment):
    assert recipe(data=data, augment=augment).augment.vote == augment.get("vote", False)


@pytest.mark.parametrize(
    ("augment", "reason"),
    [
        (
            {"vote": True},
            "augment.vote is true, but there is nobody to ask: set augment.endpoint, name recorded votes in "
            "data.votes, or leave augment.vote out",
        ),
        (
            {"max_votes": 100, "endpoint": ENDPOINT},
            "augment.max_votes is 100, but there are no votes: set augment.vote to true, name recorded votes in "
            "data.votes, or leave augment.max_votes out",
        ),
        ({"vote": True, "endpoint": ENDPOINT, "max_votes": 0}, "greater than or equal to 1"),
        ({"vote": True, "endpoint": ENDPOINT, "vote_choice": "best"}, "'random' or 'uncertain'"),
        ({"policy": " \n"}, "must say what counts as harmful, or name a .txt or .md file that does"),
    ],
    ids=str,
)
def test_votes_that_cannot_be_had_are_refused(augment, reason):
    with pytest.raises(ValidationError) as error:
        recipe(augment=augment)
    assert reason in str(error.value)


def test_votes_may_teach_without_the_labels():
    assert recipe(data=VOTED, method={"lambda_s": 0.0}).method.lambda_s == 0


@pytest.mark.parametrize(("data", "method"), [(DATA, "fixmatch"), (VOTED, "supervised")])
def test_somebody_has_to_teach(data, method):
    with pytest.raises(ValidationError, match=r"the labels teach nothing, and there are no votes to learn from"):
        recipe(data=data, method={"name": method, "lambda_s": 0.0})


@pytest.mark.parametrize(
    ("data", "augment", "method"),
    [
        (DATA, {}, {"alignment": True}),
        (VOTED, {}, {}),
        (DATA, {"vote": True, "endpoint": ENDPOINT}, {}),
    ],
    ids=str,
)
def test_a_known_share_of_harmful_texts_is_of_use_to_alignment_and_votes(data, augment, method):
    known = recipe(data=data, augment=augment, method={**method, "class_prior": 0.1})
    assert known.method.class_prior == 0.1


@pytest.mark.parametrize(("data", "method"), [(DATA, "fixmatch"), (VOTED, "supervised")])
def test_a_known_share_of_harmful_texts_that_nothing_uses_is_refused(data, method):
    with pytest.raises(ValidationError, match=r"method\.class_prior is 0\.1, which nothing uses"):
        recipe(data=data, method={"name": method, "class_prior": 0.1})


def test_strategies_that_need_no_endpoint_are_not_asked_for():
    augment = recipe(augment={"strategy": ["eda", "restyle", "backtranslation", "mine/own.txt", "identity"]}).augment
    assert augment.asked == ["restyle", "mine/own.txt"]
