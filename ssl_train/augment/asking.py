"""Ask an endpoint many things at once: as many calls as it can answer, each answer judged and stored as it comes."""

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ...classifier.errors import EndpointError, RailMatchError
from ..progress import Advance, note
from ..recipe import EndpointSettings
from .budget import Budget
from .cache import Answer, Cache, Key
from .endpoint import CallFailed, Endpoint, Reply
from .quality import Status
from .spending import cost
from .trouble import Trouble
from .turns import Request, Turns

__all__ = ["Request", "Tally", "ask_all"]

log = logging.getLogger(__name__)

FAILURES_AT_THE_START = 5
FAILURES_IN_A_ROW = 50
"""So many texts without an answer, before the first answer or since the last one, mean that the endpoint is down."""

REFUSAL_SAMPLE = 50
REFUSAL_SHARE = 0.9
"""When this share of the first answers is of no use, the model is the wrong one and further calls are money lost."""

USELESS: dict[Status, str] = {"refused": "refused", "unreadable": "gave no readable answer to"}
"""The outcomes that count there, and how a person is told of them."""


@dataclass(slots=True)
class Tally:
    """What a run has spent and met so far.

    ``failed`` are the questions without an answer; ``budget`` says which limit ended the run early, if one did.
    """

    asked: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    failed: set[Key] = field(default_factory=set)
    budget: str | None = None

    def __add__(self, other: "Tally") -> "Tally":
        """Give what two runs spent and met."""
        return Tally(
            self.asked + other.asked,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.answers + other.answers,
            self.failed | other.failed,
            self.budget or other.budget,
        )


def ask_all(
    requests: Iterator[Request],
    total: int,
    settings: EndpointSettings,
    cache: Cache,
    advance: Advance,
    *,
    rewording: str,
) -> Tally:
    """Ask the ``total`` ``requests`` and store every answer in ``cache`` the moment it arrives.

    The requests are drawn one by one as calls become free, so memory does not grow with their number. ``rewording``
    tells a person whose model refuses nearly everything how to ask in other words.

    Raises:
        EndpointError: the endpoint cannot be used, has stopped answering, or its model refuses nearly everything.
        DataError: an answer cannot be stored.
    """
    return _run(_ask_all(requests, total, Endpoint(settings), cache, advance, rewording))


async def _ask_all(
    requests: Iterator[Request], total: int, endpoint: Endpoint, cache: Cache, advance: Advance, rewording: str
) -> Tally:
    turns = Turns(requests, cache, advance)
    keeper = asyncio.create_task(turns.keep_claims())
    try:
        async with endpoint:
            crew = _Crew(endpoint, cache, turns, total, advance, rewording)
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(endpoint.settings.max_concurrency, total)):
                        group.create_task(crew.work())
            except BaseExceptionGroup as errors:
                raise _first_of(errors) from errors
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        turns.give_up_all()
    if crew.stopped:
        raise crew.stopped
    return crew.tally


class _Crew:
    """The workers of one run: they draw from the same requests and watch together how it goes."""

    def __init__(
        self, endpoint: Endpoint, cache: Cache, turns: Turns, total: int, advance: Advance, rewording: str
    ) -> None:
        self.tally = Tally()
        self.stopped: EndpointError | None = None
        self._endpoint = endpoint
        self._cache = cache
        self._turns = turns
        self._budget = Budget(endpoint.settings, cache)
        self._total = total
        self._advance = advance
        self._rewording = rewording
        self._in_flight = 0
        self._failures_in_a_row = 0

    async def work(self) -> None:
        """Ask one request after the other until there are none, the budget is used up, or the run has been stopped."""
        while request := await self._turns.next():
            if limit := self._budget.reached(self._in_flight, request.messages()):
                self.tally.budget = limit
                self._turns.give_up(request)
                return
            self._in_flight += 1
            try:
                await self._ask(request)
            finally:
                self._in_flight -= 1
            self._advance(1)
            if self.stopped:
                # What the others have in flight is paid for, so they end their calls and stop here too.
                self._turns.close()

    async def _ask(self, request: Request) -> None:
        self.tally.asked += 1
        try:
            reply = await self._endpoint.ask(request.messages())
        except CallFailed as failure:
            self._turns.give_up(request)
            self._note_failure(request, failure.trouble)
        else:
            self._store(request, reply)

    def _store(self, request: Request, reply: Reply) -> None:
        status, text = request.judge(reply)
        price = cost(reply.input_tokens, reply.output_tokens, self._endpoint.settings)
        self._cache.settle(request.key, Answer(status, text, reply.input_tokens, reply.output_tokens), price)
        self._failures_in_a_row = 0
        self.tally.answers[status] += 1
        self.tally.input_tokens += reply.input_tokens
        self.tally.output_tokens += reply.output_tokens
        note(self._advance, self._spent())
        self._check_use()

    def _spent(self) -> str:
        """Say what the run has taken so far."""
        incoming, outgoing = self.tally.input_tokens, self.tally.output_tokens
        price = cost(incoming, outgoing, self._endpoint.settings)
        return f"{incoming + outgoing:,} tokens" + ("" if price is None else f", cost {price:.2f}")

    def _check_use(self) -> None:
        answered = self.tally.answers.total()
        if answered != REFUSAL_SAMPLE:
            return
        for status, did in USELESS.items():
            count = self.tally.answers[status]
            if count >= REFUSAL_SHARE * answered:
                self.stopped = EndpointError(
                    f"{self._endpoint.name}: the model {self._endpoint.settings.model!r} {did} {count} of the first "
                    f"{answered} texts ({count / answered:.0%}); name another in augment.endpoint.model, or "
                    f"{self._rewording}"
                )

    def _note_failure(self, request: Request, trouble: Trouble) -> None:
        """Count a text without an answer.

        Raises:
            EndpointError: so many had none that the endpoint must be down.
        """
        self.tally.failed.add(request.key)
        self._failures_in_a_row += 1
        log.warning("%s: one text has no answer: %s", self._endpoint.name, trouble.message)
        if self._failures_in_a_row < self._limit(trouble):
            return
        begun = self.tally.answers.total() > 0
        what = f"no answer to the last {self._failures_in_a_row} texts" if begun else "no text was answered"
        raise EndpointError(
            f"{self._endpoint.name}: {what}, the last because of this: {trouble.message}; check that it runs and that "
            "augment.endpoint.base_url is right, and run again: what was answered is stored"
        )

    def _limit(self, trouble: Trouble) -> int:
        if self.tally.answers:
            return FAILURES_IN_A_ROW
        return min(FAILURES_AT_THE_START, self._total) if trouble.unreachable else FAILURES_AT_THE_START


def _first_of(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Give the error to report of several that came at once: one with a message for a person before any other."""
    named, others = errors.split(RailMatchError)
    group = named or others
    first: BaseException = group.exceptions[0] if group else errors
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first


def _run(main: Coroutine[None, None, Tally]) -> Tally:
    """Run a coroutine to its end from anywhere, also from a notebook, where an event loop runs already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(main)
    loop = asyncio.new_event_loop()
    task = loop.create_task(main)
    try:
        with ThreadPoolExecutor(max_workers=1) as pool:
            try:
                return pool.submit(loop.run_until_complete, task).result()
            finally:
                # After Ctrl-C, which only the waiting thread is told of, the calls must end too.
                loop.call_soon_threadsafe(task.cancel)
    finally:
        loop.close()
