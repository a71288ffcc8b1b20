"""What a synthetic data set is worth: 50 labels alone, with the set as pool, with it as labels, and the set alone.

    python benchmarks/synthetic_value.py                                 # some ten minutes on one thread
    python benchmarks/synthetic_value.py --page docs/benchmarks.md       # and write the table there
    python benchmarks/synthetic_value.py --seeds 0 --steps 2             # only to see that it runs

The set is made here by the pipeline itself, from 60 starter examples of three categories and the answers that a
language model once gave to them (tests/ssl_train/synthesis). Examples that stand in the starter test split are
withdrawn, with all that came from them. The 50 labels are a balanced draw of the starter's labelled texts, of all ten
categories; because the set also carries what its human seeds say, a row has these as labels beside the 50. As pool, a
text's strong view is its paraphrase, or what it paraphrases: the pipeline wrote them in pairs. The settings are those
of the demo (config/quickstart.yml) without its votes; no test label chose anything here.

Figures are x 100 on the starter test split, mean and standard deviation over the draws: on the texts of the three
categories, and on all ten, of which the set knows three.
"""

import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from marked_page import write_between

ROOT = Path(__file__).parents[1]
STARTER = ROOT / "config" / "starter"
LABELS = 50
SEEDS = ROOT / "tests" / "ssl_train" / "synthesis" / "seeds.jsonl"
ALONE, WITH_SEEDS, AS_POOL, AS_LABELS, SET_ALONE = ROWS = (
    "50 labels",
    "50 labels and the set's seeds",
    "50 labels, the set as pool",
    "50 labels and the set as labels",
    "the set alone, as labels",
)
COLUMNS = {
    "F1 at 0.5": ("own", "f1_at_half"),
    "AUPRC": ("own", "auprc"),
    "recall at 5% FPR": ("own", "recall_at_5"),
    "F1, all ten": ("all", "f1_at_half"),
    "AUPRC, all ten": ("all", "auprc"),
}
"""Title, whether on the set's own categories or on all, and the figure."""

Figures = Mapping[str, Mapping[str, float]]


