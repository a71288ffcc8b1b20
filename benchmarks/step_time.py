"""How long a FixMatch step takes, beside semilearn 0.3.2's on the same encoder, texts and batches; or a whole run.

    python benchmarks/step_time.py DATA --usb-python VENV/bin/python
    python benchmarks/step_time.py DATA --whole-run

DATA is a folder as benchmarks/minilm.yml describes it, of which the prompts are used. semilearn needs an environment of
its own, which benchmarks/usb_fixmatch_step.py describes; without it only RailMatch is measured. Each program waits in a
process of its own while the others do their steps, a round each in turn, so that all see the same machine. Every strong
view counts in these steps (threshold 0.5), which is the most that a step of RailMatch can cost; but where lower layers
are frozen, the first round or two compute their states, and later rounds remember them.
"""

import json
import os
import resource
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch
from railmatch.classifier.backbone import load_backbone
from railmatch.ssl_train.augment.rewrites import Recorded
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.data.training_texts import load_texts
from railmatch.ssl_train.loop.sampling import EpochSampler
from railmatch.ssl_train.progress import terminal_progress
from railmatch.ssl_train.recipe import Recipe
from railmatch.ssl_train.recipe.file import load_recipe
from railmatch.ssl_train.run import train
from rounds import WARM_UP, Served

HERE = Path(__file__).parent
BATCHES = ["training.labelled_batch=16", "training.unlabelled_batch=48"]
ENOUGH_MINUTES = 10
ALL_LAYERS = {"frozen_layers": None, "dropout": None, "average": 0.0}
"""What semilearn does, too: every layer trained, with the encoder's own dropout and without averaged weights."""

SETUPS: dict[str, dict[str, Any]] = {
    "RailMatch, all layers": ALL_LAYERS,
    "RailMatch, all layers, fp32": {**ALL_LAYERS, "precision": "fp32"},
    "RailMatch, as in minilm.yml": {},
}
USB = "semilearn 0.3.2, all layers, fp32"
SEED = 0
"""Of the batches: RailMatch's side draws them from the same seed."""


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one program: the mean seconds a step of each round, and what it said at its end.

    gflop: operations of a step's matrix products in billions, 0 where they were not counted.
    """

    name: str
    seconds: list[float]
    peak_mib: int
    gflop: float = 0.0
    precision: str = ""

    @property
    def median(self) -> float:
        """Give the median of the rounds."""
        return statistics.median(self.seconds)


@click.command()
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--usb-python", type=click.Path(exists=True, dir_okay=False), help="The interpreter that has semilearn.")
@click.option("--threads", type=int, default=os.cpu_count(), show_default="one a core", help="Threads of each program.")
@click.option("--rounds", type=int, default=5, show_default=True, help="How often each program has its turn.")
@click.option("--steps", type=int, default=10, show_default=True, help="Steps a turn.")
@click.option("--whole-run", is_flag=True, help="Measure a run of 1,300 steps instead.")
@click.option("--set", "overrides", multiple=True, help="Further settings of the recipe, key=value.")
def main(
    data: Path,
    usb_python: str | None,
    threads: int,
    rounds: int,
    steps: int,
    whole_run: bool,
    overrides: tuple[str, ...],
) -> None:
    """Measure and print a table."""
    torch.set_num_threads(threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.chdir(data)
    with tempfile.TemporaryDirectory() as scratch:
        own = ["task=prompt", "calibration.folds=0", "data.test=null", f"augment.cache={scratch}/rewrites.sqlite"]
        if whole_run:
            recipe = load_recipe(HERE / "minilm.yml", [*own, *BATCHES, "training.steps=1300", *overrides])
            click.echo(_whole_run(recipe, Path(scratch)))
            return
        count = WARM_UP + rounds * steps
        recipe = load_recipe(HERE / "minilm.yml", [*own, *BATCHES, f"training.steps={count}", *overrides])
        texts = _write_texts(recipe, Path(scratch))
        measured = _measure(recipe, texts, usb_python, threads, rounds, steps)
        training = recipe.training
        sizes = f"{training.labelled_batch} labelled and {training.unlabelled_batch} unlabelled prompts a step"
        click.echo(f"{threads} thread{'s' * (threads != 1)}, {sizes}\n")
        click.echo(_table(measured, {"bf16": _limit(torch.bfloat16), "fp32": _limit(torch.float32)}))


def _write_texts(recipe: Recipe, scratch: Path) -> Path:
    """Write the encoder, the texts with two strong views each, and the batches of all steps, for both programs."""
    network, tokenizer = load_backbone(recipe.encoder)
    network.get_submodule("bert").save_pretrained(scratch / "encoder")
    tokenizer.save_pretrained(scratch / "encoder")
    texts, training = load_texts(recipe), recipe.training
    samplers = [
        EpochSampler(len(texts.labelled), training.labelled_batch, SEED, stream=0),
        EpochSampler(len(texts.pool), training.unlabelled_batch, SEED, stream=1),
    ]
    content = {
        "encoder": str(scratch / "encoder"),
        "labelled": [[record.exchange.prompt, record.label] for record in texts.labelled],
        "pool": [_with_strong_views(record, texts.recorded) for record in texts.pool],
        "steps": [[sampler(step) for sampler in samplers] for step in range(training.steps)],
    }
    file = scratch / "texts.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def _with_strong_views(record: Record, recorded: Recorded) -> list[str]:
    """Give a text and two strong views: its rewrites, or itself where it has none."""
    text = record.exchange.prompt
    strong = [rewrite.prompt for rewrite in recorded.get(record.id, ())] or [text]
    return [text, strong[0], strong[-1]]


def _measure(recipe: Recipe, texts: Path, usb_python: str | None, threads: int, rounds: int, steps: int) -> list[Row]:
    """Run every program, a round each in turn; semilearn's comes first."""
    training = recipe.training
    programs = {}
    if usb_python:
        settings = json.dumps(training.model_dump())
        programs[USB] = Served(usb_python, HERE / "usb_fixmatch_step.py", [str(texts), settings], threads=threads)
    for name, changes in SETUPS.items():
        settings = training.model_copy(update=changes).model_dump_json()
        arguments = [str(texts), settings]
        programs[name] = Served(sys.executable, HERE / "railmatch_fixmatch_step.py", arguments, threads=threads)
    taken: dict[str, list[float]] = {name: [] for name in programs}
    for turn in range(rounds):
        for name, program in programs.items():
            taken[name].append(statistics.mean(program.steps(steps)))
            click.echo(f"round {turn + 1} of {rounds}: {name}: {1000 * taken[name][-1]:.0f} ms a step", err=True)
    return [Row(name, taken[name], **program.end()) for name, program in programs.items()]


