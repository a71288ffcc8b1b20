"""The simulation behind what the docs say of the threshold's interval."""

import pytest
from threshold_interval import share_held


def test_the_interval_holds_the_rate_of_a_model_like_those_it_was_made_of():
    # at least 95 in 100 are promised; of 300 draws of that, 92 in 100 or fewer would come once in 100
    assert share_held(0.0, 300) > 0.92


def test_models_that_differ_are_held_less_often():
    assert share_held(0.5, 300) < share_held(0.0, 300)


def test_models_far_apart_are_hardly_held():
    # shifts of 10 spreads: nearly all of the final model's harmless texts are above the threshold, or none
    assert share_held(10.0, 100) == pytest.approx(0.0, abs=0.1)
