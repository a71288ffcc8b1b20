"""The second look at rewrites that are there: whether one is about its text, and keeps what its text says.

Both need more than the two texts, an encoder or a judge, so they are made once all rewrites are collected. What is
found is stored with the rewrite; with other settings the same rewrites are judged anew, and nothing is asked twice.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from ...classifier.tasks import Task
from ..progress import Progress
from ..recipe import EndpointSettings, QualitySettings
from .asking import Tally, ask_all
from .cache import Answer, Cache, Key, text_hash
from .cut import forget_missing, is_missing, noted
from .endpoint import Reply
from .quality import Status, without_thoughts
from .refusal import is_refusal
from .template import Template, load_comparison_template

LATER: tuple[Status, ...] = ("off_topic", "label_changed", "unjudged")
"""What the second look finds; a rewrite with none of these, and that is not kept, is lost for good."""

BATCH = 256
"""Pairs that are embedded and stored at once."""

Embed = Callable[[Sequence[str]], np.ndarray]
"""Gives texts as unit rows of shape (texts, width)."""

_REWORDING = "leave augment.quality.label_kept out"


@dataclass(frozen=True, slots=True)
class Pair:
    """A text, its rewrite, and where the rewrite is stored."""

    text: str
    part: Task
    key: Key
    answer: Answer


Pairs = Callable[[], Iterator[Pair]]
"""Lists the pairs that passed all other checks, each time as they stand in the cache then."""


def look_again(
    pairs: Pairs,
    quality: QualitySettings,
    endpoint: EndpointSettings | None,
    cache: Cache,
    progress: Progress,
) -> Tally:
    """Make the checks that ``quality`` asks for, store what they find, and say what the judge took.

    Raises:
        ModelError: the embedded encoder cannot be used. DataError: the cache cannot be used.
        EndpointError: the endpoint that judges cannot be used, or has stopped answering.
    """
    if quality.similarity_floor is not None:
        measure(pairs, cache, progress)
    tally = Tally()
    comparison = Comparison(endpoint) if endpoint and quality.label_kept else None
    if comparison:
        tally = comparison.ask_about(pairs, quality, cache, progress)
    for some in _chunks(pairs()):
        found = [(pair, status_of(pair, quality, comparison, cache)) for pair in some]
        changed = [(pair.key, replace(pair.answer, status=new)) for pair, new in found if new != pair.answer.status]
        if changed:
            cache.put_all(changed)
    return tally


def status_of(pair: Pair, quality: QualitySettings, comparison: "Comparison | None", cache: Cache) -> Status:
    """Say what becomes of a pair with what is known of it."""
    if is_off_topic(pair.answer.similarity, quality.similarity_floor):
        return "off_topic"
    if comparison is None:
        return "kept"
    said = cache.get(comparison.request(pair).key)
    return judged_status(said)


def is_off_topic(similarity: float | None, floor: float | None) -> bool:
    """Tell whether a rewrite is less like its text than ``floor``; without either nothing is."""
    return similarity is not None and floor is not None and similarity < floor


def judged_status(said: Answer | None) -> Status:
    """Translate a judge's answer: kept where it said yes, ``unjudged`` where it said neither yes nor no."""
    if said is None or said.status != "kept":
        return "unjudged"
    return "kept" if said.text == "yes" else "label_changed"


def read_judgement(answer: str) -> str | None:
    """Find ``yes`` or ``no`` in a judge's answer: the first word of its first line, else of its last."""
    lines = [re.findall(r"\w+", line.casefold()) for line in without_thoughts(answer).splitlines()]
    words = [line[0] for line in lines if line]
    return next((word for word in words[:1] + words[-1:] if word in ("yes", "no")), None)


def measure(pairs: Pairs, cache: Cache, progress: Progress, embed: Embed | None = None) -> None:
    """Store how alike the pairs are whose similarity is not known; the encoder is loaded only if there is one."""
    total = sum(1 for _ in _unmeasured(pairs))
    if not total:
        return
    if embed is None:
        from ..embedding import embed as embed_by_encoder  # loads PyTorch, which nothing else here needs

        embed = embed_by_encoder
    with progress("Comparing rewrites with their texts", total) as advance:
        for some in _chunks(_unmeasured(pairs)):
            likeness = (embed([pair.text for pair in some]) * embed([pair.answer.text for pair in some])).sum(axis=1)
            found = zip(some, likeness.tolist(), strict=True)
            cache.put_all((pair.key, replace(pair.answer, similarity=float(value))) for pair, value in found)
            advance(len(some))


def _unmeasured(pairs: Pairs) -> Iterator[Pair]:
    return (pair for pair in pairs() if pair.answer.similarity is None)


@dataclass(frozen=True, slots=True)
class _Request:
    """The question whether a rewrite keeps what its text says."""

    pair: Pair
    template: Template
    key: Key
    max_tokens: int

    def messages(self) -> list[dict[str, str]]:
        """Write the chat messages that ask."""
        return self.template.messages(self.pair.text, rewrite=self.pair.answer.text)

    def judge(self, reply: Reply) -> tuple[Status, str]:
        """Say what became of the judgement, and give its word."""
        word = None if reply.refused or reply.cut else read_judgement(reply.text)
        if word is not None:
            return "kept", word
        declined = reply.refused or (not reply.cut and is_refusal("", reply.text))
        return ("refused" if declined else "unreadable"), noted(reply, self.max_tokens)


class Comparison:
    """Asks an endpoint whether rewrites keep what their texts say."""

    def __init__(self, endpoint: EndpointSettings) -> None:
        # As for a vote: a judgement wants the likeliest answer; null stays the model's own.
        cold = endpoint.temperature if endpoint.temperature is None else 0.0
        self._endpoint = endpoint.model_copy(update={"temperature": cold})
        self._sampling = f"temperature={cold} top_p={endpoint.top_p}"
        self._templates: dict[Task, Template] = {
            "prompt": load_comparison_template("prompt"),
            "response": load_comparison_template("response"),
        }

    def request(self, pair: Pair) -> _Request:
        """Write the question about a pair."""
        template = self._templates[pair.part]
        both = text_hash(f"{pair.text}\x1f{pair.answer.text}")
        key = Key(both, f"{template.name}@{template.fingerprint}", self._endpoint.model, self._sampling)
        return _Request(pair, template, key, self._endpoint.max_tokens)

    def requests(self, pairs: Iterable[Pair], quality: QualitySettings, cache: Cache) -> Iterator[_Request]:
        """List the questions that are not answered yet, each once, about pairs that are not off topic."""
        seen: set[Key] = set()
        for pair in pairs:
            request = self.request(pair)
            if is_off_topic(pair.answer.similarity, quality.similarity_floor) or request.key in seen:
                continue
            seen.add(request.key)
            if is_missing(cache.get(request.key), self._endpoint.max_tokens):
                yield request

    def ask_about(self, pairs: Pairs, quality: QualitySettings, cache: Cache, progress: Progress) -> Tally:
        """Ask what is not answered yet."""
        forget_missing((self.request(pair).key for pair in pairs()), cache, self._endpoint.max_tokens)
        total = sum(1 for _ in self.requests(pairs(), quality, cache))
        if not total:
            return Tally()
        with progress("Asking whether rewrites keep what their texts say", total) as advance:
            requests = self.requests(pairs(), quality, cache)
            return ask_all(requests, total, self._endpoint, cache, advance, rewording=_REWORDING)


def _chunks(pairs: Iterator[Pair]) -> Iterator[list[Pair]]:
    return iter(lambda: list(islice(pairs, BATCH)), [])
