"""Pseudo-margins and their averages against numbers worked out by hand."""

import pytest
import torch
from railmatch.ssl_train.methods.pseudo_margins import AveragePseudoMargins, pseudo_margins


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        ([3.0, 1.0], [2.0, -2.0]),
        ([1.0, 4.0, 2.0], [-3.0, 2.0, -2.0]),
        ([-5.0, -1.0, -3.0], [-4.0, 2.0, -2.0]),
        ([2.0, 2.0], [0.0, 0.0]),
        ([2.0, 1.0, 2.0], [0.0, -1.0, 0.0]),
    ],
)
def test_a_margin_is_the_distance_to_the_best_other_class(logits: list[float], expected: list[float]):
    assert pseudo_margins(torch.tensor(logits)).tolist() == expected


def test_three_visits_by_hand():
    margins = AveragePseudoMargins(4, heads=1, classes=2, smoothness=0.9)
    index = torch.tensor([2])
    # margin 3, share 0.9 / 1: 2.7
    first = margins.update(torch.tensor([[[2.0, -1.0]]]), index)
    assert first.flatten().tolist() == pytest.approx([2.7, -2.7])
    # margin -1, share 0.9 / 2 = 0.45: -0.45 + 0.55 x 2.7 = 1.035
    second = margins.update(torch.tensor([[[0.0, 1.0]]]), index)
    assert second.flatten().tolist() == pytest.approx([1.035, -1.035])
    # margin 4, share 0.9 / 3 = 0.3: 1.2 + 0.7 x 1.035 = 1.9245
    third = margins.update(torch.tensor([[[5.0, 1.0]]]), index)
    assert third.flatten().tolist() == pytest.approx([1.9245, -1.9245])
    assert margins.visits.tolist() == [0, 0, 3, 0]
    assert margins.average[[0, 1, 3]].abs().sum() == 0


def test_the_published_smoothness():
    margins = AveragePseudoMargins(1, heads=1, classes=2)
    assert margins.update(torch.tensor([[[1.0, 0.0]]]), torch.tensor([0]))[0, 0, 0] == pytest.approx(0.997)


def test_a_text_twice_in_a_step_is_visited_once():
    margins = AveragePseudoMargins(3, heads=1, classes=2, smoothness=0.9)
    margins.update(torch.tensor([[[2.0, 0.0]], [[1.0, 0.0]], [[2.0, 0.0]]]), torch.tensor([1, 0, 1]))
    assert margins.visits.tolist() == [1, 1, 0]
    assert margins.average[:, 0, 0].tolist() == pytest.approx([0.9, 1.8, 0.0])


def test_reset_forgets_everything():
    margins = AveragePseudoMargins(2, heads=3, classes=2)
    margins.update(torch.randn(2, 3, 2), torch.tensor([0, 1]))
    margins.reset()
    assert margins.average.abs().sum() == 0
    assert margins.visits.tolist() == [0, 0]
