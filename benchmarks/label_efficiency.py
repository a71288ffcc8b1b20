"""What the unlabelled texts are worth: every method at several numbers of labels, several seeds each.

    python benchmarks/label_efficiency.py DATA --out results.jsonl --task prompt --labels 200 --seeds 0,1,2

DATA is a folder as benchmarks/minilm.yml describes it; a method ending in +votes is taught by {task}_votes.jsonl, too.
One line of figures a cell is appended to the results; a cell
that is already there is not run again, so that the benchmark goes on where it was stopped. At the end the table of all
results is printed: mean and standard deviation over the seeds.
"""

import itertools
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

import click
from railmatch.ssl_train.progress import terminal_progress
from railmatch.ssl_train.recipe_file import load_recipe
from railmatch.ssl_train.run import train

RECIPE = Path(__file__).with_name("minilm.yml")
FIGURES = ("f1_at_half", "auprc", "recall_at_5")
VOTES = "+votes"
"""Ends the name of a method that is taught by the recorded votes as well."""

CELL = ("task", "labels", "method", "overrides", "seed")


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="JSON lines of results, appended to.")
@click.option("--task", "tasks", multiple=True, default=["prompt", "response"])
@click.option("--labels", multiple=True, type=int, default=[200])
@click.option("--method", "methods", multiple=True, default=["supervised", "fixmatch", "fixmatch+votes"])
@click.option("--seeds", default="0,1,2")
@click.option("--set", "overrides", multiple=True, help="Further settings of the recipe, key=value.")
def main(
    data: Path,
    out: Path,
    tasks: tuple[str, ...],
    labels: tuple[int, ...],
    methods: tuple[str, ...],
    seeds: str,
    overrides: tuple[str, ...],
) -> None:
    """Run the cells that are missing and print the table."""
    out = out.resolve()
    done = [json.loads(line) for line in out.read_text().splitlines()] if out.is_file() else []
    finished = {_key(row) for row in done}
    os.chdir(data)
    for task, count, method, seed in itertools.product(tasks, labels, methods, map(int, seeds.split(","))):
        cell = {"task": task, "labels": count, "method": method, "overrides": " ".join(overrides), "seed": seed}
        if _key(cell) in finished:
            continue
        row = cell | _run(cell, overrides)
        done.append(row)
        with out.open("a") as file:
            file.write(json.dumps(row) + "\n")
    click.echo(_table(done))


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in CELL)


def _run(cell: dict[str, Any], overrides: tuple[str, ...]) -> dict[str, Any]:
    """Train one cell and give its figures on the test examples."""
    with tempfile.TemporaryDirectory() as scratch:
        recipe = load_recipe(
            RECIPE,
            [
                f"task={cell['task']}",
                f"seed={cell['seed']}",
                f"data.labels={cell['labels']}",
                f"method.name={cell['method'].removesuffix(VOTES)}",
                *(['data.votes="{task}_votes.jsonl"'] if cell["method"].endswith(VOTES) else []),
                f"augment.cache={scratch}/rewrites.sqlite",
                *overrides,
            ],
        )
        result = train(recipe, Path(scratch) / "model", progress=terminal_progress(every_s=30))
    figures = result.report["evaluation"]
    return {
        "f1_at_half": figures["f1_at_half"],
        "auprc": figures["auprc"],
        "recall_at_5": figures["recall_at_fpr"]["0.05"],
        "kept": result.report["history"]["kept"],
        "seconds": result.report["seconds"],
    }


def _table(rows: list[dict[str, Any]]) -> str:
    """Lay out mean and standard deviation over the seeds, a line for each cell."""
    lines = [
        "| task | labels | method | settings | seeds | F1 at 0.5 | AUPRC | recall at 5% FPR | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(_key(row)[:-1], []).append(row)
    for key, group in groups.items():
        figures = [_mean_and_spread([100 * row[name] for row in group]) for name in FIGURES]
        seconds = statistics.mean(row["seconds"] for row in group)
        lines.append(f"| {' | '.join(map(str, (*key, len(group), *figures)))} | {seconds:.0f} |")
    return "\n".join(lines)


def _mean_and_spread(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread}"


if __name__ == "__main__":
    main()
