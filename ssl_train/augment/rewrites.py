"""Collect the rewrites of a set of records: recorded ones first, then the cache, then the endpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from ...classifier.inputs import Exchange
from ...classifier.tasks import Task
from ..progress import Progress, silent
from ..recipe import AugmentSettings
from .asking import Tally, ask_all
from .cache import Answer, Cache
from .desk import OUTCOMES, Desk, Recorded
from .second_look import Comparison, Pair, look_again
from .spending import Estimate, cost, tokens

if TYPE_CHECKING:
    from ..data.records import Record

__all__ = ["OUTCOMES", "Recorded", "RewriteSet", "collect_rewrites", "estimate"]

_REWORDING = "give augment.strategy a template of your own"


@dataclass(frozen=True, slots=True)
class RewriteSet:
    """The rewrites of a set of records, and what became of all that could have been.

    ``rewrites`` holds the kept ones by record id, in the order of the strategies; a record without any is not there.
    ``counts`` counts rewrites that could be, one a record, strategy and variant, by their outcome, which add up to all
    of them: ``kept``; the checks that others did not pass, as in ``quality.Status``; ``repeated`` (a variant that is
    there already), ``failed`` (the endpoint never answered) or ``missing`` (not asked, for want of an endpoint or of
    budget); and by where the outcome is from: ``recorded``, ``from_cache``. ``asked`` counts calls: a response and its
    prompt need one each, a judgement another, and a text that occurs twice one. Tokens and ``cost`` are those of this
    run; without prices the cost is None. ``stopped`` says which limit of the budget ended the asking, if one did.
    """

    rewrites: dict[str, list[Exchange]]
    counts: dict[str, int]
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    stopped: str | None = None


def collect_rewrites(
    records: Sequence["Record"],
    task: Task,
    settings: AugmentSettings,
    *,
    recorded: Recorded | None = None,
    base: Path | None = None,
    progress: Progress = silent,
) -> RewriteSet:
    """Give every record its rewrites for each strategy; the endpoint is asked for what is neither recorded nor cached.

    Recorded rewrites are copied into the cache, so that later runs need neither their file nor the endpoint. In the
    response task prompt and response are rewritten separately, and the pair is kept where both are. Templates of the
    user's are looked for from the current folder, else from ``base``.

    Raises:
        SettingsError: a strategy has no template.
        DataError: the cache cannot be used, or a recorded rewrite is not of the task.
        EndpointError: the endpoint cannot be used, has stopped answering, or refuses nearly everything.
        ModelError: the similarity of rewrites is wanted, and the embedded encoder cannot be used.
    """
    desk = Desk(task, settings, recorded or {}, base)
    with Cache(Path(settings.cache).expanduser() if settings.asked else ":memory:") as cache:
        cache.put_all((request.recorded_key, answer) for request, answer in desk.recorded_answers(records))
        cache.remember(request.text for request, _ in desk.recorded_answers(records))
        from_cache = desk.count_cached(records, cache)
        tally = _ask(desk, records, settings, cache, progress)
        tally += look_again(lambda: desk.pairs(records, cache), settings.quality, settings.endpoint, cache, progress)
        rewrites, counts = desk.assemble(records, cache, tally.failed)
    counts |= {"from_cache": from_cache, "asked": tally.asked}
    spent = cost(tally.input_tokens, tally.output_tokens, settings.endpoint)
    return RewriteSet(rewrites, counts, tally.input_tokens, tally.output_tokens, spent, tally.budget)


def _ask(desk: Desk, records: Sequence["Record"], settings: AugmentSettings, cache: Cache, progress: Progress) -> Tally:
    if settings.endpoint is None:
        return Tally()
    total = cache.remember(request.text for request in desk.requests(records, cache))
    if not total:
        return Tally()
    with progress("Asking for rewrites", total) as advance:
        requests = desk.requests(records, cache)
        return ask_all(requests, total, settings.endpoint, cache, advance, rewording=_REWORDING)


def estimate(
    records: Sequence["Record"],
    task: Task,
    settings: AugmentSettings,
    recorded: Recorded | None = None,
    *,
    base: Path | None = None,
) -> Estimate:
    """Reckon what ``collect_rewrites`` would ask for; nothing is asked, and no cache is made.

    Raises:
        SettingsError: a strategy has no template.
        DataError: the cache cannot be used, or a recorded rewrite is not of the task.
    """
    desk = Desk(task, settings, recorded or {}, base)
    path = Path(settings.cache).expanduser()
    calls = incoming = outgoing = 0
    with Cache(path if path.exists() else ":memory:") as cache:
        for request in desk.requests(records, cache):
            if cache.in_batch(request.key):
                continue
            calls += 1
            incoming += _tokens_of(request.messages())
            outgoing += tokens(request.text)
        rewrites = Estimate(calls, incoming, outgoing, cost(incoming, outgoing, settings.endpoint))
        return rewrites + _estimate_judgements(desk, records, settings, cache)


def _estimate_judgements(desk: Desk, records: Sequence["Record"], settings: AugmentSettings, cache: Cache) -> Estimate:
    """Reckon what judging the rewrites takes at most, those that are still to be asked for too."""
    calls = incoming = 0
    if settings.endpoint and settings.quality.label_kept:
        judge = Comparison(settings.endpoint)
        # A rewrite that is not there yet is as long as its text, roughly.
        coming = (Pair(ask.text, ask.part, ask.key, Answer("kept", ask.text)) for ask in desk.requests(records, cache))
        questions = [judge.requests(desk.pairs(records, cache), settings.quality, cache), map(judge.request, coming)]
        for question in chain.from_iterable(questions):
            if cache.in_batch(question.key):
                continue
            calls += 1
            incoming += _tokens_of(question.messages())
    return Estimate(calls, incoming, calls, cost(incoming, calls, settings.endpoint), at_most=calls > 0)


def _tokens_of(messages: list[dict[str, str]]) -> int:
    return sum(tokens(message["content"]) for message in messages)
