"""What is refused before a vote is asked for."""

import pytest
from railmatch.classifier.errors import DataError, SettingsError
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.data.training_texts import TrainingTexts
from railmatch.ssl_train.recipe import MethodSettings, Recipe
from railmatch.ssl_train.voting.checks import require_votes_of_use


def recipe(**sections) -> Recipe:
    data = {"labelled": "l.jsonl", "unlabelled": "u.jsonl", "votes": "v.jsonl"}
    return Recipe.model_validate({"task": "prompt", "data": data, **sections})


def texts(labelled: str, pool: str, **votes: int) -> TrainingTexts:
    """Texts with these letters as ids."""
    known, unknown = (
        [Record(letter, Exchange(letter), label) for letter in ids] for ids, label in ((labelled, 1), (pool, None))
    )
    return TrainingTexts(known, unknown, {}, votes)


def test_own_ids_and_votes_on_all_texts_pass():
    require_votes_of_use(recipe(), texts("ab", "cd", a=1, c=1))
    require_votes_of_use(recipe(augment={"vote": True}), texts("ab", "cd", a=1, b=2, c=3, d=4))
    require_votes_of_use(recipe(augment={"vote": True, "endpoint": {"model": "m"}}), texts("ab", "cd", a=1))


def test_a_shared_id_without_a_vote_is_none_of_our_business():
    require_votes_of_use(recipe(), texts("ab", "bc", a=1, c=2))


@pytest.mark.parametrize(
    ("augment", "named"), [({}, "data.votes"), ({"vote": True, "endpoint": {"model": "m"}}, "augment.vote")]
)
def test_a_vote_that_could_be_of_either_text_is_refused(augment, named: str):
    with pytest.raises(DataError) as refused:
        require_votes_of_use(recipe(augment=augment), texts("abc", "bcd", b=1, c=2))
    assert str(refused.value) == (
        f"{named}: ids such as 'b' (there are 2) stand for a labelled text and for another one of the pool, so a vote "
        "could be of either; give the records of both sets different ids"
    )


def test_an_id_that_would_get_a_vote_is_refused_too():
    with pytest.raises(DataError, match=r"^augment\.vote: ids such as 'b' \(there are 1\) stand for"):
        require_votes_of_use(recipe(augment={"vote": True, "endpoint": {"model": "m"}}), texts("ab", "bc"))


def test_votes_that_nobody_can_give_are_refused():
    with pytest.raises(SettingsError) as refused:
        require_votes_of_use(recipe(augment={"vote": True}), texts("abc", "de", a=1, d=2))
    assert str(refused.value) == (
        "augment.vote is true, but data.votes has no vote on 2 labelled and 1 pool texts and there is nobody to ask: "
        "set augment.endpoint, or leave augment.vote out to train with the recorded votes alone"
    )


@pytest.mark.parametrize(
    ("votes", "name"), [({}, "labelled example"), ({"c": 1}, "labelled example"), ({"a": 1}, "text of the pool")]
)
def test_recorded_votes_that_fit_nothing_are_refused(votes: dict[str, int], name: str):
    with pytest.raises(DataError) as refused:
        require_votes_of_use(recipe(), texts("ab", "cd", **votes))
    assert str(refused.value) == (
        f"data.votes: no {name} has a vote in v.jsonl, by the ids; votes are needed on both, because the labels say "
        "what a vote is worth: vote on more texts, see to the ids, or leave data.votes out"
    )


def test_votes_that_one_fold_holds_back_altogether_are_refused():
    folds = [[0, 1], [2, 3]]
    require_votes_of_use(recipe(), texts("abcd", "e", a=1, c=1, e=1), folds)
    with pytest.raises(DataError) as refused:
        require_votes_of_use(recipe(), texts("abcd", "e", c=1, d=1, e=1), folds)
    assert str(refused.value) == (
        "data.votes: the labelled examples with a vote (2 of 4) are all in one of the 2 parts that calibration holds "
        "back, so that in the training without it nothing says what a vote is worth: vote on more labelled examples, "
        "set calibration.folds to 0 (no calibration), or leave data.votes out"
    )
    require_votes_of_use(recipe(), texts("abcd", "e", c=1, d=1, e=1))


def test_votes_that_are_asked_for_are_not_refused_before():
    asking = recipe(augment={"vote": True, "endpoint": {"model": "m"}})
    require_votes_of_use(asking, texts("abcd", "e", c=1), [[0, 1], [2, 3]])


def test_supervised_training_does_not_look_at_votes():
    plain = recipe().model_copy(update={"method": MethodSettings(name="supervised")})
    require_votes_of_use(plain, texts("ab", ""))
