"""Which windows share a forward pass: worked out by hand."""

from collections import deque

from railmatch.classifier.engine.request import Request
from railmatch.classifier.engine.schedule import BatchLimits, next_batch
from railmatch.classifier.inputs import Exchange, Window

NO_PADDING = BatchLimits(tokens=100, windows=8, padding=0.0)


def request(*lengths: int) -> Request:
    """A request with windows of these lengths."""
    return Request(deque([Exchange("")]), windows=deque(Window([1] * length, [0] * length) for length in lengths))


def lengths_of(batch: list) -> list[int]:
    return [len(slot.window) for slot in batch]


def test_windows_of_the_leaders_length_go_together() -> None:
    waiting = deque([request(10), request(20), request(10), request(10)])
    oldest, _, third, fourth = waiting
    assert [slot.request for slot in next_batch(waiting, NO_PADDING)] == [oldest, third, fourth]


def test_padding_is_allowed_up_to_its_share() -> None:
    # 10 and 12 padded to 12: 2 of 24 tokens are padding, 8.3%; with 14: 2 + 4 + 2 of 42 would be 14.3%.
    waiting = deque([request(10), request(12), request(14)])
    assert lengths_of(next_batch(waiting, BatchLimits(tokens=1000, windows=8, padding=0.10))) == [10, 12]


def test_tokens_are_counted_with_their_padding() -> None:
    # Three windows padded to 12 are 36 tokens, although only 34 are real.
    waiting = deque([request(11), request(12), request(11)])
    assert lengths_of(next_batch(waiting, BatchLimits(tokens=35, windows=8, padding=0.5))) == [11, 12]


def test_a_batch_holds_no_more_windows_than_allowed() -> None:
    waiting = deque(request(3) for _ in range(10))
    assert len(next_batch(waiting, BatchLimits(tokens=1000, windows=4, padding=0.0))) == 4


def test_a_window_beyond_the_budget_goes_alone() -> None:
    waiting = deque([request(500), request(500)])
    assert lengths_of(next_batch(waiting, NO_PADDING)) == [500]


def test_a_long_request_fills_what_is_left_of_its_batch() -> None:
    waiting = deque([request(10, 10, 10), request(10)])
    first, second = waiting
    assert [slot.request for slot in next_batch(waiting, NO_PADDING)] == [first, first, first, second]


def test_a_long_request_takes_turns_with_the_others() -> None:
    long, short, other = request(*[50] * 6), request(5), request(7)
    waiting = deque([long, short, other])
    leaders = []
    while waiting:
        leaders.append(next_batch(waiting, NO_PADDING)[0].request)
    assert leaders == [long, short, other, long, long]


def test_requests_without_windows_leave_the_line() -> None:
    waiting = deque([request(10), request(10, 10), request(30), request(10)])
    first, long, other, last = waiting
    batch = next_batch(waiting, BatchLimits(tokens=30, windows=8, padding=0.0))
    assert [slot.request for slot in batch] == [first, long, long]
    assert list(waiting) == [other, last]


def test_where_a_pass_takes_one_window_the_line_is_served_in_turn() -> None:
    waiting = deque([request(10, 10), request(10), request(10)])
    first, second, third = waiting
    leaders = [next_batch(waiting, BatchLimits(tokens=512, windows=1, padding=0.0)) for _ in range(4)]
    assert [[slot.request for slot in batch] for batch in leaders] == [[first], [second], [third], [first]]
    assert not waiting
