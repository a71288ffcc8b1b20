"""Say what the endpoint will be asked and get a person's agreement before anything is paid for."""

import sys
from typing import TYPE_CHECKING

import click

from ..classifier.errors import SettingsError

if TYPE_CHECKING:
    from ..ssl_train.augment.spending import Estimate


def agree_to_calls(estimate: "Estimate", *, yes: bool) -> None:
    """Show the estimate and go on only if no call is needed, ``yes`` is set, or a person agrees.

    Raises:
        SettingsError: the answer is no, or nobody is there to answer.
    """
    if not estimate.calls:
        return
    click.echo(estimate_line(estimate), err=True)
    if yes:
        return
    click.echo("Go on? [y/N] ", err=True, nl=False)
    answer = sys.stdin.readline()
    if not answer:
        raise SettingsError("Nobody is there to agree to the calls: add --yes to make them without being asked.")
    if answer.strip().lower() not in {"y", "yes"}:
        raise SettingsError("Stopped: the endpoint was not called.")


def estimate_line(estimate: "Estimate") -> str:
    """Say how many calls are needed, how many tokens they take, and what they cost where prices are known."""
    cost = "" if estimate.cost is None else f", cost about {estimate.cost:.2f} (unit of the recipe's prices)"
    return (
        f"Calls of the endpoint: {estimate.calls}, "
        f"tokens: about {estimate.input_tokens} in and {estimate.output_tokens} out{cost}."
    )
