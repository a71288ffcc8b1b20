"""Votes in a training: asked for or recorded, limited, chosen by a classifier, and counted in the report."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from endpoint import MODEL, ChatServer
from railmatch.classifier.errors import DataError
from railmatch.ssl_train.data.training_texts import load_texts
from railmatch.ssl_train.loop.processes import make_accelerator
from railmatch.ssl_train.progress import Advance
from railmatch.ssl_train.recipe import Recipe
from railmatch.ssl_train.run import train
from railmatch.ssl_train.voting.gathering import VotedTexts, gather_votes
from small_training import recipe, write_data, write_rows

NONE = dict.fromkeys(("kept", "refused", "unreadable", "failed", "missing", "recorded", "from_cache", "asked"), 0)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_data(tmp_path)
    return tmp_path


@pytest.fixture
def record_votes(data: Path) -> dict[str, int]:
    """Write a recorded vote on every labelled and pool text, right but for those with a 3 in their id."""
    lines = [line for name in ("labelled", "pool") for line in (data / f"{name}.jsonl").read_text().splitlines()]
    rows = [json.loads(line) for line in lines]
    votes = {row["id"]: 4 * (int(row["id"][1]) ^ ("3" in row["id"])) for row in rows}
    write_rows(data / "votes.jsonl", [{"id": identity, "vote": vote} for identity, vote in votes.items()])
    return votes


def asking(data: Path, encoder: Path, server: ChatServer, **augment: Any) -> Recipe:
    endpoint = {"base_url": server.base_url, "model": MODEL, "max_retries": 0}
    return recipe(data, encoder, augment={"vote": True, "endpoint": endpoint, **augment}, calibration={"folds": 0})


def steal(messages: list[dict[str, Any]]) -> str:
    return "4" if "steal" in messages[-1]["content"] else "0"


class Steps:
    """A progress that notes what it is told."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, int]] = []
        self.counted = 0

    @contextmanager
    def __call__(self, description: str, total: int) -> Iterator[Advance]:
        self.begun.append((description, total))
        yield self.advance

    def advance(self, count: int) -> None:
        self.counted += count


def gather(settings: Recipe, data: Path, progress: Steps | None = None) -> VotedTexts:
    texts = load_texts(settings, data)
    return gather_votes(
        settings, texts, data / "work", make_accelerator("cpu"), base=data, progress=progress or Steps()
    )


def test_a_training_asks_about_every_labelled_and_pool_text_once(data: Path, tiny_encoder: Path):
    with ChatServer(steal) as server:
        settings = asking(data, tiny_encoder, server)
        first = train(settings, data / "model", base=data)
        assert server.calls == 16 + 24
        again = train(settings, data / "again", base=data)
        assert server.calls == 40
    assert first.report["votes"] == {
        "labelled": NONE | {"kept": 16, "asked": 16},
        "pool": NONE | {"kept": 24, "asked": 24},
    }
    assert again.report["votes"] == {
        "labelled": NONE | {"kept": 16, "from_cache": 16},
        "pool": NONE | {"kept": 24, "from_cache": 24},
    }
    assert json.loads((data / "model/training.json").read_text())["votes"] == first.report["votes"]
    assert first.evaluation is not None
    assert first.evaluation.auroc > 0.9  # in 12 steps, because every pool text has a right vote
    assert first.report["history"]["kept"] == [1.0]


def test_a_limited_draw_is_asked_and_labelled_texts_come_on_top(data: Path, tiny_encoder: Path):
    with ChatServer(steal) as server:
        texts, counts = gather(asking(data, tiny_encoder, server, max_votes=5), data)
        assert server.calls == 16 + 5
    assert counts == {"labelled": NONE | {"kept": 16, "asked": 16}, "pool": NONE | {"kept": 5, "asked": 5}}
    assert sum(record.id in texts.votes for record in texts.pool) == 5
    assert len(texts.votes) == 21


def test_where_the_votes_that_came_do_not_suffice_for_the_folds_nothing_more_is_asked(data: Path, tiny_encoder: Path):
    once = iter("4")
    with ChatServer(lambda messages: next(once, "hard to say")) as server:
        settings = asking(data, tiny_encoder, server, strategy=["paraphrase"])
        settings = settings.model_copy(update={"calibration": settings.calibration.model_copy(update={"folds": 2})})
        with pytest.raises(DataError) as refused:
            train(settings, data / "model", base=data)
        assert server.calls == 16  # the labelled texts, and no text of the pool
    assert str(refused.value) == (
        "augment.vote: the labelled examples with a vote (1 of 16) are all in one of the 2 parts that calibration "
        "holds back, so that in the training without it nothing says what a vote is worth: see to the endpoint, its "
        "budget and augment.policy, set calibration.folds to 0 (no calibration), or train without votes"
    )


