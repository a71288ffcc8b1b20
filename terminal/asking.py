"""Say what the endpoint will be asked and get a person's agreement before anything is paid for."""

import os
import sys
from typing import TYPE_CHECKING

import click

from ..classifier.errors import SettingsError

if TYPE_CHECKING:
    from ..ssl_train.calls import Calls


_RANKS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
"""Where torchrun and the launchers of MPI say which process this is, as accelerate reads it."""


def is_first_process() -> bool:
    """Tell whether this process is the one of several that talks to a person."""
    return next((os.environ[name] for name in _RANKS if name in os.environ), "0") == "0"


def agree_to_calls(calls: "Calls", *, yes: bool, ask_above: float | None = None) -> None:
    """Show what the calls would take and go on only if none is needed, ``yes`` is set, or a person agrees.

    Nobody is asked about calls that cost no more than ``ask_above``.

    Raises:
        SettingsError: the answer is no, or nobody is there to answer.
    """
    if not calls.total.calls:
        return
    click.echo(estimate_line(calls), err=True)
    cost = calls.total.cost
    if yes or (cost is not None and ask_above is not None and cost <= ask_above):
        return
    click.echo("Go on? [y/N] ", err=True, nl=False)
    answer = sys.stdin.readline()
    if not answer:
        raise SettingsError("Nobody is there to agree to the calls: add --yes to make them without being asked.")
    if answer.strip().lower() not in {"y", "yes"}:
        raise SettingsError("Stopped: the endpoint was not called.")


def estimate_line(calls: "Calls") -> str:
    """Say how many calls are needed, how many tokens they take, and what they cost where prices are known."""
    total = calls.total
    cost = "" if total.cost is None else f", cost about {total.cost:.2f} (unit of the recipe's prices)"
    kinds = f" ({calls.rewrites.calls} for rewrites, {calls.votes.calls} for votes)" if calls.votes.calls else ""
    return (
        f"Calls of the endpoint: {'at most ' if total.at_most else ''}{total.calls}{kinds}, "
        f"tokens: about {total.input_tokens} in and {total.output_tokens} out{cost}."
    )
