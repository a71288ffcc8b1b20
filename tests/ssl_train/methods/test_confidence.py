"""FlexMatch's and FreeMatch's masks against numbers worked out by hand."""

import pytest
import torch
from railmatch.ssl_train.methods.confidence import FlexMatchMask, FreeMatchMask
from torch import Tensor


def probabilities(*harmful: float) -> Tensor:
    """One head's predictions, shape (texts, 1, 2)."""
    second = torch.tensor(harmful)
    return torch.stack([1 - second, second], dim=-1)[:, None]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ([-1] * 10, [0.0, 0.0]),
        # counts 4, 1 and 5 never chosen: beta 0.8 and 0.2; 0.9 x 0.8 / 1.2 and 0.9 x 0.2 / 1.8
        ([0] * 4 + [1] + [-1] * 5, [0.6, 0.1]),
        # counts 6, 2 and 2 never chosen: beta 1 and 1/3; 0.9 x 1 / 1 and 0.9 x (1/3) / (5/3)
        ([0] * 6 + [1] * 2 + [-1] * 2, [0.9, 0.18]),
        # all of one class: the other class's threshold is 0 and not what it was before
        ([1] * 10, [0.0, 0.9]),
    ],
)
def test_flexmatch_thresholds_follow_the_counts(chosen: list[int], expected: list[float]):
    mask = FlexMatchMask(10, heads=1, classes=2, threshold=0.9)
    mask.chosen[:, 0] = torch.tensor(chosen)
    assert mask.thresholds().flatten().tolist() == pytest.approx(expected)


def test_flexmatch_keeps_by_the_threshold_of_the_predicted_class():
    mask = FlexMatchMask(10, heads=1, classes=2, threshold=0.9)
    mask.chosen[:, 0] = torch.tensor([0] * 9 + [1])  # thresholds 0.9 and 0.9 x (1/9) / (17/9) = 0.053
    kept = mask.update(probabilities(0.05, 0.15, 0.55, 0.95), torch.tensor([0, 1, 2, 3]))
    assert kept.flatten().tolist() == [True, False, True, True]


def test_flexmatch_counts_a_text_by_its_last_confident_prediction():
    mask = FlexMatchMask(4, heads=1, classes=2, threshold=0.9)
    mask.update(probabilities(0.95, 0.02, 0.6), torch.tensor([0, 1, 2]))
    assert mask.chosen.flatten().tolist() == [1, 0, -1, -1]
    mask.update(probabilities(0.4, 0.99), torch.tensor([0, 1]))
    assert mask.chosen.flatten().tolist() == [1, 1, -1, -1]


def test_flexmatch_counts_a_step_after_its_mask():
    mask = FlexMatchMask(2, heads=1, classes=2, threshold=0.9)
    step = probabilities(0.99, 0.6), torch.tensor([0, 1])
    # nothing chosen: all pass; then class 1 has 1 of 2, as many as were never chosen: beta 1, threshold 0.9
    assert mask.update(*step).flatten().tolist() == [True, True]
    assert mask.update(*step).flatten().tolist() == [True, False]


def test_flexmatch_counts_heads_apart():
    mask = FlexMatchMask(2, heads=3, classes=2, threshold=0.9)
    both = torch.tensor([[[0.05, 0.95], [0.95, 0.05], [0.5, 0.5]]] * 2)
    mask.update(both, torch.tensor([0, 1]))
    torch.testing.assert_close(mask.thresholds(), torch.tensor([[0.0, 0.9], [0.9, 0.0], [0.0, 0.0]]))


def test_freematch_two_heads_by_hand():
    mask = FreeMatchMask(heads=2, classes=2, momentum=0.9)
    mask.confidence[1] = 0.9
    mask.distribution[1] = torch.tensor([0.8, 0.2])
    step = torch.cat([probabilities(0.1, 0.4), probabilities(0.15, 0.7)], dim=1)
    kept = mask.update(step, torch.arange(2))
    # head 0: t = 0.45 + 0.1 x (0.9 + 0.6) / 2 = 0.525; p = 0.45 + 0.1 x (0.75, 0.25) = (0.525, 0.475)
    # head 1: t = 0.81 + 0.1 x (0.85 + 0.7) / 2 = 0.8875; p = (0.72, 0.18) + 0.1 x (0.575, 0.425) = (0.7775, 0.2225)
    assert mask.confidence.tolist() == pytest.approx([0.525, 0.8875])
    torch.testing.assert_close(mask.distribution, torch.tensor([[0.525, 0.475], [0.7775, 0.2225]]))
    # head 0: t x p / max p = 0.525 and 0.475; head 1: 0.8875 and 0.8875 x 0.2225 / 0.7775 = 0.25398
    torch.testing.assert_close(mask.thresholds(), torch.tensor([[0.525, 0.475], [0.8875, 0.8875 * 0.2225 / 0.7775]]))
    # head 1 finds the first text unharmful with 0.85, below 0.8875, and the second harmful with 0.7
    assert kept.tolist() == [[True, False], [True, True]]


def test_freematch_needs_693_steps_to_move_half_way():
    mask = FreeMatchMask(heads=1, classes=2)
    for _ in range(693):  # 0.999 ** 693 = 0.49989
        mask.update(probabilities(1.0), torch.tensor([0]))
    assert mask.confidence.item() == pytest.approx(0.75, abs=1e-3)


@pytest.mark.parametrize(
    "make", [lambda: FlexMatchMask(5, heads=2, classes=2, threshold=0.8), lambda: FreeMatchMask(heads=2, classes=2)]
)
def test_the_state_survives_a_checkpoint(make):
    mask, restored = make(), make()
    step = torch.randn(5, 2, 2, generator=torch.Generator().manual_seed(0)).mul(3).softmax(dim=-1)
    index = torch.arange(5)
    mask.update(step, index)
    assert not torch.equal(mask.thresholds(), restored.thresholds())
    restored.load_state_dict(mask.state_dict())
    assert torch.equal(mask.thresholds(), restored.thresholds())
    assert torch.equal(mask.update(step.flip(0), index), restored.update(step.flip(0), index))
    assert torch.equal(mask.thresholds(), restored.thresholds())