def _table(rows: list[Row], limits: dict[str, float]) -> str:
    """Lay out the rows, and the machine's limits under them; ratios are of the medians."""
    lines = [
        "| program | ms a step, median (best) of the rounds | x as fast | peak memory, MiB | share of the limit |",
        "| --- | --- | --- | --- | --- |",
    ]
    usb = next((row.median for row in rows if row.name == USB), None)
    for row in rows:
        times = f"{1000 * row.median:.0f} ({1000 * min(row.seconds):.0f})"
        ratio = f"{usb / row.median:.1f}" if usb else ""
        share = f"{row.gflop / row.median / limits[row.precision]:.0%} of {row.precision}" if row.gflop else ""
        lines.append(f"| {row.name} | {times} | {ratio} | {row.peak_mib} | {share} |")
    found = ", ".join(f"{limit:.0f} GFLOP/s in {name}" for name, limit in limits.items())
    return "\n".join([*lines, "", f"Matrix-multiply limit: {found}."])


def _limit(dtype: torch.dtype) -> float:
    """Measure the machine's best rate of matrix products in GFLOP/s, at shapes of a small encoder."""
    best = 0.0
    for rows, inner, columns in ((512, 384, 384), (512, 384, 1536), (512, 1536, 384), (1024, 384, 384)):
        left, right = torch.randn(rows, inner).to(dtype), torch.randn(inner, columns).to(dtype)
        for _ in range(50):
            started = time.perf_counter()
            left @ right
            best = max(best, 2e-9 * rows * inner * columns / (time.perf_counter() - started))
    return best


def _whole_run(recipe: Recipe, out: Path) -> str:
    """Train once, without the test, and say how long that took; loading of data and encoder counts."""
    result = train(recipe, out / "model", progress=terminal_progress(every_s=30))
    minutes = result.report["seconds"] / 60
    verdict = f"{'within' if minutes <= ENOUGH_MINUTES else 'more than'} the {ENOUGH_MINUTES} wanted"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    steps = recipe.training.steps
    return f"{steps:,} steps: {minutes:.1f} min ({verdict}), peak memory {peak:.2f} GiB"


if __name__ == "__main__":
    main()
