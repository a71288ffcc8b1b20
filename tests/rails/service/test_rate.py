"""The token bucket, on a clock that the test moves."""

from railmatch.rails.service.rate import RateLimit


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_then_a_steady_rate_for_each_client() -> None:
    clock = Clock()
    limit = RateLimit(2.0, 3, clock=clock)
    assert [limit.take(b"one") for _ in range(4)] == [0, 0, 0, 0.5]
    assert limit.take(b"two") == 0
    clock.now = 0.25
    assert limit.take(b"one") == 0.25
    clock.now = 0.5
    assert [limit.take(b"one") for _ in range(2)] == [0, 0.5]


def test_a_pause_fills_the_bucket_and_no_more() -> None:
    clock = Clock()
    limit = RateLimit(2.0, 3, clock=clock)
    limit.take(b"one")
    clock.now = 1000.0
    assert [limit.take(b"one") for _ in range(4)] == [0, 0, 0, 0.5]


def test_only_so_many_clients_are_remembered() -> None:
    limit = RateLimit(1.0, 1, clients=2, clock=Clock())
    for client in (b"one", b"two", b"one", b"three"):
        limit.take(client)
    assert limit.take(b"one") == 1.0
    assert limit.take(b"two") == 0  # forgotten: it was longest away
