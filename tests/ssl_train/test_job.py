"""The trainings of one recipe: what they share, and that sharing changes nothing but the time."""

from pathlib import Path

import pytest
import torch
from railmatch.ssl_train.job import Job
from railmatch.ssl_train.processes import make_accelerator
from railmatch.ssl_train.rewriting import load_texts
from small_training import recipe, write_data


@pytest.fixture
def job(tmp_path: Path, tiny_encoder: Path) -> Job:
    write_data(tmp_path)
    content = recipe(tmp_path, tiny_encoder, training={"steps": 3, "frozen_layers": 1})
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
