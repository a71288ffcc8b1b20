"""The command that judges whole data sets, such as logs."""

from pathlib import Path
from typing import Any

import click

from .options import DEVICE, MODELS, RAY, source_of


@click.command()
@click.argument("dataset")
@click.option("--out", "folder", type=click.Path(path_type=Path), required=True, help="Folder for the parts.")
@MODELS
@click.option(
    "--task", type=click.Choice(["prompt", "response"]), default="prompt", show_default=True, help="What is judged."
)
@click.option("--field", "fields", multiple=True, metavar="NAME=FIELD", help="Where DATASET keeps a field.")
@click.option("--split", help="DATASET is a Hugging Face data set (Hub id or folder); use this split of it.")
@DEVICE
@RAY
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Another setting, e.g. text=true.")
def score(
    dataset: str,
    folder: Path,
    models: Path,
    fields: tuple[str, ...],
    split: str | None,
    overrides: tuple[str, ...],
    on_ray: bool,
    **options: Any,
) -> None:
    """Judge every text of DATASET, such as a log, and write ids, scores and decisions.

    Example:

    \b
        railmatch score log.jsonl --out scores --models models
        railmatch score log.jsonl --out scores --ray --set address=ray-head:6379
        railmatch score log.parquet --out scores --task response --field prompt=question --field response=answer

    \b
    - DATASET is JSONL, CSV, TSV, Parquet, or with --split a Hugging Face data set.
    - The same command goes on where a run was ended or killed: no record twice, none left out.
    - Texts are written as hashes; with --set text=true as they are.
    - Exit status 0: all were judged; 2: some are undecided, or an error.
    - The other settings are in docs/serving.md.
    """
    from ..scoring.run import score as scored
    from ..scoring.settings import ClusterScoreSettings, ScoreSettings
    from ..ssl_train.progress import terminal_progress
    from ..terminal.tables import scores_line

    kind = ClusterScoreSettings if on_ray else ScoreSettings
    settings = kind.from_options({"models": str(models), **options}, overrides)
    output = scored(source_of(dataset, fields, split), folder, settings, progress=terminal_progress())
    click.echo(scores_line(output))
    click.get_current_context().exit(2 if output.decisions["undecided"] else 0)
