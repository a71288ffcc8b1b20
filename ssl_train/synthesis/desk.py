"""Gets the answers to a step's questions: from the cache, else from the endpoint, after a person has agreed once."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from ...classifier.errors import EndpointDownError, EndpointError
from ..augment.asking import ask_all
from ..augment.cache import Answer, Cache
from ..augment.spending import Estimate, cost, tokens
from ..progress import Progress
from ..recipe import EndpointSettings
from .questions import Question
from .table import Row

Agree = Callable[[Estimate], None]
"""Called once, before the first call, with what all calls take at most; raises to stop the run."""

LOST_SHARE = 0.1
"""With more calls than this share without answer, a step is not finished, and what follows would stand on sand."""

REWORDING = "word policy and seeds otherwise"


def agreed(estimate: Estimate) -> None:
    """Agree to everything: what a library call does when nobody asked to be asked."""


class Desk:
    """Knows the cache and what was spent; ``calls`` and tokens are those of this run."""

    def __init__(self, cache: Cache, agree: Agree, progress: Progress) -> None:
        self.calls = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self._cache = cache
        self._agree: Agree | None = agree
        self._progress = progress

    def ask(
        self,
        what: str,
        questions: Sequence[Question],
        endpoint: EndpointSettings,
        later: Estimate,
        *,
        included: bool = False,
        named: str = "endpoint.model",
        telling: int = 1,
    ) -> list[Row]:
        """See to it that every question has an answer, and list those without a usable one as rejected.

        ``later`` is what the steps after this one take at most; these questions too where they are ``included``.
        ``named`` is the setting that names the model; of ``telling`` questions or more one answer must be of use.

        Raises:
            EndpointError: the endpoint cannot be used, has stopped answering, or none of its answers is of use.
            DataError: the cache cannot be used.
        """
        asked = {question.key: question for question in questions}  # two texts may be alike, and so their questions
        missing = [question for question in asked.values() if self._cache.get(question.key) is None]
        new = [question for question in missing if not self._cache.in_batch(question.key)]
        if new and self._agree:
            self._agree(later if included else estimate_of(new, endpoint) + later)
            self._agree = None
        if missing:
            with self._progress(f"Asking for {what}", len(missing)) as advance:
                tally = ask_all(iter(missing), len(missing), endpoint, self._cache, advance, rewording=REWORDING)
            self.calls += tally.asked
            self.input_tokens += tally.input_tokens
            self.output_tokens += tally.output_tokens
            if tally.budget:
                raise EndpointError(f"{tally.budget}; raise it and run again: what was answered is stored")
        return self._lost(what, questions, f"{named}, or {REWORDING}", endpoint, telling)

    def found(self, questions: Sequence[Question]) -> Iterator[tuple[Question, dict[str, object]]]:
        """List the questions that have a usable answer, with the JSON object of it."""
        for question in questions:
            answer = self._cache.get(question.key)
            if answer and answer.status == "kept":
                yield question, json.loads(answer.text)

    def _lost(
        self, what: str, questions: Sequence[Question], cure: str, endpoint: EndpointSettings, telling: int
    ) -> list[Row]:
        answers = [(question, self._cache.get(question.key)) for question in questions]
        unanswered = sum(answer is None for _, answer in answers)
        if unanswered > LOST_SHARE * len(questions):
            raise EndpointDownError(
                f"{unanswered} of {len(questions)} calls for {what} have no answer: see to the endpoint and run again, "
                "what was answered is stored"
            )
        lost = [(question, answer) for question, answer in answers if answer is None or answer.status != "kept"]
        if telling <= len(questions) == len(lost):
            said = Counter(_fate(answer) for _, answer in lost)
            listed = ", ".join(f"{count} {fate}" for fate, count in said.most_common())
            raise EndpointError(
                f"model {endpoint.model!r}: none of {len(questions)} calls for {what} gave an answer of use "
                f"({listed}); name another in {cure}"
            )
        return [
            Row("rejected", "answer", _fate(answer), seed=question.sources[0].seed, text=answer.text if answer else "")
            for question, answer in lost
        ]


def estimate_of(questions: Sequence[Question], endpoint: EndpointSettings) -> Estimate:
    """Reckon what the questions take; an answer is about as long as the text it is about, but no shorter than a few."""
    incoming = sum(tokens(message["content"]) for question in questions for message in question.messages())
    outgoing = sum(max(200, tokens(question.text)) for question in questions)
    return Estimate(len(questions), incoming, outgoing, cost(incoming, outgoing, endpoint))


def _fate(answer: Answer | None) -> str:
    fates = {
        "refused": "refused",
        "unreadable": "without the JSON object asked for",
        "too_long": "cut off at max_tokens",
    }
    return "without answer" if answer is None else fates.get(answer.status, answer.status)
