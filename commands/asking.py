"""Commands that ask an LLM endpoint: rewrites and votes, what a cache of them holds, and synthetic examples."""

import json
from pathlib import Path

import click

from ..terminal.asking import agree_to_calls, estimate_line
from ..terminal.rounds_table import rounds_table
from ..terminal.tables import calls_table
from .options import SET, YES

VOTES_LEFT = (
    "Votes on pool texts are left to railmatch train: augment.vote_choice is uncertain, so a classifier must be "
    "trained first to choose the texts."
)


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only say how many calls, tokens and (with prices) how much money.")
@SET
@YES
def augment(recipe: Path, dry_run: bool, overrides: tuple[str, ...], yes: bool) -> None:
    """Ask the endpoint for the rewrites and votes of RECIPE and keep them in the cache.

    Example:

    \b
        railmatch augment prompt.yml --dry-run
        railmatch augment prompt.yml --yes

    \b
    - Every answer is stored at once: after Ctrl-C nothing is paid for twice.
    - What it has given so far: railmatch augment stats CACHE
    - The key is read from the environment variable named in the recipe.
    """
    from ..ssl_train import calls
    from ..ssl_train.progress import terminal_progress
    from ..ssl_train.recipe.file import load_recipe

    settings = load_recipe(recipe, overrides)
    texts = calls.load_pool_texts(settings, base=recipe.parent)
    estimate = calls.estimate_calls(settings, texts, training=False, base=recipe.parent)
    if calls.left_to_training(settings, texts):
        click.echo(VOTES_LEFT, err=True)
    if dry_run:
        click.echo(estimate_line(estimate))
        return
    if settings.augment.endpoint is not None:
        agree_to_calls(estimate, yes=yes, ask_above=settings.augment.endpoint.ask_above)
    answers = calls.make_calls(settings, texts, base=recipe.parent, progress=terminal_progress())
    click.echo(calls_table(answers.by_kind()))


@click.command(name="augment stats")
@click.argument("cache", type=click.Path(path_type=Path))
@click.option(
    "--examples", type=click.IntRange(0), default=2, show_default=True, help="Examples of every outcome to show."
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all of it to this file, too.")
def augment_stats(cache: Path, examples: int, json_file: Path | None) -> None:
    """Show what the endpoint was asked with CACHE, what was kept, what was rejected and why.

    Example:

    \b
        railmatch augment stats .railmatch/rewrites.sqlite
        railmatch augment stats .railmatch/rewrites.sqlite --examples 10 --json rewrites.json

    \b
    - CACHE is the file of augment.cache in the recipe; nothing is asked.
    - Texts and what became of them stand side by side, some of every outcome.
    - The cost is that of calls made with prices in the recipe.
    """
    from ..classifier.storage import write_text_atomically
    from ..ssl_train.augment.statistics import read_statistics
    from ..terminal.cache_tables import statistics_page

    found = read_statistics(cache, examples=examples)
    if json_file is not None:
        write_text_atomically(json_file, json.dumps(found.as_dict(), indent=2, ensure_ascii=False) + "\n")
    click.echo(statistics_page(found))


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("synthetic"),
    show_default=True,
    help="Folder of the data set.",
)
@click.option("--review", type=click.Path(path_type=Path), help="Write what a person should look at first, as CSV.")
@click.option("--withdraw", metavar="SEED_ID", help="Only remove this seed, with all that came from it, from --out.")
@SET
@YES
def synthesize(
    recipe: Path, out: Path, review: Path | None, withdraw: str | None, overrides: tuple[str, ...], yes: bool
) -> None:
    """Make a labelled data set from the few human examples of RECIPE, by an LLM endpoint.

    Example:

    \b
        railmatch synthesize synthesis.yml --out synthetic --review review.csv
        railmatch synthesize synthesis.yml --out synthetic --withdraw 2e04f1

    \b
    - The data set is DIR/data.jsonl; data.labelled or data.unlabelled of a training recipe may name it.
    - DIR/rounds has a table for each round: what was accepted, what was rejected, and why.
    - The number of calls is shown, and you are asked before any is made.
    - After Ctrl-C the same command goes on where it stopped: every answer is in the cache.
    """
    from ..ssl_train.progress import terminal_progress
    from ..ssl_train.recipe.file import load_settings
    from ..ssl_train.synthesis.recipe import SynthesisRecipe

    settings = load_settings(recipe, SynthesisRecipe, overrides)
    if withdraw is None:
        from ..ssl_train.augment.spending import Estimate
        from ..ssl_train.calls import Calls
        from ..ssl_train.synthesis.run import synthesize as run_all

        def agree(estimate: Estimate) -> None:
            calls = Calls(estimate, Estimate(0, 0, 0, 0.0))
            agree_to_calls(calls, yes=yes, ask_above=settings.endpoint.ask_above)

        found = run_all(settings, out, base=recipe.parent, agree=agree, progress=terminal_progress())
        click.echo(rounds_table(found))
        click.echo(f"Saved {found.records} records to {out / 'data.jsonl'}")
    else:
        from ..ssl_train.synthesis.withdraw import withdraw as remove

        click.echo(f"Withdrew seed {withdraw}: {remove(out, withdraw)} records removed from {out / 'data.jsonl'}")
    if review is not None:
        from ..ssl_train.synthesis.review import write_review

        click.echo(f"Wrote {write_review(out, review)} records to look at first to {review}: railmatch review {out}")
