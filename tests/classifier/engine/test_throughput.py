"""The mean of how fast a line moves: worked out by hand, and nothing where nothing is known."""

import math

import pytest
from railmatch.classifier.engine.throughput import LEAST, MEMORY, STALE, Throughput


def test_the_wait_is_the_line_over_those_who_leave_a_second() -> None:
    throughput = Throughput()
    throughput.note(5, standing=30, now=100.0)  # how long these five took is not known
    throughput.note(10, standing=20, now=101.0)
    assert throughput.wait(20, 101.0) == pytest.approx(2.0)  # ten a second


def test_what_is_older_weighs_less() -> None:
    throughput = Throughput()
    throughput.note(0, standing=9, now=0.0)
    throughput.note(10, standing=9, now=MEMORY)
    throughput.note(40, standing=9, now=2 * MEMORY)
    kept = math.exp(-1)
    assert throughput.wait(1, 2 * MEMORY) == pytest.approx((kept * MEMORY + MEMORY) / (kept * 10 + 40))


def test_a_line_that_was_empty_tells_nothing() -> None:
    throughput = Throughput()
    throughput.note(1, standing=0, now=0.0)
    throughput.note(1, standing=9, now=1.0)  # one has come and left in that second: it need not be the most
    assert throughput.wait(9, 1.0) == 0.0
    throughput.note(9, standing=9, now=2.0)
    assert throughput.wait(9, 2.0) == pytest.approx(1.0)


def test_a_line_that_does_not_move_takes_for_ever() -> None:
    throughput = Throughput()
    throughput.note(1, standing=9, now=0.0)
    throughput.note(0, standing=9, now=1.0)
    assert throughput.wait(9, 1.0) == math.inf
    assert throughput.wait(0, 1.0) == 0.0


def test_a_moment_tells_nothing() -> None:
    throughput = Throughput()
    throughput.note(1, standing=9, now=0.0)
    throughput.note(1, standing=9, now=LEAST * 0.9)
    assert throughput.wait(9, LEAST) == 0.0


def test_what_was_long_ago_tells_nothing_and_is_forgotten() -> None:
    throughput = Throughput()
    throughput.note(1, standing=9, now=0.0)
    throughput.note(1, standing=9, now=1.0)
    assert throughput.wait(9, 1.0 + STALE) == pytest.approx(9.0)
    assert throughput.wait(9, 1.1 + STALE) == 0.0
    throughput.note(1, standing=9, now=2.0 + STALE)  # a hang of this length
    assert throughput.wait(9, 2.0 + STALE) == 0.0
