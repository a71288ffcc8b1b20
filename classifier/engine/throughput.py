"""How fast a line moves while it is never empty, and so how long one more would stand in it."""

import math
from dataclasses import dataclass

MEMORY = 2.0
"""Seconds of standing in line over which the mean is taken, by weights that fall with age."""

LEAST = 0.25
"""Seconds before the mean tells anything."""

STALE = 5.0
"""Seconds without a note after which it tells nothing any more, so that what follows a hang is admitted again."""


@dataclass
class Throughput:
    """How many leave a line a second, as a mean over the newest time in which somebody stood in it all along.

    At other times as many leave as come, which says nothing of how many could. Times are of the monotonic clock, in
    seconds.
    """

    left: float = 0.0
    seconds: float = 0.0
    noted: float = -math.inf
    standing: bool = False

    def note(self, left: int, standing: int, now: float) -> None:
        """Note how many have left the line since the last note, and how many stand in it now."""
        passed = now - self.noted
        if passed > STALE:
            self.left = self.seconds = 0.0
        elif self.standing:
            kept = math.exp(-passed / MEMORY)
            self.left = self.left * kept + left
            self.seconds = self.seconds * kept + passed
        self.noted, self.standing = now, standing > 0

    def wait(self, standing: int, now: float) -> float:
        """Estimate the seconds until so many have left; 0 where too little is known for that."""
        if not standing or self.seconds < LEAST or now - self.noted > STALE:
            return 0.0
        return standing * self.seconds / self.left if self.left > 0 else math.inf
