"""Estimates: added up, and priced."""

import pytest
from railmatch.ssl_train.augment.spending import Estimate, cost, tokens
from railmatch.ssl_train.recipe import EndpointSettings


def test_estimates_add_up():
    assert Estimate(1, 20, 3, 0.5) + Estimate(2, 40, 6, 0.25) == Estimate(3, 60, 9, 0.75)


def test_a_sum_is_as_vague_as_its_parts():
    assert Estimate(1, 1, 1, None) + Estimate(1, 1, 1, 1.0, at_most=True) == Estimate(2, 2, 2, None, at_most=True)


def test_a_token_has_four_bytes():
    # "Grüße" has 7 bytes, a lone surrogate is sent as one
    assert [tokens(text) for text in ("", "abcd", "abcde", "Grüße", "\ud800")] == [0, 1, 2, 2, 1]


def test_a_cost_needs_both_prices():
    assert cost(1_000_000, 500_000, EndpointSettings(model="m", price_input=2.0, price_output=4.0)) == pytest.approx(
        4.0
    )
    assert cost(1_000_000, 500_000, EndpointSettings(model="m", price_input=2.0)) is None
    assert cost(1_000_000, 500_000, None) is None
