"""The trainings of one recipe: what they share, and that sharing changes nothing but the time."""

from pathlib import Path
from typing import Any

import pytest
import torch
from railmatch.ssl_train.data.training_texts import load_texts
from railmatch.ssl_train.job import Job
from railmatch.ssl_train.loop.processes import make_accelerator
from railmatch.ssl_train.methods import Aligned
from small_training import recipe, write_data


@pytest.fixture
def job(tmp_path: Path, tiny_encoder: Path) -> Job:
    return make_job(tmp_path, tiny_encoder)


def make_job(tmp_path: Path, encoder: Path, **sections: Any) -> Job:
    write_data(tmp_path)
    content = recipe(tmp_path, encoder, training={"steps": 3, "frozen_layers": 1}, **sections)
    texts = load_texts(content, tmp_path)
    rewrites = {record.id: texts.recorded[record.id] for record in texts.pool}
    return Job(content, texts, rewrites, tmp_path / "work", make_accelerator("cpu"))


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
