"""What a run has asked, spent and met, and whether it should go on."""

import logging
from collections import Counter
from dataclasses import dataclass, field

from ...classifier.errors import EndpointDownError, EndpointError
from ..progress import Advance, note
from ..recipe import EndpointSettings
from .cache import Key
from .endpoint import Reply
from .quality import Status
from .spending import cost
from .trouble import Trouble

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


class Ledger:
    """Notes what becomes of the ``total`` questions of a run; ``stopped`` is why no more should be asked."""

    def __init__(self, name: str, settings: EndpointSettings, total: int, advance: Advance, rewording: str) -> None:
        """Take how the endpoint is called, and how to word the questions of a model that refuses otherwise."""
        self.tally = Tally()
        self.stopped: EndpointError | None = None
        self._name = name
        self._settings = settings
        self._total = total
        self._advance = advance
        self._rewording = rewording
        self._failures_in_a_row = 0

    def answered(self, status: Status, reply: Reply) -> None:
        """Note an answer that is stored."""
        self._failures_in_a_row = 0
        self.tally.answers[status] += 1
        self.tally.input_tokens += reply.input_tokens
        self.tally.output_tokens += reply.output_tokens
        note(self._advance, self._spent())
        self._check_use()

    def failed(self, key: Key, trouble: Trouble) -> None:
        """Note a question without an answer.

        Raises:
            EndpointDownError: so many had none that the endpoint must be down.
        """
        self.tally.failed.add(key)
        self._failures_in_a_row += 1
        log.warning("%s: one text has no answer: %s", self._name, trouble.message)
        if self._failures_in_a_row < self._limit(trouble):
            return
        begun = self.tally.answers.total() > 0
        what = f"no answer to the last {self._failures_in_a_row} texts" if begun else "no text was answered"
        raise EndpointDownError(
            f"{self._name}: {what}, the last because of this: {trouble.message}; check that it runs and that "
            "augment.endpoint.base_url is right, and run again: what was answered is stored"
        )

    def _spent(self) -> str:
        """Say what the run has taken so far."""
        incoming, outgoing = self.tally.input_tokens, self.tally.output_tokens
        price = cost(incoming, outgoing, self._settings)
        return f"{incoming + outgoing:,} tokens" + ("" if price is None else f", cost {price:.2f}")

    def _check_use(self) -> None:
        answered = self.tally.answers.total()
        if answered != REFUSAL_SAMPLE:
            return
        for status, did in USELESS.items():
            count = self.tally.answers[status]
            if count >= REFUSAL_SHARE * answered:
                self.stopped = EndpointError(
                    f"{self._name}: the model {self._settings.model!r} {did} {count} of the first "
                    f"{answered} texts ({count / answered:.0%}); name another in augment.endpoint.model, or "
                    f"{self._rewording}"
                )

    def _limit(self, trouble: Trouble) -> int:
        if self.tally.answers:
            return FAILURES_IN_A_ROW
        return min(FAILURES_AT_THE_START, self._total) if trouble.unreachable else FAILURES_AT_THE_START
