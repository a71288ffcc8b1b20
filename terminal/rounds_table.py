"""Show what the rounds of a synthesis, or of a hardening, came to."""

from typing import TYPE_CHECKING

from .tables import aligned

if TYPE_CHECKING:
    from ..ssl_train.adversarial.rounds import Outcome
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


def hardening_table(outcome: "Outcome") -> str:
    """Lay the classifiers of all rounds out below each other, the start first, with a mark at the best."""
    rows = [("round", "seeds broken", "earlier attacks", "AUPRC", "F1", "recall", "harmless blocked")]
    for figures in outcome.figures:
        earlier = list(figures.by_round.values())
        rows.append(
            (
                f"{figures.round or 'start'}{' *' if figures.round == outcome.best else ''}",
                _percent(figures.fresh),
                _percent(sum(earlier) / len(earlier) if earlier else None),
                f"{figures.auprc:.3f}",
                f"{figures.f1:.3f}",
                _percent(figures.recall),
                _percent(figures.fpr),
            )
        )
    return aligned(rows)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
