"""Ask in batches: questions are handed over as a file, and hours later their answers are fetched.

Every batch is noted in the cache before it is made, so a run that was killed at any point, or another one, goes on
waiting for it. Questions that a batch leaves without an answer go into another one, a few times.
"""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...classifier.errors import EndpointDownError, EndpointError
from ..progress import Advance, note
from ..recipe import BatchSettings
from .batch_lines import line_name, question_line, read_lines
from .batch_service import BatchService, Look, NotMadeError
from .batch_store import BatchStore, Booked, StoredBatch
from .budget import Budget
from .cache import Answer, Cache, Key
from .claims import has_ended
from .endpoint import Endpoint, Reply
from .ledger import Ledger
from .spending import cost
from .trouble import Trouble
from .turns import Request, Turns

AGAIN = 2
"""How often a question that a batch left without an answer goes into another one."""

LARGEST_FILE = 100_000_000
"""Bytes of a file of questions, half of what OpenAI takes."""

BOOKED_AT_ONCE = 500
OUTAGE_S = 1800.0
"""So long an endpoint that has shown a batch before may be away while the batch is waited for."""

AWAY = Look("the endpoint does not answer", 0, 0, (), "")

MAKING_S = 900.0
"""A batch that has been without an id for so long is not being made any more, on whatever machine that was."""


@dataclass(slots=True)
class _Open:
    """A batch that has not ended, and those of its questions that this run has: by their line's name."""

    stored: StoredBatch
    since: float
    requests: dict[str, Request] = field(default_factory=dict)


