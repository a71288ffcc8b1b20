"""The engine: threads that tokenise what waits and score it, so that callers of any kind share the forward passes."""

import atexit
import logging
import threading
from concurrent.futures import Future
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..errors import EngineError
from ..inputs import Exchange, Window
from .crowd import Crowd
from .recent import Recent
from .request import Judgement
from .scorer import Scorer, TorchScorer
from .work import Reading, Scoring, WorkQueue

if TYPE_CHECKING:
    from ..model import SafetyClassifier

__all__ = ["Engine", "Judgement"]

FIRST_PASS = 300.0
"""Seconds that a first forward pass may take where nothing else is said; compiling kernels can take a minute."""

MOST_SPECIAL = 4
"""Tokens of a window that are not the text's, at most; one more of the text and there would be two shorter windows."""

_log = logging.getLogger(__name__)


class Engine:
    """Judges exchanges for any number of threads and event loops at once; they share the forward passes.

    Nothing of an event loop is kept here, so one engine serves several. Nobody waits for a batch to fill: each forward
    pass takes the request that waits longest and whatever fits it. A text of a megabyte is tokenised and judged a part
    at a time, in turn with the others. Callers that ask for the same text at once share its forward pass, and the
    newest judgements are remembered. The threads live until ``close`` or the end of the process.
    """

    def __init__(
        self,
        classifier: "SafetyClassifier",
        scorer: Scorer | None = None,
        *,
        max_batch_tokens: int | None = None,
        max_batch: int | None = None,
        max_padding: float | None = None,
        queue_size: int = 1024,
        queue_characters: int = 2**26,
        cache_size: int = 4096,
    ) -> None:
        """Start the threads.

        Args:
            classifier: tokenises, and names the task.
            scorer: runs the forward passes; PyTorch on the classifier's device when left out. ``choose_scorer`` finds
                the fastest that there is.
            max_batch_tokens: most tokens of a forward pass, padding included; the scorer's choice when left out.
            max_batch: most windows of a forward pass; the same.
            max_padding: largest share of padding in a batch, in [0, 1); the same.
            queue_size: most callers that wait at a time.
            queue_characters: once the texts that wait have so many, no more are taken.
            cache_size: how many of the newest judgements are remembered; 0 for none.
        """
        self._classifier = classifier
        self._scorer: Scorer = scorer if scorer is not None else TorchScorer(classifier)
        given: dict[str, Any] = {"tokens": max_batch_tokens, "windows": max_batch, "padding": max_padding}
        limits = replace(self._scorer.limits, **{name: value for name, value in given.items() if value is not None})
        crowd = Crowd(queue_size, queue_characters)
        self._queue = WorkQueue(limits, self._scorer.forwards, crowd, Recent(cache_size))
        self.counts = self._queue.counts
        self._threads = self._started_threads()
        atexit.register(self._abandon)
        _log.info("%s engine: %s", classifier.task, ", ".join(f"{name} {value}" for name, value in self.report.items()))

    def submit(self, exchange: Exchange, *, deadline: float | None = None) -> "Future[Judgement]":
        """Queue an exchange; the future gives its judgement, or an EngineError.

        Args:
            exchange: what to judge; its response is ignored by a classifier of prompts.
            deadline: seconds from now after which the future fails, whatever the engine is doing.

        Raises:
            EngineError: the queue is full, or the engine is closed.
            ValueError: a classifier of responses got none.
            TypeError: the prompt or the response is not a string.
        """
        judged = self._judged_part(exchange)
        if not self._threads[0].is_alive():  # before the lock, which nobody would ever release in a forked process
            raise EngineError("the engine is closed, or was started in another process: load the models in this one")
        return self._queue.submit(judged, deadline)

    @property
    def report(self) -> dict[str, Any]:
        """Say what runs where and within which limits, as plain values."""
        queue, limits = self._queue, self._queue.limits
        return {
            "task": self._classifier.task, **self._scorer.report, "forwards": queue.forwards,
            "batch_tokens": limits.tokens, "batch_windows": limits.windows, "max_padding": limits.padding,
            "queue_size": queue.crowd.size, "queue_characters": queue.crowd.most_characters,
            "cache_size": queue.recent.size,
        }  # fmt: skip

    @property
    def waiting(self) -> int:
        """Count the callers that wait for an answer."""
        return self._queue.callers

    def warm_up(self, *, deadline: float = FIRST_PASS) -> None:
        """Judge a short text and a window-long one, so that no user pays for the first forward passes.

        Args:
            deadline: seconds for each; an app that waits at its start for a model that hangs would never say why.

        Raises:
            EngineError: the model cannot judge, or not in time.
        """
        self._scorer.warm_up()
        for text in ("warm", "warm " * (self._classifier.settings.window - MOST_SPECIAL)):
            judged = Exchange(text) if self._classifier.task == "prompt" else Exchange("", text)
            self.submit(judged, deadline=deadline).result()

    def close(self, *, drain: bool = True, patience: float = 30.0) -> None:
        """Accept nothing more, answer what waits (with an EngineError unless ``drain``), and end the threads.

        Args:
            drain: whether what waits is still judged.
            patience: seconds without a new forward pass after which the threads count as hanging: they are left to end
                with the process, and whoever still waits gets an EngineError.
        """
        atexit.unregister(self._abandon)
        if not self._threads[0].is_alive():
            return
        self._queue.close(drain=drain)
        for thread in self._threads:
            begun = None
            while thread.is_alive() and begun != self.counts.batches:
                begun = self.counts.batches
                thread.join(patience)
            if thread.is_alive():
                _log.warning("%s hangs: no forward pass began for %g s; its thread is left", thread.name, patience)
                self._queue.abandon()
                return

    def __enter__(self) -> Self:
        """Give the engine itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the engine; what waits is still answered."""
        self.close()

    def _abandon(self) -> None:
        self.close(drain=False)

    def _started_threads(self) -> list[threading.Thread]:
        """Start a thread for each forward pass that may run at a time; where they batch, one more to tokenise ahead."""
        workers = self._scorer.forwards + (1 if self._queue.limits.windows > 1 and self._scorer.forwards > 1 else 0)
        works = [self._run] * workers + [self._queue.watch_deadlines]
        name = f"railmatch-{self._classifier.task}"
        threads = [threading.Thread(target=work, name=name, daemon=True) for work in works]
        for thread in threads:
            thread.start()
        return threads

    def _judged_part(self, exchange: Exchange) -> Exchange:
        prompt, response = exchange
        if self._classifier.task == "prompt":
            response = None
        elif response is None:
            raise ValueError("a classifier of responses judges a response: Exchange(prompt, response)")
        for text in (prompt, "" if response is None else response):
            if not isinstance(text, str):
                raise TypeError(f"a text to judge is a string, not {type(text).__name__}")
        return Exchange(prompt, response)

    def _run(self) -> None:
        """Work until closed; the worker threads run this and everything below."""
        try:
            while (work := self._queue.take()) is not None:
                if isinstance(work, Reading):
                    self._queue.read(work, self._encoded([piece for _, piece in work.batch]))
                else:
                    self._queue.scored(work, self._scores(work))
        finally:  # whatever ended the loop, nobody may wait for ever
            self._queue.abandon()

    def _encoded(self, exchanges: list[Exchange]) -> list[list[Window] | EngineError]:
        """Encode all pieces at once; where that fails, one by one, so that a text takes no other down with it."""
        try:
            return [windows or EngineError("the text gave no tokens") for windows in self._classifier.encode(exchanges)]
        except Exception as error:
            if len(exchanges) > 1:
                return [result for single in exchanges for result in self._encoded([single])]
            failure = EngineError(f"the text could not be tokenised: {error}")
            failure.__cause__ = error
            return [failure]

    def _scores(self, scoring: Scoring) -> list[float] | Exception:
        """Run one forward pass."""
        windows = [slot.window for slot in scoring.batch]
        try:
            scores = self._scorer.score(windows)
        except Exception as error:
            _log.exception("a forward pass of %d windows failed", len(windows))
            return error
        if len(scores) != len(windows):
            return EngineError(f"{len(scores)} scores for {len(windows)} windows")
        return scores
