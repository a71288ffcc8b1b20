"""One check on its way: a text goes to the engine as it is and, where evasion was undone, in that form, too."""

import asyncio
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..classifier.engine.batching import Engine, Judgement
from ..classifier.errors import EngineError
from ..classifier.inputs import Exchange
from ..classifier.normalising import undo_exchange
from ..classifier.tasks import Task
from .verdict import Verdict

__all__ = ["Check", "Question"]

LONG = 10_000
"""Characters from which undoing evasion takes milliseconds, so that a thread does it: no deadline waits for that."""

LATE = "not judged before its deadline"


@dataclass(frozen=True, slots=True)
class Check:
    """A loaded model ready to judge one task: its engine, the threshold that counts, its folder and its version."""

    engine: Engine
    task: Task
    threshold: float
    model: str
    version: str = ""


class Question:
    """An exchange that is being judged, in one or two forms; the highest score of the forms is its score."""

    def __init__(self, check: Check, exchange: Exchange, deadline: float | None) -> None:
        """Submit the exchange as it is; ``deadline`` in seconds.

        Raises:
            ValueError: a response is to be judged and is missing. TypeError: a text is not a string.
        """
        self._check = check
        self._exchange = exchange
        self._deadline = deadline
        self._started = time.perf_counter()
        self._undone: tuple[str, ...] | None = None
        self._answers = [self._submit(exchange)]

    def verdict(self) -> Verdict:
        """Wait for the judgements."""
        if self._is_long:
            with suppress(TimeoutError):
                self._undoing_in_a_thread().result(self._seconds_left())
        else:
            self._submit_undone()
        return self._verdict()

    async def verdict_async(self) -> Verdict:
        """Let the running event loop work until the judgements are there; a cancelled caller cancels the question."""
        if self._is_long:
            with suppress(TimeoutError):  # not wait_for, which forgets that it was cancelled where the thread is ready
                async with asyncio.timeout(self._seconds_left()):
                    await asyncio.wrap_future(self._undoing_in_a_thread())
        else:
            self._submit_undone()
        waiting = [asyncio.wrap_future(answer) for answer in self._answers if not answer.done()]
        if len(waiting) == 1:  # nearly always, and gathering one takes as long as all else here
            with suppress(EngineError):
                await waiting[0]
        elif waiting:
            await asyncio.gather(*waiting, return_exceptions=True)
        return self._verdict()

    @property
    def _is_long(self) -> bool:
        return len(self._exchange.prompt) + len(self._exchange.response or "") >= LONG

    def _seconds_left(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._started + self._deadline - time.perf_counter())

    def _submit(self, exchange: Exchange) -> "Future[Judgement]":
        try:
            return self._check.engine.submit(exchange, deadline=self._seconds_left())
        except EngineError as error:
            answer: Future[Judgement] = Future()
            answer.set_exception(error)
            return answer

    def _undoing_in_a_thread(self) -> "Future[None]":
        """Undo evasion in a thread of its own, which a caller can leave behind when the time is over."""
        done: Future[None] = Future()

        def undo() -> None:
            if done.set_running_or_notify_cancel():
                try:
                    self._submit_undone()
                    done.set_result(None)
                except BaseException as error:
                    done.set_exception(error)

        threading.Thread(target=undo, name="railmatch-undoing", daemon=True).start()
        return done

    def _submit_undone(self) -> None:
        """Submit the form in which a reader sees the exchange, where that is another and the first was not refused."""
        if self._answers[0].done() and self._answers[0].exception() is not None:
            self._undone = ()
            return
        undone = undo_exchange(self._exchange)
        if undone.found:
            self._answers.append(self._submit(undone.exchange))
        self._undone = undone.found

    def _verdict(self) -> Verdict:
        """Take the highest score; where a form could not be judged, only a harmful score of the other one counts."""
        judgements, failures = [], [LATE] if self._undone is None else []
        for answer in self._answers:
            try:
                judgements.append(answer.result())
            except EngineError as error:
                failures.append(str(error))
        check = self._check
        about: dict[str, Any] = {
            "milliseconds": round((time.perf_counter() - self._started) * 1000, 3),
            "task": check.task, "model": check.model, "version": check.version, "undone": self._undone or (),
        }  # fmt: skip
        score = max((judgement.score for judgement in judgements), default=-1.0)
        if failures and score < check.threshold:
            return Verdict.not_judged(failures[0], check.threshold, **about)
        windows = sum(judgement.windows for judgement in judgements)
        return Verdict.judged(score, check.threshold, windows=windows, **about)
