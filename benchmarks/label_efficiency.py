"""What the unlabelled texts are worth: methods, augmentations, votes and baselines at several numbers of labels.

    python benchmarks/label_efficiency.py DATA --out results.jsonl --suite core --seeds 0,1,2,3,4
    python benchmarks/label_efficiency.py DATA --out results.jsonl --suite all --list
    python benchmarks/label_efficiency.py DATA --out results.jsonl --page docs/benchmarks.md

DATA is a folder as benchmarks/minilm.yml describes it. That file holds what all cells share, label_efficiency.yml
beside it what each row changes. One line of figures a finished cell is appended to the results; what is there is not
run again, so that the benchmark goes on where it was stopped, and several processes may work on one file: each claims
its cells. Cells that were run with other settings than those in the files now are neither counted nor shown.

The last command writes tables and plots of all results into the page, between the marks that it has for them.
"""

import sys
import time
import traceback
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

import click
from label_efficiency.cells import SUITES, TASKS, Cell, cells_of
from label_efficiency.estimate import listing
from label_efficiency.files import pool_size
from label_efficiency.page import write_page
from label_efficiency.results import Results
from label_efficiency.running import run_apart
from label_efficiency.settings import RECIPE, Settings
from label_efficiency.table import current, table
from railmatch.classifier.errors import SettingsError


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Results, appended to.")
@click.option("--suite", type=click.Choice([*SUITES, "all"]), default="core", help="Which cells.")
@click.option("--task", "tasks", multiple=True, type=click.Choice(TASKS), default=TASKS, help="Only this task.")
@click.option("--row", "patterns", multiple=True, default=["*"], help="Only rows of this name, '*' for any part.")
@click.option("--only", default="*", help="Only cells whose line in --list fits, '*' for any part: '*250 votes*'.")
@click.option("--labels", multiple=True, type=int, help="Only this number of labels.")
@click.option("--seeds", default="0,1,2", help="Seeds, separated by commas.")
@click.option("--set", "overrides", multiple=True, help="Further settings of the recipe, key=value.")
@click.option("--recipe", type=click.Path(exists=True, path_type=Path), default=RECIPE, help="Settings of all cells.")
@click.option("--list", "only_list", is_flag=True, help="Run nothing; list what is missing, with the time it may take.")
@click.option("--table", "only_table", is_flag=True, help="Run nothing; print the table of all results.")
@click.option("--page", type=click.Path(exists=True, path_type=Path), help="Run nothing; write tables and plots.")
def main(
    data: Path,
    out: Path,
    suite: str,
    tasks: tuple[str, ...],
    patterns: tuple[str, ...],
    only: str,
    labels: tuple[int, ...],
    seeds: str,
    overrides: tuple[str, ...],
    recipe: Path,
    only_list: bool,
    only_table: bool,
    page: Path | None,
) -> None:
    """Run the cells of a suite that are missing in the results, and print their table."""
    data, results, settings = data.resolve(), Results(out.resolve()), Settings(recipe.resolve())
    finished = current(results.rows(), settings)
    if page is not None:
        write_page(page, finished)
        return
    if only_table:
        click.echo(table(finished, finished))
        return
    pools = {task: pool_size(data, task) for task in tasks}
    cells = cells_of(suite, tasks=tasks, seeds=_numbers(seeds), pools=pools, labels=labels, settings=overrides)
    chosen = [cell for cell in cells if any(fnmatch(cell.row, pattern) for pattern in patterns)]
    names = _names([cell for cell in chosen if fnmatch(str(cell), only)], settings)
    if only_list:
        done = _finished(results)
        click.echo(listing([cell for cell, name in names.items() if name not in done], results.rows()))
        return
    failed = [cell for cell, name in names.items() if not _run_if_missing(cell, name, settings, data, results)]
    finished, lines = current(results.rows(), settings), {cell.without_seed() for cell in names}
    click.echo(table([row for row in finished if Cell.of(row).without_seed() in lines], finished))
    sys.exit(1 if failed else 0)


def _numbers(written: str) -> list[int]:
    try:
        return [int(number) for number in written.split(",")]
    except ValueError:
        raise click.BadParameter("write whole numbers, such as 0,1,2", param_hint="--seeds") from None


def _names(cells: Sequence[Cell], settings: Settings) -> dict[Cell, str]:
    """Name each cell with its settings; this refuses settings that are not allowed before anything is run."""
    if not cells:
        raise click.UsageError("no cell fits: the suite has no such --row, --only, --labels or --task")
    try:
        return {cell: _name(cell, settings.fingerprint(cell)) for cell in cells}
    except SettingsError as error:
        raise click.ClickException(str(error)) from None


def _name(cell: Cell, fingerprint: str) -> str:
    return f"{cell!r} {fingerprint}"


def _finished(results: Results) -> set[str]:
    return {_name(Cell.of(row), row["recipe"]) for row in results.rows()}


def _run_if_missing(cell: Cell, name: str, settings: Settings, data: Path, results: Results) -> bool:
    """Run a cell that is missing and that no other process has claimed; tell whether nothing went wrong."""
    with results.claim(name) as mine:
        if not mine or name in _finished(results):
            return True
        click.echo(f"{time.strftime('%H:%M:%S')} {cell}", err=True)
        try:
            results.add(run_apart(cell, settings, data))
        except Exception:  # whatever one cell raises, the others go on
            click.echo(f"{cell} FAILED:\n{traceback.format_exc()}", err=True)
            return False
        return True


if __name__ == "__main__":
    main()
