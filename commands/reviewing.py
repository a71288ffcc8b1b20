"""The command by which a person decides about the doubtful records of a synthetic data set."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ..ssl_train.synthesis.review_server import ReviewServer


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--all", "everything", is_flag=True, help="Show every record, the doubtful ones first.")
@click.option(
    "--csv",
    "table",
    type=click.Path(path_type=Path),
    help="Show nothing; take the decisions from this file of synthesize --review, where a person has filled them in.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default="a free one", help="Port of the page.")
def review(folder: Path, everything: bool, table: Path | None, port: int) -> None:
    """Decide about the doubtful records of FOLDER, which synthesize wrote, on a page in your browser.

    Example:

    \b
        railmatch review synthetic
        railmatch review synthetic --csv review.csv

    \b
    - Keys: h harmful, u unharmful, d drop, z undecided again, space unfolds the text, j and k go on and back.
    - Each decision is saved, and honoured in FOLDER/data.jsonl, at once; synthesize honours them later, too.
    - The page is served on 127.0.0.1 until Ctrl-C, to whoever has the address that is printed.
    """
    from ..ssl_train.synthesis.decisions import decisions_of_table, read_decisions
    from ..ssl_train.synthesis.outcome import proposed
    from ..ssl_train.synthesis.review_server import Review, ReviewServer

    opened = Review(folder, everything=everything)
    if table is None:
        with ReviewServer(opened, port) as server:
            click.echo(f"Open {server.address}\nPress Ctrl-C when you are done.")
            _until_interrupted(server)
    else:
        opened.decide(decisions_of_table(table, (record["id"] for record in proposed(folder))))
    click.echo(f"{len(read_decisions(folder))} decisions; {opened.left} records in {folder / 'data.jsonl'}")


def _until_interrupted(server: "ReviewServer") -> None:
    """Ctrl-C is how a review ends, and no interruption."""
    try:
        server.wait()
    except KeyboardInterrupt:
        click.echo("")
