"""The trainings of one recipe: what they share, that sharing changes nothing but the time, and what reaches them."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from railmatch.classifier.model import SafetyClassifier
from railmatch.ssl_train.data.training_texts import load_texts
from railmatch.ssl_train.job import Job
from railmatch.ssl_train.loop.processes import make_accelerator
from railmatch.ssl_train.loop.trainer import Trainer
from railmatch.ssl_train.methods import Aligned, PseudoLabels
from small_training import recipe, write_data, write_rows


@pytest.fixture
def job(tmp_path: Path, tiny_encoder: Path) -> Job:
    return make_job(tmp_path, tiny_encoder)


def make_job(tmp_path: Path, encoder: Path, **sections: Any) -> Job:
    write_data(tmp_path)
    training = {"steps": 3, "frozen_layers": 1} | sections.pop("training", {})
    content = recipe(tmp_path, encoder, training=training, **sections)
    texts = load_texts(content, tmp_path)
    rewrites = {record.id: texts.recorded[record.id] for record in texts.pool}
    return Job(content, texts, rewrites, tmp_path / "work", make_accelerator("cpu"))


def make_voted_job(folder: Path, encoder: Path, wrong: list[str], **sections: Any) -> Job:
    """With a vote on every text: 4 on the harmful and 0 on the others, but for the labelled ones that are ``wrong``."""
    numbers = {"l": range(8), "u": range(8, 20)}
    ids = [f"{kind}{label}-{number}" for kind in numbers for number in numbers[kind] for label in (0, 1)]
    votes = [{"id": name, "vote": 4 * (int(name[1]) ^ (name in wrong))} for name in ids]
    write_rows(folder / "votes.jsonl", votes)
    return make_job(folder, encoder, data={"votes": "votes.jsonl"}, **sections)


def quiet(count: int) -> None:
    """Tell nobody."""


def test_trainings_share_windows_and_the_states_of_frozen_layers(job: Job):
    first = job.fit(job.texts.labelled[:8], "first", quiet)
    second = job.fit(job.texts.labelled[8:], "second", quiet)
    assert second.views.weak is first.views.weak
    assert second.views.labels.tolist() == [record.label for record in job.texts.labelled[8:]]
    assert first._frozen is not None and second._frozen is not None
    assert second._frozen._remembered is first._frozen._remembered


def test_a_shared_training_is_the_same_as_one_alone(job: Job):
    """To the last bit: the second job computes the states of frozen layers itself, in the same batches."""
    job.fit(job.texts.labelled[8:], "other", quiet)
    shared = job.fit(job.texts.labelled[:8], "part", quiet).classifier.network.state_dict()
    fresh = Job(job.recipe, job.texts, job.rewrites, job.work / "alone", job.accelerator)
    alone = fresh.fit(job.texts.labelled[:8], "part", quiet).classifier.network.state_dict()
    assert shared.keys() == alone.keys()
    assert all(torch.equal(shared[name], alone[name]) for name in alone)


def test_what_a_recipe_says_of_the_method_reaches_the_training(tmp_path: Path, tiny_encoder: Path):
    job = make_job(tmp_path, tiny_encoder, method={"alignment": True})
    unbalanced = [record for record in job.texts.labelled if record.label == 0][:3] + job.texts.labelled[1:2]
    assert sum(record.label == 1 for record in unbalanced) == 1
    trainer = job.fit(unbalanced, "part", quiet)
    assert isinstance(trainer.method, Aligned)
    assert trainer.method.shares.tolist() == [0.75, 0.25]
    assert int(trainer.method.done) == 3


def test_a_vote_is_worth_what_the_labels_of_the_fold_say_alone(
    tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
):
    """Labels that are held back say nothing of the votes, since they are to judge what was learnt from them."""
    job = make_voted_job(tmp_path, tiny_encoder, wrong=["l0-4", "l1-4"])
    trained: list[Trainer] = []

    def fit(self: Job, *what: Any, **more: Any) -> Trainer:
        trained.append(whole(self, *what, **more))
        return trained[-1]

    whole = Job.fit
    monkeypatch.setattr(Job, "fit", fit)
    job.held_back_scores([list(range(8)), list(range(8, 16))], quiet)
    job.fit(job.texts.labelled, "final", quiet)
    # of each class, right votes in the second half of the labels 3 of 4: (3 + 1) / (1 + 1); in the first 4 of 4:
    # (4 + 1) / (0 + 1); in both 7 of 8: (7 + 1) / (1 + 1)
    for trainer, odds in zip(trained, (2, 5, 4), strict=True):
        assert trainer.votes is not None
        expected = [math.log(odds) if record.id.startswith("u1") else -math.log(odds) for record in job.texts.pool]
        assert trainer.votes.log_odds.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("trust", [0.0, 0.75])
def test_the_weights_of_a_recipe_reach_the_training(tmp_path: Path, tiny_encoder: Path, trust: float):
    weights = {"vote_trust": trust, "lambda_u": 0.25, "lambda_s": 2.0}
    seen: list[PseudoLabels] = []
    job = make_voted_job(tmp_path, tiny_encoder, [], method=weights)
    trainer = job.fit(job.texts.labelled, "all", quiet, observe=lambda step, index, pseudo: seen.append(pseudo))
    assert trainer.votes is not None
    assert (trainer.votes.trust, trainer.lambda_u, trainer.lambda_s) == (trust, 0.25, 2.0)
    # without trust in the network the vote alone speaks: of 8 and 8 labels all were right, (8 + 1) / (8 + 2)
    assert len(seen) == 3
    for pseudo in seen:
        by_the_vote = pseudo.targets.amax(dim=-1).flatten().tolist() == pytest.approx([0.9] * 6, abs=1e-5)
        assert by_the_vote == (trust == 0)


def test_a_known_share_of_harmful_texts_reaches_the_votes(tmp_path: Path, tiny_encoder: Path):
    job = make_voted_job(tmp_path, tiny_encoder, [], method={"class_prior": 0.1})
    votes = job.fit(job.texts.labelled, "all", quiet).votes
    assert votes is not None
    # right votes on 8 and 8 labels are worth 9 to 1 in the balanced draw; where 1 of 10 is harmful, 1 to 1 and 1 to 81
    expected = [0.0 if record.id.startswith("u1") else -math.log(81) for record in job.texts.pool]
    assert votes.log_odds.tolist() == pytest.approx(expected, abs=1e-6)


def test_a_loss_of_weight_zero_teaches_nothing(tmp_path: Path, tiny_encoder: Path):
    nothing = {"lambda_u": 0.0, "lambda_s": 0.0}
    job = make_voted_job(tmp_path, tiny_encoder, [], method=nothing, training={"weight_decay": 0.0})
    torch.manual_seed(job.recipe.seed)
    untrained = SafetyClassifier.from_encoder(job.recipe.encoder, "prompt", window=32).network.state_dict()
    trainer = job.fit(job.texts.labelled, "all", quiet)
    assert trainer.history.kept == [1.0]  # there was something to be learnt from both
    trained = trainer.classifier.network.state_dict()
    assert all(torch.equal(trained[name], untrained[name]) for name in untrained)
