"""What stands for a pool text when the network is to say of it what it says of the text itself."""

import numpy as np
import pytest
import torch
from railmatch.classifier.inputs import Window
from railmatch.ssl_train.loop.strong_views import NO_STRONG_VIEWS, draw_one, strong_views_of
from railmatch.ssl_train.loop.views import Views


def window(token: int) -> Window:
    return Window([token], [0])


FIRST, SECOND, TEXT, LONELY = (window(token) for token in range(4))
VIEWS = Views(labelled=[], labels=torch.zeros(0), weak=[TEXT, LONELY], strong=[[FIRST, SECOND], []], shortened=0)


@pytest.mark.parametrize(
    ("position", "voted", "expected"),
    [
        (0, False, [FIRST, SECOND]),
        (0, True, [FIRST, SECOND, TEXT]),
        (1, False, [LONELY]),
        (1, True, [LONELY]),
    ],
)
def test_rewrites_stand_for_a_text_and_the_text_itself_where_it_has_a_vote(position, voted, expected):
    assert strong_views_of(VIEWS, position, voted=voted) == expected
    assert VIEWS.strong == [[FIRST, SECOND], []]


def test_each_view_is_drawn_as_often_as_the_others():
    draw = np.random.default_rng(0)
    drawn = [draw_one([FIRST, SECOND, TEXT], draw) for _ in range(300)]
    assert all(70 < drawn.count(view) < 130 for view in (FIRST, SECOND, TEXT))


def test_a_step_without_strong_views_has_a_loss_of_zero_that_still_has_a_gradient():
    logits = torch.randn(0, 1, 2, requires_grad=True)
    loss = NO_STRONG_VIEWS.loss(logits, torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0