def rows_of(file: Path) -> Iterator[dict[str, Any]]:
    """Read a file of JSON objects."""
    with file.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def write_rows(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one JSON object a line."""
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def make_set(folder: Path) -> str:
    """Run the pipeline on its recorded answers; leaves seeds, set and, in pairs, rewrites, and says how many."""
    sys.path.insert(0, str(ROOT / "tests"))
    from railmatch.ssl_train.synthesis.withdraw import withdraw
    from recorded_synthesis import run_recorded

    run = run_recorded(folder)
    test = {line["id"] for line in rows_of(STARTER / "prompt_test.jsonl")}
    seeds = list(rows_of(SEEDS))
    for seed in seeds:
        if seed["id"] in test:
            withdraw(run.folder, seed["id"])
    records = run.rows("data.jsonl")
    write_rows(folder / "seeds.jsonl", [seed for seed in seeds if seed["id"] not in test])
    write_rows(folder / "synthetic.jsonl", records)
    write_rows(
        folder / "rewrites.jsonl", [{"id": name, "rewrites": [view]} for name, view in pairs_of(records).items()]
    )
    left = len({seed["id"] for seed in seeds} - test)
    return f"{len(records)} synthetic texts of {left} seeds; {len(seeds) - left} seeds stand in the test split"


def pairs_of(records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Give each text its paraphrase, and each paraphrase what it paraphrases, by id."""
    texts = {record["id"]: record["prompt"] for record in records}
    views: dict[str, str] = {}
    for record in records:
        parent = record["lineage"][-1]["parent"]
        if parent in texts:
            views |= {record["id"]: texts[parent], parent: record["prompt"]}
    return views


def draw_labels(folder: Path, seed: int) -> None:
    """Write the 50 labels of a seed, as many harmful as unharmful, to ``labels.jsonl``, without the set's seeds.

    These would stand twice in the row that has both.
    """
    from railmatch.ssl_train.data.records import draw_balanced, load_records

    seeds = {line["id"] for line in rows_of(SEEDS)}
    labelled = load_records(str(STARTER / "prompt_labelled.jsonl"), "prompt", labelled=True)
    drawn = draw_balanced([record for record in labelled if record.id not in seeds], LABELS, seed)
    rows = [{"id": record.id, "prompt": record.exchange.prompt, "label": record.label} for record in drawn]
    write_rows(folder / "labels.jsonl", rows)


def recipe_of(row: str, folder: Path, seed: int, steps: int | None) -> Any:
    """Give the recipe of a row: the demo's, with other data."""
    from railmatch.ssl_train.recipe import Recipe
    from railmatch.ssl_train.recipe.file import load_recipe

    settings = load_recipe(ROOT / "config" / "quickstart.yml", ["export.int8=false"]).model_dump()
    names = ("labels", "seeds", "synthetic", "rewrites")
    labels, seeds, synthetic, rewrites = (str(folder / f"{name}.jsonl") for name in names)
    labelled = {WITH_SEEDS: [labels, seeds], AS_LABELS: [labels, synthetic], SET_ALONE: [synthetic]}.get(row, [labels])
    pool = {"unlabelled": synthetic, "rewrites": rewrites} if row == AS_POOL else {}
    settings |= {"task": "prompt", "seed": seed, "data": {"labelled": labelled, **pool}}
    settings["augment"] |= {"strategy": ["paraphrase"], "cache": str(folder / "cache-of-training.sqlite")}
    settings["method"]["name"] = "fixmatch" if row == AS_POOL else "supervised"
    settings["calibration"]["folds"] = 0
    settings["training"] |= {} if steps is None else {"steps": steps}
    return Recipe.model_validate(settings)


def measure(row: str, folder: Path, seed: int, steps: int | None) -> Figures:
    """Train a row once and measure it on the test split."""
    from label_efficiency.measuring import Outcome, figures
    from railmatch.ssl_train.data.records import load_records
    from railmatch.ssl_train.run import train

    begun = time.perf_counter()
    result = train(recipe_of(row, folder, seed, steps), folder / "model")
    test = load_records(str(STARTER / "prompt_test.jsonl"), "prompt", labelled=True)
    outcome = Outcome(result.model.predict_proba([record.exchange for record in test]), result.report["seconds"])
    own = {record["category"] for record in rows_of(folder / "synthetic.jsonl")}
    ids = {line["id"] for line in rows_of(STARTER / "prompt_test.jsonl") if line["topic"] in own}
    click.echo(f"{row}, seed {seed}: {time.perf_counter() - begun:.0f} s", err=True)
    return {"own": figures(test, outcome, ids), "all": figures(test, outcome)}


def table(found: Mapping[str, Sequence[Figures]]) -> str:
    """Lay the figures out as Markdown."""
    lines = [f"| | {' | '.join(COLUMNS)} |", f"| --- |{' --- |' * len(COLUMNS)}"]
    for row, runs in found.items():
        cells = [_spread([run[where][name] for run in runs]) for where, name in COLUMNS.values()]
        lines.append(f"| {row} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> str:
    spread = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):.1f}{spread}"


@click.command()
@click.option("--seeds", default="0,1,2", show_default=True, help="Seeds, separated by commas.")
@click.option("--steps", type=int, help="Steps of each training; the demo's when left out.")
@click.option("--page", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Write the table here, too.")
def main(seeds: str, steps: int | None, page: Path | None) -> None:
    """Measure all rows on all seeds and print their table."""
    numbers = [int(seed) for seed in seeds.split(",")]
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        folder = Path(name)
        click.echo(make_set(folder))
        found: dict[str, list[Figures]] = {row: [] for row in ROWS}
        for seed in numbers:
            draw_labels(folder, seed)
            for row in ROWS:
                found[row].append(measure(row, folder, seed, steps))
    text = table(found)
    click.echo(text)
    if page is not None:
        write_between(page.resolve(), "synthetic_value.py", text)


if __name__ == "__main__":
    main()
