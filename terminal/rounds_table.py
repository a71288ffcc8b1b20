"""Show what the rounds of a synthesis made, kept and rejected."""

from typing import TYPE_CHECKING

from .tables import aligned

if TYPE_CHECKING:
    from ..ssl_train.synthesis.run import Synthesis


def rounds_table(found: "Synthesis") -> str:
    """Lay the rounds out below each other, with a column for each reason to reject, and say what they took."""
    checks = sorted({check for counted in found.rounds.values() for check in counted["rejected"]})
    rows = [("round", "texts", "accepted", *(check.replace("_", " ") for check in checks))]
    for name, counted in found.rounds.items():
        rejected = (str(counted["rejected"].get(check, "")) for check in checks)
        rows.append((name, str(counted["texts"]), str(counted["accepted"]), *rejected))
    cost = "" if found.cost is None else f", cost {found.cost:.2f}"
    return f"{aligned(rows)}\ncalls {found.calls}, tokens {found.input_tokens} in and {found.output_tokens} out{cost}"
