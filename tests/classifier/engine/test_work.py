"""Who is turned away: a text that would be judged too late, by a clock that the test turns itself."""

from types import SimpleNamespace

import pytest
from railmatch.classifier.engine import work
from railmatch.classifier.engine.crowd import Crowd
from railmatch.classifier.engine.recent import Recent
from railmatch.classifier.engine.schedule import BatchLimits
from railmatch.classifier.engine.work import Reading, WorkQueue
from railmatch.classifier.errors import EngineError
from railmatch.classifier.inputs import Exchange, Window

TEXTS = [Exchange(f"{number:02}" * 700) for number in range(20)]
"""Of 1,400 characters, so that three are read at a time."""


WINDOW = Window([1, 2], [0, 0])


class Clock(SimpleNamespace):
    """The seconds that the queue sees."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(work, "time", clock)
    return clock


def queue() -> WorkQueue:
    return WorkQueue(BatchLimits(512, 1, 0.1), forwards=1, crowd=Crowd(100, 10**6), recent=Recent(10))


def read(waiting: WorkQueue) -> None:
    reading = waiting.take()
    assert isinstance(reading, Reading)
    assert len(reading.batch) == 3
    waiting.read(reading, [[WINDOW] for _ in reading.batch])


@pytest.fixture
def busy(clock: Clock) -> WorkQueue:
    """A queue with 14 texts in line, which three a second have left."""
    waiting = queue()
    for text in TEXTS:
        waiting.submit(text, None)
    read(waiting)
    clock.now += 1.0
    read(waiting)
    return waiting


def test_a_text_that_would_wait_past_its_deadline_is_refused_at_once(busy: WorkQueue) -> None:
    with pytest.raises(EngineError, match=r"^overloaded: the wait is about 4\.7 s, and the deadline 5\.0 s$"):
        busy.submit(Exchange("late"), 5.0)  # 14 / 3 s are more than four fifths of it
    assert (busy.counts.refused, busy.callers) == (1, 20)


def test_a_text_that_has_time_is_taken(busy: WorkQueue) -> None:
    busy.submit(Exchange("in time"), 6.0)
    busy.submit(Exchange("as long as it takes"), None)
    assert (busy.counts.refused, busy.callers) == (0, 22)


def test_a_caller_who_joins_a_text_in_line_does_not_wait_in_it(busy: WorkQueue) -> None:
    busy.submit(TEXTS[3], 0.5)
    assert (busy.counts.shared, busy.counts.refused) == (1, 0)


def test_a_line_in_which_nobody_was_left_standing_refuses_nobody(clock: Clock) -> None:
    waiting = queue()
    for text in TEXTS[:3]:
        waiting.submit(text, None)
        clock.now += 1.0
    read(waiting)
    waiting.submit(TEXTS[3], 0.01)
    assert waiting.counts.refused == 0


def test_texts_of_many_windows_do_not_keep_others_from_being_read(clock: Clock) -> None:
    waiting = queue()
    for text in TEXTS[:3]:
        waiting.submit(text, None)
    reading = waiting.take()
    assert isinstance(reading, Reading)
    waiting.read(reading, [[WINDOW] * 500 for _ in reading.batch])
    waiting.submit(TEXTS[3], None)
    assert isinstance(waiting.take(), Reading)
