"""What a recipe asks of the endpoint: how many calls that takes, and what making them gives."""

import json
from pathlib import Path
from typing import Any

import pytest
from endpoint import MODEL, ChatServer
from railmatch.classifier.errors import DataError, SettingsError
from railmatch.ssl_train.calls import Calls, estimate_calls, left_to_training, load_pool_texts, make_calls
from railmatch.ssl_train.recipe import Recipe
from small_training import recipe, write_data, write_rows


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """16 labelled texts and 24 of the pool, of which 4 have recorded rewrites."""
    write_data(tmp_path)
    rows = (tmp_path / "rewrites.jsonl").read_text().splitlines()
    write_rows(tmp_path / "rewrites.jsonl", [json.loads(row) for row in rows[:4]])
    return tmp_path


def settings_for(data: Path, server: ChatServer, **augment: Any) -> Recipe:
    endpoint = {"base_url": server.base_url, "model": MODEL, "max_retries": 0}
    return recipe(data, data / "no-encoder", augment={"strategy": ["paraphrase"], "endpoint": endpoint, **augment})


def answer(messages: list[dict[str, Any]]) -> str:
    return "3" if "Policy:" in messages[0]["content"] else "quite other words"


def numbers(calls: Calls) -> tuple[int, int, bool]:
    return calls.rewrites.calls, calls.votes.calls, calls.total.at_most


@pytest.mark.parametrize(
    ("augment", "training", "expected"),
    [
        ({}, True, (20, 0, False)),
        ({"vote": True}, True, (20, 40, False)),
        ({"vote": True, "max_votes": 7}, True, (20, 23, False)),
        ({"vote": True, "max_votes": 7, "vote_choice": "uncertain"}, True, (20, 23, True)),
        ({"vote": True, "max_votes": 7, "vote_choice": "uncertain"}, False, (20, 16, False)),
        ({"vote": True, "max_votes": 24, "vote_choice": "uncertain"}, False, (20, 40, False)),
    ],
    ids=str,
)
def test_the_calls_are_known_before_any_is_made(
    data: Path, augment: dict[str, Any], training: bool, expected: tuple[int, int, bool]
):
    with ChatServer(answer) as server:
        settings = settings_for(data, server, **augment)
        calls = estimate_calls(settings, load_pool_texts(settings, data), training=training, base=data)
        assert server.calls == 0
    assert numbers(calls) == expected
    assert calls.total.calls == expected[0] + expected[1]


def test_the_calls_that_are_made_are_those_of_the_estimate(data: Path):
    with ChatServer(answer) as server:
        settings = settings_for(data, server, vote=True, max_votes=7)
        texts = load_pool_texts(settings, data)
        answers = make_calls(settings, texts, base=data)
        assert server.calls == 20 + 16 + 7
        left = estimate_calls(settings, texts, training=True, base=data)
    assert numbers(left) == (0, 0, False)
    assert list(answers.by_kind()) == ["rewrites", "votes (labelled)", "votes (pool)"]
    assert [found.counts["asked"] for found in answers.by_kind().values()] == [20, 16, 7]
    assert set(answers.votes["pool"].votes.values()) == {3}


def test_what_a_classifier_chooses_is_left_to_training(data: Path):
    with ChatServer(answer) as server:
        settings = settings_for(data, server, vote=True, max_votes=7, vote_choice="uncertain")
        texts = load_pool_texts(settings, data)
        assert left_to_training(settings, texts)
        answers = make_calls(settings, texts, base=data)
        assert server.calls == 20 + 16
    assert list(answers.votes) == ["labelled"]


def test_without_asking_there_are_no_votes(data: Path):
    with ChatServer(answer) as server:
        settings = settings_for(data, server)
        texts = load_pool_texts(settings, data)
        assert not left_to_training(settings, texts)
        assert list(make_calls(settings, texts, base=data).by_kind()) == ["rewrites"]


def test_one_vote_on_a_labelled_text_is_refused_before_any_call_where_folds_need_more(data: Path):
    write_rows(data / "votes.jsonl", [{"id": name, "vote": 0} for name in ("l0-0", "u0-8")])
    with ChatServer(answer) as server:
        settings = settings_for(data, server)
        voted = settings.model_copy(update={"data": settings.data.model_copy(update={"votes": "votes.jsonl"})})
        with pytest.raises(DataError, match=r"^data\.votes: the labelled examples with a vote \(1 of 16\) are all in"):
            load_pool_texts(voted, data)
        uncalibrated = voted.calibration.model_copy(update={"folds": 0})
        load_pool_texts(voted.model_copy(update={"calibration": uncalibrated}), data)


def test_votes_that_nobody_can_give_are_refused_before_any_call(data: Path):
    write_rows(data / "votes.jsonl", [{"id": "l0-0", "vote": 0}])
    settings = recipe(data, data / "no-encoder", data={"votes": "votes.jsonl"}, augment={"vote": True})
    with pytest.raises(
        SettingsError, match=r"^augment\.vote is true, but data\.votes has no vote on 15 labelled and 24"
    ):
        load_pool_texts(settings, data)
