"""One check on its way: a text goes to the engine as it is and, where evasion was undone, in that form, too."""

import asyncio
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from ..classifier.engine.batching import Engine, Judgement
from ..classifier.errors import EngineError
from ..classifier.inputs import Exchange
from ..classifier.normalising import undo_evasion
from ..classifier.tasks import Task
from .verdict import Verdict

__all__ = ["Check", "Question"]

LONG = 10_000
"""Characters from which undoing evasion takes milliseconds, so that an event loop leaves it to a thread."""


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
        self._undone: tuple[str, ...] = ()
        self._answers = [self._submit(exchange)]

    def verdict(self) -> Verdict:
        """Wait for the judgements."""
        self._submit_undone()
        return self._verdict()

    async def verdict_async(self) -> Verdict:
        """Let the running event loop work until the judgements are there; a cancelled caller cancels the question."""
        if len(self._exchange.prompt) + len(self._exchange.response or "") < LONG:
            self._submit_undone()
        else:
            await asyncio.to_thread(self._submit_undone)
        await asyncio.gather(*map(asyncio.wrap_future, self._answers), return_exceptions=True)
        return self._verdict()

    def _submit(self, exchange: Exchange) -> "Future[Judgement]":
        try:
            return self._check.engine.submit(exchange, deadline=self._deadline)
        except EngineError as error:
            answer: Future[Judgement] = Future()
            answer.set_exception(error)
            return answer

    def _submit_undone(self) -> None:
        """Submit the form in which a reader sees the exchange, where that is another."""
        prompt = undo_evasion(self._exchange.prompt)
        response = undo_evasion(self._exchange.response or "")
        self._undone = tuple(dict.fromkeys(prompt.found + response.found))
        if self._undone:
            without = None if self._exchange.response is None else response.text
            self._answers.append(self._submit(Exchange(prompt.text, without)))

    def _verdict(self) -> Verdict:
        """Take the highest score; where a form could not be judged, only a harmful score of the other one counts."""
        judgements, failures = [], []
        for answer in self._answers:
            try:
                judgements.append(answer.result())
            except EngineError as error:
                failures.append(str(error))
        check = self._check
        about: dict[str, Any] = {
            "milliseconds": round((time.perf_counter() - self._started) * 1000, 3),
            "task": check.task, "model": check.model, "version": check.version, "undone": self._undone,
        }  # fmt: skip
        score = max((judgement.score for judgement in judgements), default=-1.0)
        if failures and score < check.threshold:
            return Verdict.not_judged(failures[0], check.threshold, **about)
        windows = sum(judgement.windows for judgement in judgements)
        return Verdict.judged(score, check.threshold, windows=windows, **about)
