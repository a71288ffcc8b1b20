"""Waiting for an endpoint: doubling, bounded, and only where waiting can help."""

import pytest
from railmatch.classifier.errors import EndpointDownError, EndpointError
from railmatch.ssl_train.adversarial.patience import Patience, waits


def test_waits_double_up_to_a_minute_and_end_at_the_limit():
    assert list(waits(10)) == [1, 2, 4, 3]
    assert list(waits(0)) == []
    assert list(waits(200)) == [1, 2, 4, 8, 16, 32, 60, 60, 17]


def test_an_outage_is_waited_out():
    failures = iter([EndpointDownError("augment.endpoint is silent"), EndpointDownError("still silent")])
    said: list[str] = []
    slept: list[float] = []

    def ask() -> str:
        for failure in failures:
            raise failure
        return "answer"

    assert Patience(10, said.append, slept.append)(ask, "judges") == "answer"
    assert slept == [1, 2]
    assert said == [
        "judges: waiting 1s before the next try: judges.endpoint is silent",
        "judges: waiting 2s before the next try: still silent",
    ]


def test_a_long_outage_ends_the_round_with_what_is_to_be_done():
    def ask() -> None:
        raise EndpointDownError("augment.endpoint is silent: run again")

    with pytest.raises(EndpointDownError) as error:
        Patience(3, lambda words: None, lambda seconds: None)(ask, "judges")
    assert str(error.value) == (
        "judges.endpoint is silent: run again (after waiting 3s, as long as wait_s allows; the round goes on from here)"
    )


def test_a_wrong_key_is_not_waited_for():
    slept: list[float] = []

    def ask() -> None:
        raise EndpointError("set augment.endpoint.api_key_env")

    with pytest.raises(EndpointError, match=r"^set generator\.endpoint\.api_key_env$"):
        Patience(100, lambda words: None, slept.append)(ask, "generator")
    assert slept == []