class Batching:
    """Hands a run's questions out in batches, where the recipe wants them, and waits for all that it meets."""

    def __init__(self, endpoint: Endpoint, cache: Cache, turns: Turns, ledger: Ledger, advance: Advance) -> None:
        self._endpoint = endpoint
        self._settings = endpoint.settings.batch or BatchSettings()
        self._sends = endpoint.settings.batch is not None
        self._turns = turns
        self._ledger = ledger
        self._advance = advance
        self._store = BatchStore(cache)
        self._budget = Budget(endpoint.settings, cache)
        self._service = BatchService(endpoint)
        self._open: dict[str, _Open] = {}
        self._failures: Counter[Key] = Counter()
        self._heard: float | None = None

    async def work(self) -> None:
        """Go on until every question has an answer or has failed, the budget is used up, or the run was stopped.

        Raises:
            EndpointError: the endpoint has no batches, refuses one, does not answer, or lets this run wait too long.
            DataError: the cache cannot be used.
        """
        with tempfile.TemporaryDirectory(prefix="railmatch-") as folder:
            while not self._ledger.stopped:
                await self._send_some(Path(folder))
                self._adopt()
                for batch in list(self._open.values()):
                    await self._look(batch, Path(folder))
                if not self._open and not self._more():
                    return
                await asyncio.sleep(self._settings.poll_s)

    def _more(self) -> bool:
        """Tell whether there may be questions that no batch holds yet."""
        return self._sends and not self._ledger.tally.budget and not self._turns.exhausted

    async def _send_some(self, folder: Path) -> None:
        while self._more() and len(self._open) < self._settings.at_once:
            requests = await self._draw(folder / "questions.jsonl")
            self._adopt()
            if not requests:
                return
            await self._send(requests, folder / "questions.jsonl")

    async def _draw(self, to: Path) -> list[Request]:
        """Claim questions for a batch and write its file; fewer than a batch holds where no more are to be had."""
        model = self._endpoint.settings.model
        waiting, size = self._store.waiting(model), 0
        drawn: list[Request] = []
        with to.open("w", encoding="utf-8", newline="\n") as file:
            while len(drawn) < self._settings.requests and size < LARGEST_FILE:
                request = await self._turns.next(wait=False)
                if request is None:
                    break
                messages = request.messages()
                if limit := self._budget.reached(waiting + len(drawn), messages):
                    self._ledger.tally.budget = limit
                    self._turns.give_up(request)
                    break
                line = question_line(request.key, self._endpoint.body_of(messages))
                size += len(line.encode())
                file.write(line)
                drawn.append(request)
        return drawn

    async def _send(self, requests: list[Request], questions: Path) -> None:
        stored = self._store.note((request.key for request in requests), self._endpoint.address, self._turns.owner)
        named = {line_name(request.key): request for request in requests}
        self._open[stored.name] = _Open(stored, time.monotonic(), named)
        try:
            identity = await self._service.make(stored.name, questions)
        except NotMadeError:
            self._store.drop(stored.name)
            raise
        except BaseException:
            self._store.disown(stored.name)  # so that the next run looks at once whether it was made
            raise
        self._ledger.tally.asked += len(requests)
        self._store.made(stored.name, identity)

    def _adopt(self) -> None:
        """Take up the batches in which drawn questions wait."""
        for request in self._turns.take_batched():
            stored = self._store.of(request.key)
            if stored is None or stored.address != self._endpoint.address:
                self._turns.put_back(request)  # it was settled meanwhile, or waits where nobody asks any more
                if stored:
                    self._store.settle(stored.name, (), [request.key])
                continue
            batch = self._open.setdefault(stored.name, _Open(stored, time.monotonic()))
            batch.requests[line_name(request.key)] = request

    async def _look(self, batch: _Open, folder: Path) -> None:
        stored = self._store.named(batch.stored.name)
        if stored is None:  # another run has settled it, or given it up
            self._part_with(batch)
            return
        identity = stored.id or await self._find(stored)
        if identity is None:
            return
        look = await self._glance(identity)
        if look is None:
            self._lose(batch)
        elif not look.ended:
            note(self._advance, f"batch {identity}: {look.status}, {look.answered} of {look.total} answered")
            self._advance(0)  # shows it
            self._keep_patience(batch, identity)
        elif look.status == "failed":
            self._store.drop(stored.name)
            raise EndpointError(
                f"{self._endpoint.name}: batch {identity} was refused ({look.refused or 'without a reason'}); where it "
                "holds too much, lower augment.endpoint.batch.requests, and run again"
            )
        else:
            await self._collect(batch, look, folder)

    async def _glance(self, identity: str) -> Look | None:
        """Look how far a batch is; an endpoint that is away for a while has not ended it."""
        try:
            look = await self._service.look(identity)
        except EndpointDownError:
            if self._heard is None or time.monotonic() - self._heard > OUTAGE_S:
                raise
            return AWAY
        self._heard = time.monotonic()
        return look

    async def _find(self, stored: StoredBatch) -> str | None:
        """Find out whether a batch without an id was made; one that was not is given up."""
        being_made = stored.owner not in ("", self._turns.owner) and not has_ended(stored.owner)
        if being_made and time.time() - stored.created < MAKING_S:
            return None
        try:
            identity = await self._service.find(stored.name)
        except NotMadeError:  # it offers no batches, so it cannot have made one
            identity = None
        if identity is None:
            self._lose(self._open[stored.name])
        else:
            self._store.made(stored.name, identity)
        return identity

    def _keep_patience(self, batch: _Open, identity: str) -> None:
        if time.monotonic() - batch.since > 3600 * self._settings.wait_h:
            raise EndpointError(
                f"{self._endpoint.name}: batch {identity} has not ended in {self._settings.wait_h:g} hours "
                "(augment.endpoint.batch.wait_h); run again to go on waiting, or cancel it there: what it has answered "
                "by then is taken, and the rest asked anew"
            )

    async def _collect(self, batch: _Open, look: Look, folder: Path) -> None:
        files = [folder / f"answers-{number}.jsonl" for number in range(len(look.files))]
        there = [file for file, name in zip(files, look.files, strict=True) if await self._service.fetch(name, file)]
        left, troubled = dict(batch.requests), dict[str, Trouble]()
        answers: list[tuple[Request, Reply]] = []
        for name, outcome in read_lines(there, self._endpoint):
            if name in left and isinstance(outcome, Trouble):
                troubled[name] = outcome
            elif name in left and isinstance(outcome, Reply):
                answers.append((left.pop(name), outcome))
            if len(answers) >= BOOKED_AT_ONCE:
                self._book(batch, answers)
                answers = []
        self._book(batch, answers)
        ended = Trouble("retry", f"batch {look.status} without an answer to it")
        self._give_up(batch, {name: troubled.get(name, ended) for name in left})
        del self._open[batch.stored.name]

    def _book(self, batch: _Open, answers: Sequence[tuple[Request, Reply]]) -> None:
        booked: list[Booked] = []
        for request, reply in answers:
            status, text = request.judge(reply)
            price = cost(reply.input_tokens, reply.output_tokens, self._endpoint.settings)
            booked.append((request.key, Answer(status, text, reply.input_tokens, reply.output_tokens), price))
        ours = self._store.settle(batch.stored.name, booked)  # another run may have fetched some of them, too
        for (key, answer, _), (_, reply) in zip(booked, answers, strict=True):
            if key in ours:
                self._ledger.answered(answer.status, reply)
        self._advance(len(answers))

    def _give_up(self, batch: _Open, troubled: dict[str, Trouble]) -> None:
        """Release the questions that got no answer; those for which there is hope go into another batch."""
        requests = {name: batch.requests[name] for name in troubled}
        self._store.settle(batch.stored.name, (), [request.key for request in requests.values()])
        fatal = next((trouble for trouble in troubled.values() if trouble.kind == "fatal"), None)
        if fatal:
            raise EndpointError(f"{self._endpoint.name}, model {self._endpoint.settings.model!r}: {fatal.message}")
        for name, trouble in troubled.items():
            key = requests[name].key
            self._failures[key] += 1
            if trouble.kind == "retry" and self._failures[key] <= AGAIN:
                self._turns.put_back(requests[name])
            else:
                self._advance(1)
                self._ledger.failed(key, trouble)

    def _lose(self, batch: _Open) -> None:
        """Give up a batch that the endpoint does not know."""
        self._store.drop(batch.stored.name)
        self._part_with(batch)

    def _part_with(self, batch: _Open) -> None:
        """Let the questions of a batch that is no more be drawn again: they may be answered, or free."""
        del self._open[batch.stored.name]
        for request in batch.requests.values():
            self._turns.put_back(request)
