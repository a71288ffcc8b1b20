"""Collect the rewrites of a set of records: recorded ones first, then the cache, then the endpoint."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...classifier.errors import DataError
from ...classifier.inputs import Exchange, without_surrogates
from ...classifier.tasks import Task
from ..progress import Progress, silent
from ..recipe import AugmentSettings
from .asking import Tally, ask_all
from .cache import Answer, Cache, Key, text_hash
from .endpoint import Reply
from .quality import Status, cannot_fit, judge
from .spending import Estimate, cost, sampling, tokens
from .template import Template, load_template

if TYPE_CHECKING:
    from ..data import Record

Recorded = Mapping[str, Sequence[Exchange | None]]
"""Rewrites that a file holds, by record id: the i-th is the work of the i-th strategy, None where it declined.

Strategies that need no endpoint are not counted.
"""

OUTCOMES = ("kept", "refused", "empty", "unchanged", "too_long", "failed", "missing")

_RECORDED = "recorded"
_REWORDING = "give augment.strategy a template of your own"


@dataclass(frozen=True, slots=True)
class RewriteSet:
    """The rewrites of a set of records, and what became of all that could have been.

    ``rewrites`` holds the kept ones by record id, in the order of the strategies; a record without any is not there.
    ``counts`` counts pairs of a record and a strategy by their outcome, which add up to all of them: ``kept``,
    ``refused``, ``empty``, ``unchanged``, ``too_long``, ``failed`` (the endpoint never answered) or ``missing`` (not
    asked, for want of an endpoint); and by where the outcome is from: ``recorded``, ``from_cache``. ``asked`` counts
    calls: a response and its prompt need one each, and a text that occurs twice one. Tokens and ``cost`` are those of
    this run; without prices the cost is None.
    """

    rewrites: dict[str, list[Exchange]]
    counts: dict[str, int]
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None


def collect_rewrites(
    records: Sequence["Record"],
    task: Task,
    settings: AugmentSettings,
    *,
    recorded: Recorded | None = None,
    base: Path | None = None,
    progress: Progress = silent,
) -> RewriteSet:
    """Give every record a rewrite for each strategy; the endpoint is asked for what is neither recorded nor cached.

    Recorded rewrites are copied into the cache, so that later runs need neither their file nor the endpoint. In the
    response task prompt and response are rewritten separately, and the pair is kept where both are. Templates of the
    user's are looked for from the current folder, else from ``base``.

    Raises:
        SettingsError: a strategy has no template.
        DataError: the cache cannot be used, or a recorded rewrite is not of the task.
        EndpointError: the endpoint cannot be used, has stopped answering, or refuses nearly everything.
    """
    desk = _Desk(task, settings, recorded or {}, base)
    with Cache(Path(settings.cache).expanduser() if settings.asked else ":memory:") as cache:
        cache.put_all(desk.recorded_answers(records))
        from_cache = sum(desk.is_cached(job, cache) for job in desk.jobs(records))
        total = sum(1 for _ in desk.requests(records, cache))
        tally = Tally()
        if settings.endpoint and total:
            with progress("Asking for rewrites", total) as advance:
                tally = ask_all(
                    desk.requests(records, cache), total, settings.endpoint, cache, advance, rewording=_REWORDING
                )
        rewrites, counts = desk.assemble(records, cache)
    counts |= {"from_cache": from_cache, "asked": tally.asked}
    spent = cost(tally.input_tokens, tally.output_tokens, settings.endpoint)
    return RewriteSet(rewrites, counts, tally.input_tokens, tally.output_tokens, spent)


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
    desk = _Desk(task, settings, recorded or {}, base)
    path = Path(settings.cache).expanduser()
    calls = incoming = outgoing = 0
    with Cache(path if path.exists() else ":memory:") as cache:
        for request in desk.requests(records, cache):
            calls += 1
            incoming += sum(tokens(message["content"]) for message in request.messages())
            outgoing += tokens(request.text)
    return Estimate(calls, incoming, outgoing, cost(incoming, outgoing, settings.endpoint))


@dataclass(frozen=True, slots=True)
class _Request:
    """One text to be rewritten by one template, and where its answer is kept."""

    text: str
    part: Task
    template: Template
    key: Key

    def messages(self) -> list[dict[str, str]]:
        """Write the chat messages that ask for the rewrite."""
        return self.template.messages(self.text)

    def judge(self, reply: Reply) -> tuple[Status, str]:
        """Say what became of the rewrite, and give it without its wrapping."""
        return judge(self.text, reply.text, self.part, refused=reply.refused, cut=reply.cut)


@dataclass(frozen=True, slots=True)
class _Job:
    """One rewrite that could be had: of one record by one strategy, with a request for each of its texts."""

    record: "Record"
    recorded: Exchange | None
    requests: tuple[_Request, ...]


class _Desk:
    """Knows for every record and strategy what there is to ask, and what is known already."""

    def __init__(self, task: Task, settings: AugmentSettings, recorded: Recorded, base: Path | None) -> None:
        self._task = task
        self._endpoint = settings.endpoint
        self._recorded = recorded
        self._parts: tuple[Task, ...] = ("prompt",) if task == "prompt" else ("prompt", "response")
        self._templates = [
            {part: load_template(strategy, part, base) for part in self._parts} for strategy in settings.asked
        ]

    def jobs(self, records: Sequence["Record"]) -> Iterator[_Job]:
        """List what could be had, record by record, in the order of the strategies."""
        for record in records:
            found = self._recorded.get(record.id, ())
            for index, templates in enumerate(self._templates):
                requests = tuple(self._request(record.exchange, part, templates[part]) for part in self._parts)
                yield _Job(record, found[index] if index < len(found) else None, requests)

    def requests(self, records: Sequence["Record"], cache: Cache) -> Iterator[_Request]:
        """List what is left to ask, each text once a template; of a pair that is already lost, nothing."""
        seen: set[int] = set()
        for job in self.jobs(records):
            if job.recorded is not None:
                continue
            answers = [self._known(request, cache) for request in job.requests]
            if any(answer and answer.status != "kept" for answer in answers):
                continue
            for request, answer in zip(job.requests, answers, strict=True):
                mark = hash(request.key)
                if answer is None and mark not in seen:
                    seen.add(mark)
                    yield request

    def is_cached(self, job: _Job, cache: Cache) -> bool:
        """Tell whether the outcome of a job is known from earlier runs."""
        answers = [self._known(request, cache) for request in job.requests]
        return job.recorded is None and _outcome(answers) is not None

    def recorded_answers(self, records: Sequence["Record"]) -> Iterator[tuple[Key, Answer]]:
        """List the recorded rewrites as the cache keeps them."""
        for job in self.jobs(records):
            if job.recorded is not None:
                for request, answer in zip(job.requests, self._judged(job.record, job.recorded), strict=True):
                    yield _recorded_key(request), answer

    def assemble(self, records: Sequence["Record"], cache: Cache) -> tuple[dict[str, list[Exchange]], dict[str, int]]:
        """Put the kept rewrites together from what is known now, and count all outcomes."""
        rewrites: dict[str, list[Exchange]] = {}
        counts: Counter[str] = Counter(dict.fromkeys((*OUTCOMES, "recorded"), 0))
        for job in self.jobs(records):
            counts["recorded"] += job.recorded is not None
            answers = self._answers(job, cache)
            outcome = _outcome(answers) or ("failed" if self._endpoint else "missing")
            counts[outcome] += 1
            if outcome == "kept":
                rewrite = Exchange(*(answer.text for answer in answers if answer))
                rewrites.setdefault(job.record.id, []).append(rewrite)
        return rewrites, dict(counts)

    def _request(self, exchange: Exchange, part: Task, template: Template) -> _Request:
        text = without_surrogates((exchange.prompt if part == "prompt" else exchange.response) or "")
        endpoint = self._endpoint
        model, sampled = (endpoint.model, sampling(endpoint)) if endpoint else ("", "")
        return _Request(
            text, part, template, Key(text_hash(text), f"{template.name}@{template.fingerprint}", model, sampled)
        )

    def _answers(self, job: _Job, cache: Cache) -> list[Answer] | list[Answer | None]:
        if job.recorded is not None:
            return self._judged(job.record, job.recorded)
        return [self._known(request, cache) for request in job.requests]

    def _known(self, request: _Request, cache: Cache) -> Answer | None:
        """Give the answer to a request that need not be made: because of its text, or because there is one."""
        if not request.text.strip():
            # A response whose question is not known has an empty prompt, which stays.
            return Answer("kept" if (self._task, request.part) == ("response", "prompt") else "empty", request.text)
        if answer := cache.get(_recorded_key(request)):
            return answer
        if self._endpoint is None:
            return None
        if cannot_fit(request.text, self._endpoint.max_tokens):
            return Answer("too_long", "")
        return cache.get(request.key)

    def _judged(self, record: "Record", rewrite: Exchange) -> list[Answer]:
        if (rewrite.response is None) != (self._task == "prompt"):
            wanted = "a text" if self._task == "prompt" else "a pair [prompt, response]"
            raise DataError(f"recorded rewrites of {record.id!r}: in the {self._task} task a rewrite is {wanted}")
        pairs = zip(self._parts, record.exchange, rewrite, strict=False)
        return [self._judge(part, text or "", new or "") for part, text, new in pairs]

    def _judge(self, part: Task, text: str, new: str) -> Answer:
        if not text.strip() and (self._task, part) == ("response", "prompt"):
            return Answer("kept", text)
        return Answer(*judge(without_surrogates(text), without_surrogates(new), part))


def _outcome(answers: Sequence[Answer | None]) -> str | None:
    """Say what became of a rewrite from the answers for its texts: one that is not kept decides; None is not known."""
    lost = next((answer.status for answer in answers if answer and answer.status != "kept"), None)
    return lost or (None if None in answers else "kept")


def _recorded_key(request: _Request) -> Key:
    """Give the key of a recorded rewrite: it is of the strategy, whatever template and model it was made with."""
    return Key(request.key.text_hash, request.template.name, _RECORDED, "")
