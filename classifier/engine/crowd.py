"""Who waits for an engine: the number of callers and the characters of their texts, each with a bound."""

from dataclasses import dataclass

from ..errors import EngineError
from .counts import Counts


@dataclass
class Crowd:
    """At most ``size`` callers at a time, and none more once their texts have ``most_characters``.

    What counts is what waits and not what comes, so that a text of any length is judged where there is room.
    """

    size: int
    most_characters: int
    callers: int = 0
    characters: int = 0

    def refuse_overload(self, counts: Counts) -> None:
        """Refuse one more caller, and count it, where there is no room.

        Raises:
            EngineError: too many callers wait, or too long texts.
        """
        if self.callers >= self.size:
            waiting = f"{self.callers} requests"
        elif self.characters >= self.most_characters:
            waiting = f"{self.characters} characters"
        else:
            return
        counts.refused += 1
        raise EngineError(f"overloaded: {waiting} are waiting already")

    def enter(self, characters: int) -> None:
        """Count a caller with a text of so many characters."""
        self.callers += 1
        self.characters += characters

    def leave(self, characters: int) -> None:
        """Count a caller no more."""
        self.callers -= 1
        self.characters -= characters
