"""Wait for an endpoint that does not answer just now, and ask again: a round is long, and an outage mostly short."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from ...classifier.errors import EndpointDownError, RailMatchError
from ..progress import duration

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 60.0
"""Seconds between two tries: the first wait, which doubles each time, and the longest."""

Say = Callable[[str], None]
"""Tells a person."""

Result = TypeVar("Result")


class Patience:
    """Asks again and again, for as long as ``wait_s`` of the recipe allows."""

    def __init__(self, wait_s: float, say: Say, sleep: Callable[[float], None] = time.sleep) -> None:
        """Take the most seconds to wait for one answer, whom to tell, and how to wait."""
        self._most_s = wait_s
        self._say = say
        self._sleep = sleep

    def __call__(self, ask: Callable[[], Result], section: str) -> Result:
        """Give what ``ask`` gives; errors name settings of the recipe's ``section``, such as ``judges``.

        Raises:
            EndpointDownError: the endpoint still did not answer after ``wait_s`` seconds of waiting.
            EndpointError: it cannot be used at all.
        """
        for wait in waits(self._most_s):
            try:
                return ask()
            except EndpointDownError as error:
                told = _named(error, section)
                self._say(f"{section}: waiting {duration(wait)} before the next try: {told}")
            except RailMatchError as error:
                raise type(error)(_named(error, section)) from error
            self._sleep(wait)
        try:
            return ask()
        except RailMatchError as error:
            waited = f" (after waiting {duration(self._most_s)}, as long as wait_s allows; the round goes on from here)"
            down = isinstance(error, EndpointDownError)
            raise type(error)(_named(error, section) + (waited if down else "")) from error


def waits(most_s: float) -> Iterator[float]:
    """Give the seconds to wait after each failed try: doubling, at most ``most_s`` together."""
    wait, left = FIRST_WAIT_S, most_s
    while left > 0:
        yield min(wait, left)
        left -= wait
        wait = min(2 * wait, LONGEST_WAIT_S)


def _named(error: RailMatchError, section: str) -> str:
    """Name settings as this recipe calls them: what asks and caches speaks of a training recipe's ``augment``."""
    return str(error).replace("augment.", f"{section}.")
