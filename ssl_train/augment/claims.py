"""Who asks what right now: a claim on a text, so that two processes on one cache never pay for the same answer.

A claim runs out unless it is renewed. One of a process that is known to have ended counts no more at once, so that a
run that was killed can be taken up without waiting.
"""

import os
import platform
import uuid

LEASE_S = 60.0
"""Seconds that a claim stands; its owner renews it three times as often."""


def new_owner() -> str:
    """Name a run of this process, as nobody else does."""
    return f"{platform.node()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"


def has_ended(owner: str) -> bool:
    """Tell whether the process of ``owner`` is known to be gone; of another machine's nothing is known."""
    machine, _, rest = owner.rpartition("/")[0].rpartition("/")
    # Elsewhere than on POSIX, signal 0 is not a question but an order.
    if machine != platform.node() or os.name != "posix":
        return False
    try:
        os.kill(int(rest), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
