"""The command that attacks a classifier and lets it learn from that."""

from pathlib import Path

import click

from ..terminal.asking import agree_to_calls
from .options import SET, YES


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("hardened"), show_default=True, help="Folder of the rounds."
)
@SET
@YES
def harden(recipe: Path, out: Path, overrides: tuple[str, ...], yes: bool) -> None:
    """Attack the classifier of RECIPE in rounds and train it on what fools it.

    Example:

    \b
        railmatch harden harden.yml --out hardened
        railmatch harden harden.yml --set generator.name=best_of_n --set rounds=5

    \b
    - The best classifier is DIR/model, and what happened DIR/hardening.html.
    - Every attack, with its score and where it comes from, is in DIR/rounds.
    - The number of calls is shown, and you are asked before any is made.
    - After Ctrl-C the same command goes on where it stopped.
    """
    from ..ssl_train.adversarial.recipe import HardenRecipe
    from ..ssl_train.recipe.file import load_settings

    settings = load_settings(recipe, HardenRecipe, overrides)
    from ..ssl_train.adversarial.run import harden as run_rounds  # only now: it loads PyTorch
    from ..ssl_train.augment.spending import Estimate
    from ..ssl_train.calls import Calls
    from ..ssl_train.progress import terminal_progress
    from ..terminal.rounds_table import hardening_table

    def agree(estimate: Estimate) -> None:
        agree_to_calls(Calls(estimate, Estimate(0, 0, 0, 0.0)), yes=yes, ask_above=settings.ask_above)

    found = run_rounds(
        settings,
        out,
        base=recipe.parent,
        agree=agree,
        progress=terminal_progress(),
        say=lambda words: click.echo(words, err=True),
    )
    click.echo(hardening_table(found.outcome))
    if found.outcome.stopped:
        click.echo(f"Stopped because {found.outcome.stopped}.")
    kept = f"the classifier of round {found.best.round}" if found.best.round else "the classifier as it was"
    click.echo(f"Saved {kept} to {found.model} (threshold {found.best.threshold:.4f}); what happened: {found.page}")