def test_one_recorded_vote_on_a_labelled_text_is_refused_before_anything_is_asked(data: Path, tiny_encoder: Path):
    write_rows(data / "votes.jsonl", [{"id": name, "vote": 0} for name in ("l0-0", "u0-8")])
    with ChatServer(steal) as server:
        endpoint = {"base_url": server.base_url, "model": MODEL, "max_retries": 0}
        more = {"endpoint": endpoint, "strategy": ["paraphrase", "restyle", "indirect"]}
        settings = recipe(data, tiny_encoder, data={"votes": "votes.jsonl"}, augment=more)
        with pytest.raises(DataError, match=r"^data\.votes: the labelled examples with a vote \(1 of 16\) are all in"):
            train(settings, data / "model", base=data)
        assert server.calls == 0


def test_recorded_votes_are_limited_alike_and_the_endpoint_is_not_needed(
    data: Path, tiny_encoder: Path, record_votes: dict[str, int]
):
    settings = recipe(data, tiny_encoder, data={"votes": "votes.jsonl"}, augment={"max_votes": 5})
    texts, counts = gather(settings, data)
    assert counts == {"labelled": NONE | {"kept": 16, "recorded": 16}, "pool": NONE | {"kept": 5, "recorded": 5}}
    assert len(texts.votes) == 21
    assert texts.votes.items() <= record_votes.items()
    assert not (data / "cache.sqlite").exists()


def test_asked_and_recorded_votes_share_one_budget(data: Path, tiny_encoder: Path, record_votes: dict[str, int]):
    write_rows(data / "votes.jsonl", [{"id": i, "vote": v} for i, v in record_votes.items() if not i.startswith("u1")])
    with ChatServer(steal) as server:
        settings = asking(data, tiny_encoder, server, max_votes=12)
        settings = settings.model_copy(update={"data": settings.data.model_copy(update={"votes": "votes.jsonl"})})
        texts, counts = gather(settings, data)
        assert server.calls == counts["pool"]["asked"] == 12 - counts["pool"]["recorded"] > 0
    assert counts["pool"]["kept"] == sum(record.id in texts.votes for record in texts.pool) == 12
    assert counts["pool"]["recorded"] > 0


def test_the_uncertain_texts_are_those_of_a_supervised_training(data: Path, tiny_encoder: Path):
    longer = {"steps": 40}
    plain = recipe(data, tiny_encoder, method={"name": "supervised"}, training=longer, calibration={"folds": 0})
    classifier = train(plain, data / "plain", base=data).model
    pool = load_texts(plain, data).pool
    scores = classifier.predict_proba([record.exchange for record in pool])
    nearest = sorted(zip(abs(scores - 0.5), (record.id for record in pool), strict=True))[:6]
    assert nearest[-1][0] < sorted(abs(scores - 0.5))[6]  # no tie between chosen and not chosen

    progress = Steps()
    with ChatServer(steal) as server:
        settings = asking(data, tiny_encoder, server, max_votes=6, vote_choice="uncertain")
        settings = settings.model_copy(update={"training": plain.training})
        texts, counts = gather(settings, data, progress)
        assert server.calls == 16 + 6
    assert {record.id for record in texts.pool if record.id in texts.votes} == {identity for _, identity in nearest}
    assert counts["pool"] == NONE | {"kept": 6, "asked": 6}
    assert progress.begun == [
        ("Asking for votes", 16),
        ("choosing texts to vote on", 40 + 24),
        ("Asking for votes", 6),
    ]
    assert progress.counted == 16 + 64 + 6


def test_the_choice_of_an_interrupted_run_is_not_made_again(data: Path, tiny_encoder: Path):
    with ChatServer(steal) as server:
        settings = asking(data, tiny_encoder, server, max_votes=6, vote_choice="uncertain")
        first = gather(settings, data)
        progress = Steps()
        again = gather(settings, data, progress)
        assert server.calls == 22
    assert again.texts == first.texts
    assert progress.begun == []
    assert {file.name for file in (data / "work").iterdir()} == {"choice.json"}


def test_supervised_training_asks_for_no_votes(data: Path, tiny_encoder: Path):
    with ChatServer(steal) as server:
        settings = asking(data, tiny_encoder, server)
        settings = settings.model_copy(update={"method": settings.method.model_copy(update={"name": "supervised"})})
        assert gather(settings, data).counts == {}
        assert server.calls == 0
