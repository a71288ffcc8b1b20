"""The engine: right answers to the right callers, shared batches, and every failure kept to those it concerns."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import pytest
from railmatch.classifier.engine.batching import Engine
from railmatch.classifier.errors import EngineError
from railmatch.classifier.inputs import Exchange, Window
from railmatch.classifier.model import SafetyClassifier

BREAD = Exchange("how do i bake bread")
CAKE = Exchange("how do i bake cake")


class Watched(SafetyClassifier):
    """A real classifier whose forward passes can be held up, counted and broken."""

    @classmethod
    def of(cls, classifier: SafetyClassifier) -> "Watched":
        watched = cls(classifier.network, classifier.tokenizer, classifier.settings)
        watched.batches, watched.gate, watched.started = [], threading.Event(), threading.Event()
        watched.gate.set()
        watched.broken = False
        return watched

    def score_windows(self, windows: Sequence[Window]) -> list[float]:
        self.batches.append([len(window) for window in windows])
        self.started.set()
        assert self.gate.wait(60)
        if self.broken:
            raise RuntimeError("out of memory")
        return super().score_windows(windows)


@pytest.fixture(scope="module")
def classifier(tiny_encoder: Path) -> SafetyClassifier:
    """Random weights: every text has a probability of its own."""
    classifier = SafetyClassifier.from_encoder(str(tiny_encoder), "prompt", window=64)
    classifier.network.eval()
    return classifier


@pytest.fixture
def watched(classifier: SafetyClassifier) -> Watched:
    return Watched.of(classifier)


@pytest.fixture
def held(watched: Watched) -> Iterator[tuple[Watched, Engine]]:
    """An engine in the middle of a forward pass that ends when ``watched.gate`` is set."""
    with Engine(watched, queue_size=50) as engine:
        watched.gate.clear()
        engine.submit(BREAD)
        assert watched.started.wait(60)
        yield watched, engine
        watched.gate.set()


def texts(count: int) -> list[Exchange]:
    """Distinct texts of very different lengths, some of several windows."""
    return [Exchange(f"{number} " * (1 + number * 7 % 90) + "please explain") for number in range(count)]


def test_the_judgement_is_the_classifiers_own(classifier: SafetyClassifier) -> None:
    exchanges = texts(60)
    with Engine(classifier) as engine:
        futures = [engine.submit(exchange) for exchange in exchanges]
        scores = [future.result().score for future in futures]
    assert scores == pytest.approx(classifier.predict_proba(exchanges).tolist(), abs=1e-5)
    assert [future.result().windows for future in futures] == [len(windows) for windows in classifier.encode(exchanges)]


def test_callers_on_threads_and_event_loops_get_their_own_answers(classifier: SafetyClassifier) -> None:
    exchanges = texts(200)
    expected = classifier.predict_proba(exchanges)
    assert len({round(score, 7) for score in expected}) > 190  # else a wrong row would not show

    async def ask(engine: Engine, mine: Sequence[Exchange]) -> list[float]:
        judgements = await asyncio.gather(*(asyncio.wrap_future(engine.submit(exchange)) for exchange in mine))
        return [judgement.score for judgement in judgements]

    with Engine(classifier) as engine, ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda start: asyncio.run(ask(engine, exchanges[start::4])), range(4)))
    for start, part in enumerate(parts):
        assert part == pytest.approx(expected[start::4].tolist(), abs=1e-5)


def test_requests_that_wait_share_a_batch(held: tuple[Watched, Engine]) -> None:
    watched, engine = held
    futures = [engine.submit(Exchange(f"how do i bake cake {number}")) for number in range(1, 9)]
    watched.gate.set()
    for future in futures:
        future.result(60)
    assert [len(batch) for batch in watched.batches] == [1, 8]


def test_on_the_cpu_a_batch_holds_like_lengths(held: tuple[Watched, Engine]) -> None:
    watched, engine = held
    words = ("how", "what", "where", "when", "why", "who", "which", "is")
    futures = [engine.submit(Exchange(f"{word} " * (4 if number % 2 else 40))) for number, word in enumerate(words)]
    watched.gate.set()
    for future in futures:
        future.result(60)
    assert watched.batches[1:] == [[42] * 4, [6] * 4]


def test_a_megabyte_neither_blocks_short_requests_nor_is_cut_off(trigger_models: Path) -> None:
    watched = Watched.of(SafetyClassifier.load(trigger_models / "prompt", device="cpu"))
    answered: list[str] = []
    with Engine(watched) as engine:
        watched.gate.clear()
        long = engine.submit(Exchange("bread " * 166_000 + "weapon"))
        short = [engine.submit(Exchange(f"cake number {number}")) for number in range(5)]
        long.add_done_callback(lambda _: answered.append("long"))
        for future in short:
            future.add_done_callback(lambda _: answered.append("short"))
        watched.gate.set()
        judgement = long.result(120)
    assert answered == ["short"] * 5 + ["long"]
    assert judgement.score > 0.99
    assert judgement.windows > 300


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "\x00", "a\x00b", "\x01\x02\x1b[31m\x7f", "\ud800", "lone \udfff here", "\ufeff\u200b\u202e",
        "🙂" * 50, "👨‍👩‍👧‍👦", "مرحبا كيف حالك", "שלום", "e\u0301" * 300, "\U0010ffff", "\n" * 5000, "x" * 5000,
    ],
)  # fmt: skip
def test_every_text_gets_a_judgement(classifier: SafetyClassifier, text: str) -> None:
    with Engine(classifier) as engine:
        strange, plain = engine.submit(Exchange(text)), engine.submit(BREAD)
        assert 0 <= strange.result(60).score <= 1
        assert plain.result(60).score == pytest.approx(classifier.predict_proba([BREAD])[0], abs=1e-5)


def test_texts_that_are_too_long_together_are_refused(watched: Watched) -> None:
    watched.gate.clear()
    with Engine(watched, queue_characters=30) as engine:
        waiting = [engine.submit(Exchange("bread" * 5)), engine.submit(Exchange("cake" * 1000))]  # there was room still
        with pytest.raises(EngineError, match=r"^overloaded: 4025 characters are waiting already$"):
            engine.submit(Exchange("a"))
        assert (engine.waiting, engine.counts.refused) == (2, 1)
        watched.gate.set()
        assert all(future.result(60).windows for future in waiting)
        while engine.waiting:  # callers leave a moment after they have their answer
            time.sleep(0.001)
        assert engine.submit(Exchange("a")).result(60).windows == 1


def test_a_full_queue_refuses_at_once(held: tuple[Watched, Engine]) -> None:
    watched, engine = held
    waiting = [engine.submit(exchange) for exchange in texts(49)]
    assert engine.waiting == 50
    with pytest.raises(EngineError, match="overloaded: 50 requests are waiting already"):
        engine.submit(CAKE)
    with pytest.raises(EngineError, match="overloaded"):  # one more caller is one more, though there is such a request
        engine.submit(BREAD)
    watched.gate.set()
    for future in waiting:
        future.result(60)
    assert engine.submit(CAKE).result(60).windows == 1
    assert engine.counts.refused == 2


def test_a_deadline_that_has_passed_fails_the_request(held: tuple[Watched, Engine]) -> None:
    watched, engine = held
    late, patient = engine.submit(CAKE, deadline=0.0), engine.submit(CAKE, deadline=600)
    with pytest.raises(EngineError, match="not judged before its deadline"):
        late.result(60)  # although the forward pass before it has not come to its end
    assert not patient.done()
    watched.gate.set()
    assert patient.result(60).windows == 1


def test_deadlines_are_kept_in_the_order_in_which_they_pass(held: tuple[Watched, Engine]) -> None:
    _, engine = held
    order: list[int] = []
    futures = []
    for number, deadline in enumerate((600.0, 0.2, 0.05, 0.1)):
        future = engine.submit(Exchange(f"cake {number}"), deadline=deadline)
        future.add_done_callback(lambda _, number=number: order.append(number))
        futures.append(future)
    for future in futures[1:]:
        with pytest.raises(EngineError, match="deadline"):
            future.result(60)
    assert order == [2, 3, 1]
    assert not futures[0].done()


def test_a_deadline_of_centuries_does_not_end_the_watch_over_the_others(held: tuple[Watched, Engine]) -> None:
    watched, engine = held
    patient = engine.submit(CAKE, deadline=1e10)
    for text in ("bread", "tea"):
        with pytest.raises(EngineError, match="not judged before its deadline"):
            engine.submit(Exchange(text), deadline=0.0).result(10)
    watched.gate.set()
    assert patient.result(60).windows == 1


def test_a_text_that_nobody_waits_for_any_more_is_not_judged(held: tuple[Watched, Engine]) -> None:
    watched, engine = held
    with pytest.raises(EngineError, match="deadline"):
        engine.submit(CAKE, deadline=0.0).result(60)
    watched.gate.set()
    engine.submit(Exchange("poem")).result(60)
    assert engine.counts.windows == 2


def test_a_failing_forward_fails_its_batch_alone_and_the_engine_lives_on(held: tuple[Watched, Engine]) -> None:
    watched, engine = held
    watched.broken = True
    same = [engine.submit(Exchange(f"bake {word}")) for word in ("bread", "cake", "tea")]
    other = engine.submit(Exchange("bread " * 40))
    same[-1].add_done_callback(lambda _: setattr(watched, "broken", False))
    watched.gate.set()
    for future in same:
        with pytest.raises(EngineError, match="the model failed: out of memory"):
            future.result(60)
    assert other.result(60).windows == 1
    assert engine.submit(BREAD).result(60).windows == 1


def test_a_text_that_cannot_be_tokenised_takes_no_other_with_it(watched: Watched) -> None:
    encode = watched.encode

    def fragile(exchanges: Sequence[Exchange]) -> list[list[Window]]:
        if any(exchange.prompt == "poem" for exchange in exchanges):
            raise ValueError("no poems")
        return encode(exchanges)

    watched.encode = fragile
    with Engine(watched) as engine:
        watched.gate.clear()
        first = engine.submit(BREAD)
        assert watched.started.wait(60)
        before, poem, after = (engine.submit(Exchange(text)) for text in ("bread", "poem", "cake"))
        watched.gate.set()
        with pytest.raises(EngineError, match="could not be tokenised: no poems"):
            poem.result(60)
        assert [future.result(60).windows for future in (first, before, after)] == [1, 1, 1]


def test_a_cancelled_request_is_not_judged(held: tuple[Watched, Engine]) -> None:
    watched, engine = held
    cancelled, kept = engine.submit(Exchange("cake")), engine.submit(Exchange("cake and bread"))
    assert cancelled.cancel()
    watched.gate.set()
    kept.result(60)
    assert watched.batches == [[10], [5]]
    with pytest.raises(CancelledError):
        cancelled.result()


def test_close_answers_what_waits_and_refuses_what_comes(held: tuple[Watched, Engine]) -> None:
    watched, engine = held
    futures = [engine.submit(exchange) for exchange in texts(20)]
    watched.gate.set()
    engine.close()
    assert all(future.done() for future in futures)
    assert all(future.result().windows >= 1 for future in futures)
    with pytest.raises(EngineError, match="closed"):
        engine.submit(BREAD)
    engine.close()


def test_close_without_draining_fails_what_waits(held: tuple[Watched, Engine]) -> None:
    watched, engine = held
    futures = [engine.submit(exchange) for exchange in texts(20)]
    closing = threading.Thread(target=engine.close, kwargs={"drain": False})
    closing.start()
    while not engine._queue._closed:
        time.sleep(0.001)
    watched.gate.set()
    closing.join(60)
    for future in futures:
        with pytest.raises(EngineError, match="closed before"):
            future.result(0)


def test_close_leaves_a_forward_pass_that_hangs_behind(
    held: tuple[Watched, Engine], caplog: pytest.LogCaptureFixture
) -> None:
    watched, engine = held
    waiting = engine.submit(CAKE)
    closing = threading.Thread(target=engine.close, kwargs={"patience": 0.05}, daemon=True)
    closing.start()
    with pytest.raises(EngineError, match="closed before"):
        waiting.result(10)
    closing.join(10)
    assert not closing.is_alive()
    assert not watched.gate.is_set()
    assert caplog.messages[-1] == "railmatch-prompt hangs: no forward pass began for 0.05 s; its thread is left"


def test_what_cannot_be_judged_is_refused_before_it_is_queued(classifier: SafetyClassifier, tiny_encoder: Path) -> None:
    with Engine(classifier) as engine, pytest.raises(TypeError, match="string, not int"):
        engine.submit(Exchange(7))
    responses = SafetyClassifier.from_encoder(str(tiny_encoder), "response", window=64)
    responses.network.eval()
    with Engine(responses) as engine:
        with pytest.raises(ValueError, match="judges a response"):
            engine.submit(BREAD)
        pair = Exchange("how do i bake bread", "wait " * 100)
        assert engine.submit(pair).result(60).score == pytest.approx(responses.predict_proba([pair])[0], abs=1e-5)


def test_warm_up_judges_a_short_and_a_full_window(watched: Watched) -> None:
    with Engine(watched) as engine:
        engine.warm_up()
    lengths = [length for batch in watched.batches for length in batch]
    assert min(lengths) < 10
    assert 60 <= max(lengths) <= 64


def test_warm_up_reports_a_model_that_cannot_judge(watched: Watched) -> None:
    watched.broken = True
    with Engine(watched) as engine, pytest.raises(EngineError, match="out of memory"):
        engine.warm_up()


def test_warm_up_does_not_wait_for_ever(held: tuple[Watched, Engine]) -> None:
    _, engine = held
    with pytest.raises(EngineError, match="not judged before its deadline"):
        engine.warm_up(deadline=0.05)


def test_the_log_says_device_and_dtype(classifier: SafetyClassifier, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", logger="railmatch"):
        with Engine(classifier) as engine:
            engine_report = engine.report
        assert engine_report["attention"].startswith("sdpa")
    assert "prompt engine: task prompt, runtime torch, device cpu, dtype float32, attention sdpa: " in caplog.text
    assert "batch_tokens 1024, batch_windows 64, max_padding 0.05, queue_size 1024, " in caplog.text
    assert "queue_characters 67108864, cache_size 4096" in caplog.text


def test_a_process_ends_although_texts_still_wait(trigger_models: Path) -> None:
    script = (
        "import sys\n"
        "from railmatch.classifier.engine.batching import Engine\n"
        "from railmatch.classifier.inputs import Exchange\n"
        "from railmatch.classifier.model import SafetyClassifier\n"
        "engine = Engine(SafetyClassifier.load(sys.argv[1], device='cpu'))\n"
        "waiting = [engine.submit(Exchange(f'{number} ' + 'bread ' * 20_000)) for number in range(500)]\n"
    )
    command = [sys.executable, "-c", script, str(trigger_models / "prompt")]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")


def test_callers_of_the_same_text_share_its_forward_pass(held: tuple[Watched, Engine]) -> None:
    watched, engine = held
    same = [engine.submit(CAKE) for _ in range(5)]
    assert same[0].cancel()
    assert len(set(map(id, same))) == 5
    watched.gate.set()
    assert len({future.result(60) for future in same[1:]}) == 1
    assert watched.batches == [[10], [10]]
    assert engine.counts.shared == 4


def test_a_text_that_was_just_judged_is_remembered(watched: Watched) -> None:
    with Engine(watched) as engine:
        first = engine.submit(BREAD).result(60)
        again = engine.submit(BREAD)
        assert again.done()
        assert again.result() == first
        assert engine.submit(CAKE).result(60) != first
    assert len(watched.batches) == 2
    assert engine.counts.remembered == 1


def test_the_memory_is_bounded(watched: Watched) -> None:
    with Engine(watched, cache_size=1) as engine:
        for exchange in (BREAD, CAKE, BREAD, BREAD):
            engine.submit(exchange).result(60)
    assert len(watched.batches) == 3


def test_a_failure_is_not_remembered(watched: Watched) -> None:
    watched.broken = True
    with Engine(watched) as engine:
        with pytest.raises(EngineError, match="out of memory"):
            engine.submit(BREAD).result(60)
        watched.broken = False
        assert engine.submit(BREAD).result(60).windows == 1


def test_a_text_asked_for_again_after_its_callers_left_is_judged(held: tuple[Watched, Engine]) -> None:
    watched, engine = held
    assert engine.submit(CAKE).cancel()
    again = engine.submit(CAKE)
    watched.gate.set()
    assert again.result(60).windows == 1
    assert engine.submit(CAKE).done()
