"""Ask an endpoint many things at once: as many calls as it can answer, each answer judged and stored as it comes."""

import asyncio
import math
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor

from ...classifier.errors import RailMatchError
from ..progress import Advance
from ..recipe import EndpointSettings
from .batching import Batching
from .budget import Budget
from .cache import Answer, Cache
from .endpoint import CallFailed, Endpoint, Reply
from .ledger import Ledger, Tally
from .spending import cost
from .turns import Request, Turns

__all__ = ["Request", "Tally", "ask_all"]


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

    The requests are drawn one by one as calls become free, so memory does not grow with their number. With batches in
    the settings only the first of them are asked like that; those that wait in a batch of an earlier run are waited for
    in any case. ``rewording`` tells a person whose model refuses nearly everything how to ask in other words.

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
    batch = endpoint.settings.batch
    ledger = Ledger(endpoint.name, endpoint.settings, total, advance, rewording)
    try:
        async with endpoint:
            crew = _Crew(endpoint, cache, turns, ledger, advance, math.inf if batch is None else batch.trial)
            batching = Batching(endpoint, cache, turns, ledger, advance)
            await crew.work_together(min(endpoint.settings.max_concurrency, total))
            await batching.work()
            if batch is None:  # what a batch of an earlier run left without an answer
                await crew.work_together(1)
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        turns.give_up_all()
    if ledger.stopped:
        raise ledger.stopped
    return ledger.tally


class _Crew:
    """The workers of one run: they draw from the same requests and watch together how it goes."""

    def __init__(
        self, endpoint: Endpoint, cache: Cache, turns: Turns, ledger: Ledger, advance: Advance, most: float
    ) -> None:
        """Take what the work needs; at most ``most`` requests are asked."""
        self._endpoint = endpoint
        self._cache = cache
        self._turns = turns
        self._ledger = ledger
        self._budget = Budget(endpoint.settings, cache)
        self._advance = advance
        self._left = most
        self._in_flight = 0

    async def work_together(self, workers: int) -> None:
        """Have so many workers ask until there is nothing left for them."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(self._work())
        except BaseExceptionGroup as errors:
            raise _first_of(errors) from errors

    async def _work(self) -> None:
        """Ask one request after the other until there are none, the budget is used up, or the run has been stopped."""
        while self._left > 0 and (request := await self._turns.next()):
            if self._left <= 0:  # others drew the last ones while this one was waited for
                self._turns.put_back(request)
                return
            if limit := self._budget.reached(self._in_flight, request.messages()):
                self._ledger.tally.budget = limit
                self._turns.give_up(request)
                return
            self._left -= 1
            self._in_flight += 1
            try:
                await self._ask(request)
            finally:
                self._in_flight -= 1
            self._advance(1)
            if self._ledger.stopped:
                # What the others have in flight is paid for, so they end their calls and stop here too.
                self._turns.close()

    async def _ask(self, request: Request) -> None:
        self._ledger.tally.asked += 1
        try:
            reply = await self._endpoint.ask(request.messages())
        except CallFailed as failure:
            self._turns.give_up(request)
            self._ledger.failed(request.key, failure.trouble)
        else:
            self._store(request, reply)

    def _store(self, request: Request, reply: Reply) -> None:
        status, text = request.judge(reply)
        price = cost(reply.input_tokens, reply.output_tokens, self._endpoint.settings)
        self._cache.settle(request.key, Answer(status, text, reply.input_tokens, reply.output_tokens), price)
        self._ledger.answered(status, reply)


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
