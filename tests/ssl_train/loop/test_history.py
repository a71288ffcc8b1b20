"""The history: means over blocks of steps, whole after an interruption."""

import pytest
from railmatch.ssl_train.loop.history import HISTORY_BLOCK, History


def test_a_block_is_averaged_when_it_is_full():
    history = History()
    for step in range(HISTORY_BLOCK):
        assert history.step == []
        history.add(step, supervised=float(step), unsupervised=2.0, kept=step % 2)
    assert history.as_dict() == {
        "step": [HISTORY_BLOCK],
        "supervised": [(HISTORY_BLOCK - 1) / 2],
        "unsupervised": [2.0],
        "kept": [0.5],
    }


def test_a_run_shorter_than_a_block_is_one_block():
    history = History()
    for step, loss in enumerate([1.0, 2.0, 6.0]):
        history.add(step, loss, 0.0, 0.0)
    history.close(3)
    assert (history.step, history.supervised) == ([3], [3.0])


def test_closing_an_empty_block_leaves_nothing():
    history = History()
    history.close(40)
    assert history.step == []


@pytest.mark.parametrize("interrupted_after", [7, HISTORY_BLOCK, HISTORY_BLOCK + 1])
def test_an_interrupted_history_goes_on_within_its_block(interrupted_after: int):
    whole, first, second = History(), History(), History()
    for step in range(50):
        whole.add(step, step**2, 0.0, 0.0)
    for step in range(interrupted_after):
        first.add(step, step**2, 0.0, 0.0)
    second.load_state_dict(first.state_dict())
    for step in range(interrupted_after, 50):
        second.add(step, step**2, 0.0, 0.0)
    assert second == whole
