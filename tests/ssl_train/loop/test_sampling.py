"""Batches: each example once an epoch, and the same ones whether a run was interrupted or not."""

import numpy as np
import pytest
import torch
from railmatch.classifier.errors import SettingsError
from railmatch.ssl_train.loop.sampling import EpochSampler, PoolSampler, require_steps
from railmatch.ssl_train.methods import (
    Aligned,
    FixMatch,
    MarginMatch,
    Method,
    MultiMatch,
    VirtualClassMarginMatch,
)
from railmatch.ssl_train.recipe import TrainingSettings


@pytest.mark.parametrize(("size", "batch"), [(10, 3), (7, 7), (5, 12), (1, 4)])
def test_every_example_comes_once_an_epoch(size: int, batch: int):
    sampler = EpochSampler(size, batch, seed=3, stream=0)
    dealt = [position for step in range(size) for position in sampler(step)]  # size x batch positions: batch epochs
    for epoch in range(batch):
        assert sorted(dealt[epoch * size : (epoch + 1) * size]) == list(range(size))


def test_batches_have_their_size_even_across_the_end_of_an_epoch():
    sampler = EpochSampler(10, 4, seed=0, stream=0)
    assert [len(sampler(step)) for step in range(6)] == [4] * 6


def test_a_fresh_sampler_goes_on_at_any_step():
    whole = EpochSampler(10, 3, seed=5, stream=1)
    batches = [whole(step) for step in range(20)]
    assert [EpochSampler(10, 3, seed=5, stream=1)(step) for step in range(20)] == batches
    resumed = EpochSampler(10, 3, seed=5, stream=1)
    assert [resumed(step) for step in range(13, 20)] == batches[13:]


def test_epochs_are_shuffled_differently():
    sampler = EpochSampler(50, 50, seed=0, stream=0)
    assert sampler(0) != sampler(1)


def test_seed_and_stream_change_the_order():
    first = EpochSampler(50, 50, seed=0, stream=0)(0)
    assert EpochSampler(50, 50, seed=1, stream=0)(0) != first
    assert EpochSampler(50, 50, seed=0, stream=1)(0) != first


def test_epoch_counts_whole_passes_that_lie_before_a_step():
    sampler = EpochSampler(10, 4, seed=0, stream=0)
    # steps begin at positions 0, 4, 8, 12, 16, 20 of epochs of 10
    assert [sampler.epoch(step) for step in range(6)] == [0, 0, 0, 1, 1, 2]


@pytest.mark.parametrize(("size", "batch"), [(0, 4), (4, 0)])
def test_nothing_to_deal_is_refused(size: int, batch: int):
    with pytest.raises(ValueError, match=f"cannot deal {size} examples, {batch} a step: both must be at least 1"):
        EpochSampler(size, batch, seed=0, stream=0)


def voted(pool: int, count: int) -> np.ndarray:
    """Let the first ``count`` texts of a pool have a vote."""
    return np.arange(pool) < count


@pytest.mark.parametrize("count", [0, 10])
def test_a_pool_that_is_all_voted_or_not_at_all_comes_once_an_epoch(count: int):
    sampler = PoolSampler(voted(10, count), 4, seed=0)
    assert [sampler(step) for step in range(9)] == [EpochSampler(10, 4, seed=0, stream=1)(step) for step in range(9)]
    assert [sampler.epoch(step) for step in range(6)] == [0, 0, 0, 1, 1, 2]


@pytest.mark.parametrize(
    ("count", "of_eight"),
    [(2, 2), (4, 4), (50, 4), (75, 6), (99, 7)],  # at least half, but none twice, and one place for the others
)
def test_voted_texts_are_at_least_half_of_every_batch(count: int, of_eight: int):
    sampler = PoolSampler(voted(100, count), 8, seed=1)
    for step in range(20):
        assert sum(position < count for position in sampler(step)) == of_eight
        assert len(sampler(step)) == 8


def test_the_texts_without_a_vote_come_once_an_epoch_too():
    sampler = PoolSampler(voted(20, 4), 8, seed=2)  # 4 of the 16 others a step: 4 steps an epoch
    others = [position for step in range(4) for position in sampler(step) if position >= 4]
    assert sorted(others) == list(range(4, 20))
    assert [sampler.epoch(step) for step in range(9)] == [0, 0, 0, 0, 1, 1, 1, 1, 2]


def test_one_text_a_step_is_dealt_from_the_whole_pool():
    sampler = PoolSampler(voted(6, 1), 1, seed=0)
    assert sorted(position for step in range(6) for position in sampler(step)) == list(range(6))


def test_an_empty_pool_is_refused():
    with pytest.raises(ValueError, match="cannot deal 0 examples"):
        PoolSampler(voted(0, 0), 4, seed=0)


def test_the_first_step_after_a_pass_is_the_one_whose_epoch_is_1():
    sampler = PoolSampler(voted(11, 3), 4, seed=0)
    first = sampler.first_step(1)
    assert first == 4  # 8 unvoted texts, 2 a step; the 3 voted ones have come by then
    assert [sampler.epoch(step) for step in (first - 1, first)] == [0, 1]


def test_a_training_that_ends_before_multimatch_counts_anything_is_refused():
    pool = PoolSampler(voted(100, 0), 8, seed=0)
    method = MultiMatch(100)
    require_steps(TrainingSettings(steps=16, pseudo_labels_from=2), pool, method)
    with pytest.raises(SettingsError) as caught:
        require_steps(TrainingSettings(steps=15, pseudo_labels_from=2), pool, method)
    assert str(caught.value) == (
        "training.steps is 15, but the method counts no pseudo-label in the first pass over the pool, that is in 15 "
        "steps: set training.steps to at least 16, raise training.unlabelled_batch, or choose another method"
    )


@pytest.mark.parametrize("aligned", [False, True])
def test_a_training_that_ends_before_marginmatch_has_found_its_gamma_is_refused(aligned: bool):
    pool = PoolSampler(voted(100, 0), 8, seed=0)
    method = VirtualClassMarginMatch(100, 0.9)
    known = Aligned(method, 0.5) if aligned else method
    require_steps(TrainingSettings(steps=26), pool, known)
    with pytest.raises(SettingsError) as caught:
        require_steps(TrainingSettings(steps=25), pool, known)
    assert str(caught.value) == (
        "training.steps is 25, but the method has not found its gamma in the first two passes over the pool, that is "
        "in 25 steps: set training.steps to at least 26, raise training.unlabelled_batch, or set method.gamma to a "
        "number"
    )


def test_marginmatch_finds_its_gamma_in_the_step_that_must_be_there():
    pool = PoolSampler(voted(100, 0), 8, seed=0)
    method = VirtualClassMarginMatch(100, 0.9)
    found = []
    for step in range(26):
        index = torch.tensor(pool(step))
        method.pseudo_labels(torch.tensor([[[0.0, 0.0, 1.0]]]).repeat(8, 1, 1), index=index, epoch=pool.epoch(step))
        found.append(bool(method.gamma != 0))
    assert found == [False] * 25 + [True]


@pytest.mark.parametrize("method", [FixMatch(0.9), MarginMatch(100, 0.9)])
def test_a_method_that_has_nothing_to_find_out_may_be_short(method: Method):
    require_steps(TrainingSettings(steps=1), PoolSampler(voted(100, 0), 8, seed=0), method)
