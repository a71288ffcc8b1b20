"""What there is to ask for a set of records, what is known already, and how the rewrites are put together."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...classifier.errors import DataError
from ...classifier.inputs import Exchange, without_surrogates
from ...classifier.tasks import Task
from ..recipe import AugmentSettings
from .cache import Answer, Cache, Key, text_hash
from .endpoint import Reply
from .quality import Status, cannot_fit, judge
from .second_look import LATER, Pair
from .spending import sampling
from .template import Template, load_template

if TYPE_CHECKING:
    from ..data.records import Record

Recorded = Mapping[str, Sequence[Exchange | None]]
"""Rewrites that a file holds, by record id: the i-th is the work of the i-th strategy, None where it declined.

Strategies that need no endpoint are not counted.
"""

OUTCOMES = (
    *("kept", "refused", "empty", "unchanged", "near_copy", "too_long", "too_short", "leaked", "wrong_language"),
    *("off_topic", "label_changed", "unjudged", "repeated", "failed", "missing"),
)

_RECORDED = "recorded"


@dataclass(frozen=True, slots=True)
class RewriteRequest:
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

    @property
    def recorded_key(self) -> Key:
        """The place of a recorded rewrite: it is of the strategy, whatever template and model it was made with."""
        return Key(self.key.text_hash, self.template.name, _RECORDED, "")


@dataclass(frozen=True, slots=True)
class _Job:
    """One rewrite that could be had: of one record by one strategy, with a request for each of its texts.

    ``first`` is whether it is the strategy's first of the record, which a recorded one stands for.
    """

    record: "Record"
    recorded: Exchange | None
    requests: tuple[RewriteRequest, ...]
    first: bool


class Desk:
    """Knows for every record and strategy what there is to ask, and what is known already."""

    def __init__(self, task: Task, settings: AugmentSettings, recorded: Recorded, base: Path | None) -> None:
        """Take the settings and read the templates.

        Raises:
            SettingsError: a strategy has no template.
        """
        self._task = task
        self._endpoint = settings.endpoint
        self._variants = settings.variants
        self._recorded = recorded
        self._parts: tuple[Task, ...] = ("prompt",) if task == "prompt" else ("prompt", "response")
        self._templates = [
            {part: load_template(strategy, part, base) for part in self._parts} for strategy in settings.asked
        ]

    def requests(self, records: Sequence["Record"], cache: Cache) -> Iterator[RewriteRequest]:
        """List what is left to ask, each text once a template; of a pair that is already lost, nothing."""
        seen: set[int] = set()
        for job in self._jobs(records):
            if job.recorded is not None:
                continue
            answers = [self._known(request, job, cache) for request in job.requests]
            if any(answer and answer.status not in ("kept", *LATER) for answer in answers):
                continue
            for request, answer in zip(job.requests, answers, strict=True):
                mark = hash(request.key)
                if answer is None and mark not in seen:
                    seen.add(mark)
                    yield request

    def count_cached(self, records: Sequence["Record"], cache: Cache) -> int:
        """Count the rewrites whose outcome is known from earlier runs."""
        jobs = (job for job in self._jobs(records) if job.recorded is None)
        return sum(_outcome(self._answers(job, cache)) is not None for job in jobs)

    def pairs(self, records: Sequence["Record"], cache: Cache) -> Iterator[Pair]:
        """List the texts with their rewrites that passed the first checks, as they are stored."""
        for job in self._jobs(records):
            for request in job.requests:
                for key in self._places(request, job):
                    stored = cache.get(key) if request.text.strip() else None
                    if stored:
                        if stored.status in ("kept", *LATER):
                            yield Pair(request.text, request.part, key, stored)
                        break

    def recorded_answers(self, records: Sequence["Record"]) -> Iterator[tuple[RewriteRequest, Answer]]:
        """List the recorded rewrites as the cache keeps them."""
        for job in self._jobs(records):
            if job.recorded is not None:
                yield from zip(job.requests, self._judged(job.record, job.recorded), strict=True)

    def assemble(
        self, records: Sequence["Record"], cache: Cache, failed: Collection[Key] = ()
    ) -> tuple[dict[str, list[Exchange]], dict[str, int]]:
        """Put the kept rewrites together from what is known now, and count all outcomes.

        What has no answer is ``failed`` where it was asked, else missing.
        """
        rewrites: dict[str, list[Exchange]] = {}
        counts: Counter[str] = Counter(dict.fromkeys((*OUTCOMES, "recorded"), 0))
        for job in self._jobs(records):
            counts["recorded"] += job.recorded is not None
            answers = self._answers(job, cache)
            outcome = _outcome(answers)
            if outcome is None:
                outcome = "failed" if any(request.key in failed for request in job.requests) else "missing"
            if outcome == "kept":
                rewrite = Exchange(*(answer.text for answer in answers if answer))
                others = rewrites.setdefault(job.record.id, [])
                outcome = "repeated" if rewrite in others and not job.first else outcome
                others += [rewrite] if outcome == "kept" else []
            counts[outcome] += 1
        return rewrites, dict(counts)

    def _jobs(self, records: Sequence["Record"]) -> Iterator[_Job]:
        """List what could be had, record by record, in the order of the strategies."""
        for record in records:
            found = self._recorded.get(record.id, ())
            for index, templates in enumerate(self._templates):
                for variant in range(self._variants):
                    requests = tuple(self._request(record, templates[part], part, variant) for part in self._parts)
                    recorded = found[index] if variant == 0 and index < len(found) else None
                    yield _Job(record, recorded, requests, first=variant == 0)

    def _request(self, record: "Record", template: Template, part: Task, variant: int) -> RewriteRequest:
        exchange = record.exchange
        text = without_surrogates((exchange.prompt if part == "prompt" else exchange.response) or "")
        endpoint = self._endpoint
        model, sampled = (endpoint.model, sampling(endpoint)) if endpoint else ("", "")
        numbered = f"{sampled} variant={variant + 1}" if variant else sampled
        key = Key(text_hash(text), f"{template.name}@{template.fingerprint}", model, numbered)
        return RewriteRequest(text, part, template, key)

    def _answers(self, job: _Job, cache: Cache) -> list[Answer] | list[Answer | None]:
        if job.recorded is None:
            return [self._known(request, job, cache) for request in job.requests]
        # What the second look found is in the cache; two records of one text may have two rewrites recorded.
        told = self._judged(job.record, job.recorded)
        stored = [cache.get(request.recorded_key) for request in job.requests]
        return [new if new and new.text == answer.text else answer for answer, new in zip(told, stored, strict=True)]

    def _known(self, request: RewriteRequest, job: _Job, cache: Cache) -> Answer | None:
        """Give the answer to a request that need not be made: because of its text, or because there is one."""
        if not request.text.strip():
            # A response whose question is not known has an empty prompt, which stays.
            return Answer("kept" if (self._task, request.part) == ("response", "prompt") else "empty", request.text)
        for key in self._places(request, job):
            if answer := cache.get(key):
                return answer
        if self._endpoint is not None and cannot_fit(request.text, self._endpoint.max_tokens):
            return Answer("too_long", "")
        return None

    def _places(self, request: RewriteRequest, job: _Job) -> list[Key]:
        """List where the cache may hold an answer, in the order in which they count."""
        asked = [] if self._endpoint is None else [request.key]
        return [request.recorded_key, *asked] if job.first else asked

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
