"""Collect the endpoint's votes on a set of records: recorded ones first, then the cache, then the endpoint.

A vote says how harmful an LLM finds a text by the user's policy, from 0 (surely not) to 4 (surely).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ...classifier.inputs import Exchange, without_surrogates
from ...classifier.tasks import Task
from ..progress import Progress, silent
from ..recipe import AugmentSettings, EndpointSettings
from .asking import Tally, ask_all
from .cache import Answer, Cache, Key, text_hash
from .cut import forget_missing, is_missing, noted
from .endpoint import Reply
from .policy import read_policy
from .quality import Status
from .refusal import is_refusal
from .spending import Estimate, cost, tokens
from .template import Template, load_vote_template
from .vote_answer import read_vote

if TYPE_CHECKING:
    from ..data.records import Record

OUTCOMES = ("kept", "refused", "unreadable", "failed", "missing")

_REWORDING = "word augment.policy otherwise"


@dataclass(frozen=True, slots=True)
class VoteSet:
    """The votes on a set of records, and what became of all that could have been.

    ``votes`` holds the kept ones by record id. ``counts`` counts records by their outcome, which add up to all of them:
    ``kept``, ``refused``, ``unreadable`` (an answer that names no vote), ``failed`` (the endpoint never answered) or
    ``missing`` (neither recorded nor asked, for want of an endpoint or of budget); and by where the outcome is from:
    ``recorded``, ``from_cache``.
    ``asked`` counts calls. Tokens and ``cost`` are those of this run; without prices the cost is None. ``stopped`` says
    which limit of the budget ended the asking, if one did.
    """

    votes: dict[str, int]
    counts: dict[str, int]
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    stopped: str | None = None


def collect_votes(
    records: Sequence["Record"],
    task: Task,
    settings: AugmentSettings,
    *,
    recorded: Mapping[str, int] | None = None,
    base: Path | None = None,
    progress: Progress = silent,
) -> VoteSet:
    """Give every record its vote; with ``vote`` in the settings the endpoint is asked for what is not known yet.

    A policy file of the user's is looked for from the current folder, else from ``base``.

    Raises:
        SettingsError: the policy cannot be read.
        DataError: the cache cannot be used.
        EndpointError: the endpoint cannot be used, has stopped answering, or refuses nearly everything.
    """
    known = recorded or {}
    unknown = [record for record in records if record.id not in known]
    poll = _Poll.of(task, settings, base)
    found = _ask(poll, unknown, settings.cache, progress) if poll and unknown else _Answers()
    counts = Counter(dict.fromkeys((*OUTCOMES, "recorded"), 0))
    counts.update(kept=len(records) - len(unknown), recorded=len(records) - len(unknown))
    votes = {record.id: known[record.id] for record in records if record.id in known}
    for record in unknown:
        answer = found.by_id.get(record.id)
        counts[answer.status if answer else _unanswered(poll, record, found.tally)] += 1
        if answer and answer.status == "kept":
            votes[record.id] = int(answer.text)
    tally = found.tally
    spent = cost(tally.input_tokens, tally.output_tokens, settings.endpoint)
    counted = dict(counts) | {"from_cache": found.from_cache, "asked": tally.asked}
    return VoteSet(votes, counted, tally.input_tokens, tally.output_tokens, spent, tally.budget)


def estimate_votes(
    records: Sequence["Record"],
    task: Task,
    settings: AugmentSettings,
    recorded: Mapping[str, int] | None = None,
    *,
    base: Path | None = None,
    most: int | None = None,
) -> Estimate:
    """Reckon what ``collect_votes`` would ask for; nothing is asked, and no cache is made.

    With ``most``, only so many of the records will be asked about, and it is not known yet which.

    Raises:
        SettingsError: the policy cannot be read.
        DataError: the cache cannot be used.
    """
    poll = _Poll.of(task, settings, base)
    calls = incoming = 0
    if poll:
        path = Path(settings.cache).expanduser()
        with Cache(path if path.exists() else ":memory:") as cache:
            for request in poll.requests((record for record in records if record.id not in (recorded or {})), cache):
                if cache.in_batch(request.key):
                    continue
                calls += 1
                incoming += sum(tokens(message["content"]) for message in request.messages())
    asked = calls if most is None else min(calls, most)
    incoming = round(incoming * asked / calls) if calls else 0
    return Estimate(asked, incoming, asked, cost(incoming, asked, settings.endpoint), at_most=asked < calls)


def _unanswered(poll: "_Poll | None", record: "Record", tally: Tally) -> str:
    """Say why there is no vote: it was asked for in vain, or not asked for, for want of an endpoint or of budget."""
    return "failed" if poll and poll.key(record) in tally.failed else "missing"


@dataclass(frozen=True, slots=True)
class _Request:
    """The question how harmful one exchange is, and where its answer is kept."""

    exchange: Exchange
    template: Template
    policy: str
    key: Key
    max_tokens: int

    def messages(self) -> list[dict[str, str]]:
        """Write the chat messages that ask for the vote."""
        if self.exchange.response is None:
            return self.template.messages(self.exchange.prompt, policy=self.policy)
        return self.template.messages(self.exchange.response, prompt=self.exchange.prompt, policy=self.policy)

    def judge(self, reply: Reply) -> tuple[Status, str]:
        """Say what became of the vote, and give its digit; of an answer that names none, its own words."""
        vote = None if reply.refused or reply.cut else read_vote(reply.text)
        if vote is not None:
            return "kept", str(vote)
        declined = reply.refused or (not reply.cut and is_refusal("", reply.text))
        return ("refused" if declined else "unreadable"), noted(reply, self.max_tokens)


@dataclass(frozen=True, slots=True)
class _Answers:
    """What the endpoint said, now and earlier, by record id."""

    by_id: Mapping[str, Answer | None] = field(default_factory=dict)
    from_cache: int = 0
    tally: Tally = field(default_factory=Tally)


def _ask(poll: "_Poll", records: Sequence["Record"], cache_path: str, progress: Progress) -> _Answers:
    with Cache(Path(cache_path).expanduser()) as cache:
        forget_missing(map(poll.key, records), cache, poll.endpoint.max_tokens)
        from_cache = sum(poll.answer(record, cache) is not None for record in records)
        total = sum(1 for _ in poll.requests(records, cache))
        tally = Tally()
        if total:
            with progress("Asking for votes", total) as advance:
                requests = poll.requests(records, cache)
                tally = ask_all(requests, total, poll.endpoint, cache, advance, rewording=_REWORDING)
        return _Answers({record.id: poll.answer(record, cache) for record in records}, from_cache, tally)


class _Poll:
    """Knows how each record is asked about, and what was answered already."""

    def __init__(self, task: Task, endpoint: EndpointSettings, policy: str) -> None:
        # A judgement wants the likeliest answer, whatever the rewrites want; null stays the model's own.
        cold = endpoint.temperature if endpoint.temperature is None else 0.0
        self.endpoint = endpoint.model_copy(update={"temperature": cold})
        self._policy = policy
        self._template = load_vote_template(task)
        self._asked_how = f"{self._template.name}@{self._template.fingerprint} policy={text_hash(policy)[:16]}"
        self._sampling = f"temperature={cold} top_p={endpoint.top_p}"

    @classmethod
    def of(cls, task: Task, settings: AugmentSettings, base: Path | None) -> "_Poll | None":
        """Prepare to ask, or give None where the recipe wants no asking."""
        if not settings.vote or settings.endpoint is None:
            return None
        return cls(task, settings.endpoint, read_policy(settings.policy, base))

    def requests(self, records: Iterable["Record"], cache: Cache) -> Iterator[_Request]:
        """List what is left to ask, each text once."""
        seen: set[int] = set()
        for record in records:
            request = self._request(record.exchange)
            mark = hash(request.key)
            if mark not in seen and is_missing(cache.get(request.key), self.endpoint.max_tokens):
                seen.add(mark)
                yield request

    def key(self, record: "Record") -> Key:
        """Give the place of a vote in the cache."""
        return self._request(record.exchange).key

    def answer(self, record: "Record", cache: Cache) -> Answer | None:
        """Look up what was answered; None where there is no answer yet."""
        return cache.get(self.key(record))

    def _request(self, exchange: Exchange) -> _Request:
        prompt, response = exchange
        clean = Exchange(without_surrogates(prompt), None if response is None else without_surrogates(response))
        text = "\x1f".join(part for part in clean if part is not None)
        key = Key(text_hash(text), self._asked_how, self.endpoint.model, self._sampling)
        return _Request(clean, self._template, self._policy, key, self.endpoint.max_tokens)
