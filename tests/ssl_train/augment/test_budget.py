"""The limits of what a model may take, over all runs on a cache."""

from collections.abc import Iterator

import pytest
from railmatch.ssl_train.augment.budget import Budget
from railmatch.ssl_train.augment.cache import Answer, Cache, Key, Spent
from railmatch.ssl_train.recipe import BudgetSettings, EndpointSettings

MESSAGES = [{"role": "system", "content": "x" * 60}, {"role": "user", "content": "x" * 20}]
"""20 tokens of 4 bytes."""


@pytest.fixture
def cache() -> Iterator[Cache]:
    """A cache in which model m took 4 calls with 10 tokens each, and another one more."""
    with Cache(":memory:") as cache:
        for number in range(4):
            cache.settle(Key(str(number), "t", "m", ""), Answer("kept", "x", 8, 2), None)
        cache.settle(Key("0", "t", "other", ""), Answer("kept", "x", 900, 100), None)
        yield cache


def reached(cache: Cache, in_flight: int, **limits: float) -> str | None:
    prices = {"price_input": 1e6, "price_output": 2e6}
    settings = EndpointSettings(model="m", budget=BudgetSettings(**limits), **prices)
    return Budget(settings, cache).reached(in_flight, MESSAGES)


@pytest.mark.parametrize(
    ("limits", "in_flight", "allowed"),
    [
        ({}, 1000, True),
        ({"max_calls": 5}, 0, True),
        ({"max_calls": 5}, 1, False),
        ({"max_tokens": 60}, 1, True),  # 40 were taken, and each of two calls is reckoned to take 10
        ({"max_tokens": 60}, 2, False),
        ({"max_cost": 72.0}, 1, True),  # a call takes 8 x 1 + 2 x 2 = 12
        ({"max_cost": 72.0}, 2, False),
    ],
    ids=str,
)
def test_a_call_is_begun_where_it_stays_within_the_limits(cache: Cache, limits, in_flight: int, allowed: bool):
    assert (reached(cache, in_flight, **limits) is None) is allowed


@pytest.mark.parametrize(
    ("limits", "in_flight", "allowed"),
    [
        ({"max_calls": 1}, 0, True),
        ({"max_tokens": 80}, 1, True),  # each is reckoned to take 20 tokens in and 20 out
        ({"max_tokens": 80}, 2, False),
        ({"max_cost": 60.0}, 0, True),  # 20 x 1 + 20 x 2
        ({"max_cost": 60.0}, 1, False),
    ],
    ids=str,
)
def test_the_first_calls_are_reckoned_by_what_is_sent(limits, in_flight: int, allowed: bool):
    with Cache(":memory:") as cache:
        assert (reached(cache, in_flight, **limits) is None) is allowed


def test_the_limit_is_named(cache: Cache):
    assert reached(cache, 0, max_calls=4) == (
        "augment.endpoint.budget.max_calls is 4, which model 'm' has used up in all runs on this cache: the other "
        "texts were not asked about"
    )


def test_what_was_spent_is_kept_by_model(cache: Cache):
    assert cache.spent("m") == Spent(4, 32, 8, 0.0)
    assert cache.spent("nobody") == Spent()


def test_an_amount_needs_prices():
    with pytest.raises(ValueError, match=r"budget\.max_cost is an amount of money: set price_input and price_output"):
        EndpointSettings(model="m", budget=BudgetSettings(max_cost=1.0))
