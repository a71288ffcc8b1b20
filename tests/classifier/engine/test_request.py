"""A request and its callers: each has a future of its own, and nobody's end is another's."""

import math
from collections import deque

import pytest
from railmatch.classifier.engine.request import Judgement, Request
from railmatch.classifier.errors import EngineError
from railmatch.classifier.inputs import Exchange, Window


def request() -> Request:
    return Request(deque([Exchange("hi")]), windows=deque([Window([1], [0])]))


def test_the_highest_window_counts() -> None:
    judged = request()
    future = judged.join()
    judged.note([0.2, 0.9, 0.4])
    judged.answer()
    assert future.result(0) == Judgement(0.9, 3)


def test_a_score_that_is_not_a_number_fails_the_request_and_ends_its_work() -> None:
    judged = request()
    future = judged.join()
    judged.note([math.nan, 0.5])
    judged.answer()
    with pytest.raises(EngineError, match="the model gave no number"):
        future.result(0)
    assert not judged.windows
    assert not judged.pieces


def test_callers_who_gave_up_do_not_gather() -> None:
    judged = request()
    waiting = judged.join()
    for _ in range(1000):
        judged.join().cancel()
    assert len(judged.waiters) < 100
    judged.note([0.5])
    judged.answer()
    assert waiting.result(0).score == 0.5


def test_the_first_reason_stays() -> None:
    judged = request()
    judged.fail("one", ValueError("cause"))
    judged.fail("two")
    assert str(judged.failure) == "one"
    assert str(judged.failure.__cause__) == "cause"


def test_a_caller_that_cancels_leaves_the_others_their_answer() -> None:
    judged = request()
    cancelled, kept = judged.join(), judged.join()
    assert cancelled.cancel()
    assert judged.wanted()
    judged.note([0.5])
    judged.answer()
    assert kept.result(0) == Judgement(0.5, 1)
    assert cancelled.cancelled()


def test_deadlines_belong_to_callers() -> None:
    judged = request()
    early, late, patient = judged.join(10.0), judged.join(20.0), judged.join()
    assert judged.next_deadline() == 10.0
    judged.expire(9.9)
    assert not early.done()
    judged.expire(10.0)
    with pytest.raises(EngineError, match="not judged before its deadline"):
        early.result(0)
    assert judged.next_deadline() == 20.0
    assert not late.done()
    judged.expire(1e9)
    assert late.done()
    assert judged.next_deadline() == math.inf
    judged.note([0.25])
    judged.answer()
    assert patient.result(0).score == 0.25


def test_a_request_without_callers_is_not_wanted() -> None:
    judged = request()
    assert not judged.wanted()
    future = judged.join(1.0)
    assert judged.wanted()
    judged.expire(2.0)
    assert future.done()
    assert not judged.wanted()
