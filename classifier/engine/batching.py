"""The engine: a bounded queue, and one thread that tokenises what waits and scores it in batches of like lengths."""

import atexit
import logging
import threading
import time
from collections import deque
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from ..errors import EngineError
from ..inputs import Exchange, Window
from ..model import SafetyClassifier
from .pieces import pieces
from .schedule import BatchLimits, Judgement, Request, next_batch

__all__ = ["Engine", "Judgement"]

TURN = 65_536
"""Characters tokenised between two forward passes, so that a flood of long texts never holds up the scoring."""

_log = logging.getLogger(__name__)


class Engine:
    """Judges exchanges for any number of threads and event loops at once; they share the forward passes.

    Nothing of an event loop is kept here, so one engine serves several. Nobody waits for a batch to fill: each forward
    pass takes the request that waits longest and whatever fits it. A text of a megabyte is tokenised and judged a part
    at a time, in turn with the others. The thread lives until ``close`` or the end of the process.
    """

    def __init__(
        self,
        classifier: SafetyClassifier,
        *,
        max_batch_tokens: int | None = None,
        max_batch: int = 64,
        max_padding: float | None = None,
        queue_size: int = 1024,
    ) -> None:
        """Start the worker thread.

        Args:
            classifier: judges, on the device where it is.
            max_batch_tokens: most tokens of a forward pass, padding included. When left out, 8192 on a GPU, and 1024 on
                the CPU, where larger batches gain nothing and keep the others waiting.
            max_batch: most windows of a forward pass.
            max_padding: largest share of padding in a batch, in [0, 1). When left out, 0.25 on a GPU, and 0.05 on the
                CPU, where a padded token costs as much as any other.
            queue_size: most requests not yet answered.
        """
        on_gpu = classifier.device.type == "cuda"
        self._classifier = classifier
        self._limits = BatchLimits(
            tokens=max_batch_tokens if max_batch_tokens is not None else (8192 if on_gpu else 1024),
            windows=max_batch,
            padding=max_padding if max_padding is not None else (0.25 if on_gpu else 0.05),
        )
        self._queue_size = queue_size
        self._changed = threading.Condition()  # guards the next four; everything after them is the worker's alone
        self._arrived: deque[Request] = deque()
        self._unanswered = 0
        self._closed = False
        self._draining = True
        self._unread: deque[Request] = deque()
        self._waiting: deque[Request] = deque()
        self._worker = threading.Thread(target=self._run, name=f"railmatch-{classifier.task}", daemon=True)
        self._worker.start()
        atexit.register(self._abandon)
        where = (classifier.task, classifier.device, classifier.dtype, self._limits.tokens)
        _log.info("%s engine on %s in %s, at most %d tokens a batch", *where)

    def submit(self, exchange: Exchange, *, deadline: float | None = None) -> "Future[Judgement]":
        """Queue an exchange; the future gives its judgement, or an EngineError.

        Args:
            exchange: what to judge; its response is ignored by a classifier of prompts.
            deadline: seconds from now after which the future fails instead of waiting on.

        Raises:
            EngineError: the queue is full, or the engine is closed.
            ValueError: a classifier of responses got none.
            TypeError: the prompt or the response is not a string.
        """
        expires = None if deadline is None else time.monotonic() + deadline
        request = Request(deque(pieces(self._judged_part(exchange))), expires)
        if not self._worker.is_alive():  # before the lock, which nobody would ever release in a forked process
            raise EngineError("the engine is closed, or was started in another process: load the models in this one")
        with self._changed:
            if self._closed:
                raise EngineError("the engine is closed")
            if self._unanswered >= self._queue_size:
                raise EngineError(f"overloaded: {self._unanswered} requests are waiting already")
            self._unanswered += 1
            self._arrived.append(request)
            self._changed.notify()
        request.future.add_done_callback(self._count_answer)
        return request.future

    def warm_up(self) -> None:
        """Judge a short text and a window-long one, so that no user pays for the first forward passes.

        Raises:
            EngineError: the model cannot judge.
        """
        for text in ("warm", "warm " * self._classifier.settings.window):
            self.submit(Exchange(text, text)).result()

    def close(self, *, drain: bool = True) -> None:
        """Accept nothing more, answer what waits (with an EngineError unless ``drain``), and end the thread."""
        atexit.unregister(self._abandon)
        if not self._worker.is_alive():
            return
        with self._changed:
            self._closed = True
            self._draining = drain
            self._changed.notify()
        self._worker.join()

    def __enter__(self) -> Self:
        """Give the engine itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the engine; what waits is still answered."""
        self.close()

    def _abandon(self) -> None:
        self.close(drain=False)

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

    def _count_answer(self, _: "Future[Judgement]") -> None:
        with self._changed:
            self._unanswered -= 1

    def _run(self) -> None:
        """Work until closed; the worker thread runs this and everything below."""
        try:
            while self._next_turn():
                self._tokenise()
                self._score()
        finally:  # whatever ended the loop, nobody may wait for ever
            with self._changed:
                self._closed = True
                left = [*self._arrived, *self._unread, *self._waiting]
            for request in left:
                request.fail("the engine was closed before this text was judged")

    def _next_turn(self) -> bool:
        """Wait for work and drop what nobody waits for any more; False when the engine is closed and has no work."""
        with self._changed:
            while not (self._arrived or self._unread or self._waiting or self._closed):
                self._changed.wait()
            closing, draining = self._closed, self._draining
            self._unread.extend(self._arrived)
            self._arrived.clear()
        self._unread = _still_wanted(self._unread)
        self._waiting = _still_wanted(self._waiting)
        return not closing or (draining and bool(self._unread or self._waiting))

    def _tokenise(self) -> None:
        """Tokenise the next piece of the requests without windows, the longest waiting first, about ``TURN`` in all."""
        batch: list[tuple[Request, Exchange]] = []
        room = TURN
        while self._unread and room > 0:
            request = self._unread.popleft()
            piece = request.pieces.popleft()
            batch.append((request, piece))
            room -= len(piece.prompt) + len(piece.response or "")
        for (request, _), windows in zip(batch, self._encoded(batch), strict=True):
            if windows:
                request.windows.extend(windows)
                self._waiting.append(request)
            else:
                request.fail("the text gave no tokens")

    def _encoded(self, batch: list[tuple[Request, Exchange]]) -> list[list[Window]]:
        """Encode all pieces at once; where that fails, one by one, so that a text takes no other down with it."""
        try:
            return self._classifier.encode([piece for _, piece in batch])
        except Exception as error:
            if len(batch) > 1:
                return [windows for single in batch for windows in self._encoded([single])]
            batch[0][0].fail(f"the text could not be tokenised: {error}", error)
            return [[]]

    def _score(self) -> None:
        """Run one forward pass, and answer the requests that it completes."""
        if not self._waiting:
            return
        batch = next_batch(self._waiting, self._limits)
        try:
            scores = self._classifier.score_windows([slot.window for slot in batch])
            for slot, score in zip(batch, scores, strict=True):
                slot.request.note(score)
        except Exception as error:
            _log.exception("a forward pass of %d windows failed", len(batch))
            for slot in batch:
                slot.request.fail(f"the model failed: {error}", error)
        done = {id(slot.request): slot.request for slot in batch if not slot.request.windows}
        for request in done.values():
            if request.pieces:
                self._unread.append(request)
            else:
                request.finish()
        self._waiting = deque(request for request in self._waiting if request.windows)


def _still_wanted(requests: deque[Request]) -> deque[Request]:
    """Keep the requests that nobody cancelled and nothing failed; those past their deadline fail here."""
    now = time.monotonic()
    for request in requests:
        if request.expires is not None and now >= request.expires:
            request.fail("not judged before its deadline")
    return deque(request for request in requests if not request.future.done())
