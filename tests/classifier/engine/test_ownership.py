"""No answer ever goes to the wrong request: thousands of texts at once, from several threads and event loops."""

import asyncio
import hashlib
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from railmatch.classifier.engine.batching import Engine
from railmatch.classifier.engine.schedule import BatchLimits
from railmatch.classifier.errors import EngineError
from railmatch.classifier.inputs import Exchange, Window
from railmatch.classifier.model import SafetyClassifier

THREADS = 6
TEXTS = 2000


class Namesake:
    """Scores a window with a number that only its own tokens give; several passes run at a time, of uneven length."""

    def __init__(self, limits: BatchLimits, forwards: int) -> None:
        self.limits, self.forwards = limits, forwards
        self.report = {"runtime": "namesake"}
        self.most_at_once = self._running = 0
        self._lock = threading.Lock()

    def score(self, windows: Sequence[Window]) -> list[float]:
        with self._lock:
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
        time.sleep(random.random() / 2000)
        with self._lock:
            self._running -= 1
        return [number_of(window) for window in windows]

    def warm_up(self) -> None:
        pass


def number_of(window: Window) -> float:
    digest = hashlib.sha256(repr(window.input_ids).encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


@pytest.fixture(scope="module")
def classifier(tiny_encoder: Path) -> SafetyClassifier:
    return SafetyClassifier.from_encoder(str(tiny_encoder), "prompt", window=24)


def exchanges(seed: int) -> list[Exchange]:
    """Distinct texts of one to some six windows."""
    draw = random.Random(seed)
    return [Exchange(f"{number} bread " * (1 + int(draw.expovariate(0.3)))) for number in range(TEXTS)]


@pytest.mark.parametrize(
    ("limits", "forwards"),
    [
        (BatchLimits(tokens=24, windows=1, padding=0.0), 4),
        (BatchLimits(tokens=256, windows=16, padding=0.1), 2),
        (BatchLimits(tokens=1024, windows=64, padding=0.5), 1),
    ],
)
def test_every_text_gets_its_own_number(classifier: SafetyClassifier, limits: BatchLimits, forwards: int) -> None:
    texts = exchanges(seed=forwards)
    expected = [max(map(number_of, windows)) for windows in classifier.encode(texts)]
    assert len(set(expected)) == TEXTS  # else a wrong answer would not show

    async def ask(engine: Engine, numbers: Sequence[int]) -> None:
        """Ask for all at once, for some twice; some callers leave before the answer."""
        futures = {number: asyncio.wrap_future(engine.submit(texts[number], deadline=60)) for number in numbers}
        twice = {number: asyncio.wrap_future(engine.submit(texts[number])) for number in numbers[::7]}
        for number in numbers[::11]:
            futures.pop(number).cancel()
        for asked in (futures, twice):
            answers = await asyncio.gather(*asked.values())
            assert [answer.score for answer in answers] == [expected[number] for number in asked]

    def in_a_thread(engine: Engine, start: int) -> None:
        numbers = list(range(start, TEXTS, THREADS))
        random.Random(start).shuffle(numbers)
        if start % 3:
            asyncio.run(ask(engine, numbers))
        else:
            futures = [engine.submit(texts[number]) for number in numbers]
            for number, future in zip(numbers, futures, strict=True):
                assert future.result(60).score == expected[number]

    scorer = Namesake(limits, forwards)
    with Engine(classifier, scorer, queue_size=2 * TEXTS, cache_size=TEXTS // 10) as engine:
        with ThreadPoolExecutor(THREADS) as pool:
            for done in [pool.submit(in_a_thread, engine, start) for start in range(THREADS)]:
                done.result()
        assert engine.waiting == 0
    assert scorer.most_at_once <= forwards


def test_under_overload_every_caller_gets_its_answer_or_an_error(classifier: SafetyClassifier) -> None:
    texts = exchanges(seed=7)
    expected = [max(map(number_of, windows)) for windows in classifier.encode(texts)]
    scorer = Namesake(BatchLimits(tokens=24, windows=1, padding=0.0), 2)
    right, failed = 0, 0
    with Engine(classifier, scorer, queue_size=200) as engine:
        asked = []
        for number, text in enumerate(texts):
            try:
                asked.append((number, engine.submit(text, deadline=0.2)))
            except EngineError as error:
                assert "overloaded" in str(error)
                failed += 1
        for number, future in asked:
            try:
                assert future.result(60).score == expected[number]
                right += 1
            except EngineError as error:
                assert str(error) == "not judged before its deadline"
                failed += 1
    assert right + failed == TEXTS
    assert failed > 0
    assert right > 0
