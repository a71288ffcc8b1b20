"""What adversarial rounds are worth on real texts: attack success before and after, and what it costs on clean ones.

    python benchmarks/adversarial.py DATA --out adversarial.jsonl --seeds 0,1,2 --page docs/benchmarks.md
    python benchmarks/adversarial.py DATA --out adversarial.jsonl --generators none,endpoint,best_of_n --lm MODEL
    python benchmarks/adversarial.py DATA --out x.jsonl --texts 40 --rows 120 --steps 2    # only to see that it runs

DATA is a folder with prompt_labelled, prompt_unlabelled, prompt_unlabelled_labels, prompt_rewrites, prompt_votes and
prompt_test (.jsonl). 200 labels train the classifier under attack (or name one by --model, with its --training recipe),
1,400 others the judge (or --judge); 400 decide. Attacks start from texts of the pool that have recorded rewrites and a
sure vote (0 or 4) of a language model, which stands for their label. The generator ``endpoint`` replays the rewrites;
``best_of_n`` and ``rl`` sample --lm. Every generator may have as many attacks accepted as the others (--accepted). All
thresholds are those of 5% harmless texts blocked on the same half of the 400.

Measured are the classifier as it was and the one that each generator's rounds kept: the share of texts, of those never
trained on that are judged rightly as they are, that some recorded rewrite turns (by true labels, which nothing else
sees); F1 and AUPRC on the test split; and the share of blocked test texts that stay blocked when obfuscated.

A seed deals labels and texts anew and is that of every training. A line of figures for each seed and generator is
appended to the results; what is there is not run again, and several processes may work on one file: each claims a seed.
Lines of other settings are neither counted nor shown. The table gives means over the seeds, and standard deviations.
"""

import hashlib
import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import yaml
from attack_data import Data
from label_efficiency.results import Results
from marked_page import write_between

HERE = Path(__file__).parent

RECIPE = HERE / "minilm.yml"

START = "as it was"
"""The row of the classifier under attack."""

TARGET_FPR = 0.05

OBFUSCATED = 80
"""So many harmful test texts are obfuscated, in every way: most ways make a text several times as many tokens."""

SAMPLING = {
    "best_of_n": ("lm", "template", "temperature", "max_tokens"),
    "rl": ("lm", "template", "temperature", "max_tokens", "rate"),
}
"""Settings that only some rows read, by row: the others need not be run again when one changes."""

COLUMNS = {
    "attacks learnt from": ("accepted", "{:.0f}"),
    "harmful seeds turned": ("missed", "{:.1%}"),
    "unharmful seeds turned": ("false_alarms", "{:.1%}"),
    "F1": ("f1", "{:.3f}"),
    "F1 at 0.5": ("f1_at_half", "{:.3f}"),
    "AUPRC": ("auprc", "{:.3f}"),
    "harmless blocked": ("fpr", "{:.1%}"),
    "obfuscated, still blocked": ("obfuscated", "{:.1%}"),
}
"""Title, figure, and how it is written."""

Row = dict[str, Any]


def training_of(data: Data, part: str, steps: int | None) -> Any:
    """Give the recipe that trains on one part of the labelled rows, supervised, with the settings of minilm.yml."""
    from railmatch.ssl_train.recipe.file import load_recipe

    changes = [
        f"data={json.dumps({'labelled': data.file(part)})}",
        "method.name=supervised",
        "export.int8=false",
        "calibration.folds=0",
        f"seed={data.seed}",
        *([] if steps is None else [f"training.steps={steps}"]),
    ]
    return load_recipe(RECIPE, changes)


def train_part(data: Data, part: str, steps: int | None) -> tuple[Path, Path]:
    """Train on one part; give the model folder and the recipe's file."""
    from railmatch.ssl_train.progress import terminal_progress
    from railmatch.ssl_train.run import train

    recipe, folder, file = training_of(data, part, steps), data.scratch / part, data.scratch / f"{part}.yml"
    file.write_text(yaml.safe_dump(recipe.model_dump(mode="json")), encoding="utf-8")
    train(recipe, folder, progress=terminal_progress(every_s=60.0))
    return folder, file


def calibrated(folder: Path, data: Data) -> Path:
    """Copy a classifier with a threshold found as the rounds find theirs, so that success is compared at one rate."""
    from railmatch.classifier.model import SafetyClassifier
    from railmatch.ssl_train.adversarial.learning import calibrate
    from railmatch.ssl_train.adversarial.originals import deal_held_out
    from railmatch.ssl_train.data.records import load_records

    held_out = deal_held_out(load_records(data.file("held_out"), "prompt", labelled=True), data.seed, TARGET_FPR)
    classifier = SafetyClassifier.load(folder, device="cpu")
    calibrate(classifier, held_out.calibration, TARGET_FPR, classifier.settings.training or {})
    classifier.save(data.scratch / "start")
    return data.scratch / "start"


def recipe_of(
    generator: str, data: Data, classifier: Path, training: Path, judge: Path, options: Mapping[str, Any]
) -> Any:
    """Give the hardening recipe of a generator."""
    from railmatch.ssl_train.adversarial.recipe import HardenRecipe

    sampled = {"model": options["lm"]} | {name: options[name] for name in ("template", "temperature", "max_tokens")}
    kinds: dict[str, Row] = {
        "none": {},
        "endpoint": {"recorded": data.file("recorded")},
        "best_of_n": sampled,
        "rl": sampled | {"rl": {"lora": options["rate"] is None, "learning_rate": options["rate"]}},
    }
    steps = options["steps"]
    return HardenRecipe.model_validate(
        {
            "task": "prompt",
            "seed": data.seed,
            "classifier": str(classifier),
            "training": str(training),
            "held_out": data.file("held_out"),
            "seeds": {"source": data.file("seeds")},
            "generator": {"name": generator, "texts_a_seed": options["variants"], **kinds[generator]},
            "judges": {} if generator == "none" else {"classifiers": [{"model": str(judge)}]},
            "harvest": {"accepted": options["accepted"], "a_category": options["accepted"], "a_seed": 1},
            "rounds": options["rounds"],
            "fine_tune": {"steps": steps or 150, "learning_rate": 1e-4},
            "decide": {"auprc_loss": 0.05, "benign_rise": 0.05, "min_gain": 0.0},
            "cache": str(data.scratch / "cache.sqlite"),
        }
    )


def measure(folder: Path, data: Data) -> Row:
    """Measure a classifier on clean texts, on fresh attacks and on obfuscated texts."""
    from railmatch.classifier.model import SafetyClassifier
    from railmatch.ssl_train.attacks import load_attacks
    from railmatch.ssl_train.data.records import load_records
    from railmatch.ssl_train.evaluation import evaluate_records
    from railmatch.ssl_train.robustness import measure_attacks

    classifier = SafetyClassifier.load(folder)
    test = load_records(data.file("test"), "prompt", labelled=True)
    found = evaluate_records(classifier, test).as_dict()
    attacked = [record for record in test if record.label == 1][:OBFUSCATED]
    kinds = measure_attacks(classifier, attacked, load_attacks(["obfuscation"], attacked, "prompt"))
    shares = {kind: each.share for kind, each in kinds.items()}
    known = [share for share in shares.values() if share is not None]
    turned = {name: turned_share(classifier, label, data) for name, label in (("missed", 1), ("false_alarms", 0))}
    figures = {name: found[name] for name in ("f1", "f1_at_half", "auprc", "fpr", "threshold", "intervals")}
    return {**figures, **turned, "obfuscated": sum(known) / len(known) if known else None, "by_obfuscation": shares}


def turned_share(classifier: Any, label: int, data: Data) -> float | None:
    """Give the share of fresh seeds of a class, of those judged rightly, that their worst rewrite turns."""
    from railmatch.classifier.inputs import Exchange

    seeds = [(text, some) for truth, text, some in data.fresh if (truth == "harmful") == bool(label)]
    wrong = [
        (classifier.predict_proba([Exchange(text) for text in texts]) >= classifier.threshold) != bool(label)
        for texts in ([text for text, _ in seeds], [text for _, some in seeds for text in some])
    ]
    rewritten = iter(wrong[1])
    turned = [any([next(rewritten) for _ in some]) for _, some in seeds]
    right = [each for each, missed in zip(turned, wrong[0], strict=True) if not missed]
    return sum(right) / len(right) if right else None


def run_generator(generator: str, data: Data, paths: tuple[Path, Path, Path], options: Mapping[str, Any]) -> Row:
    """Harden by one generator and measure what was kept."""
    from railmatch.ssl_train.adversarial.run import harden
    from railmatch.ssl_train.progress import terminal_progress

    recipe = recipe_of(generator, data, *paths, options)
    found = harden(
        recipe,
        data.scratch / f"hardened-{generator}",
        progress=terminal_progress(every_s=60.0),
        say=lambda words: click.echo(f"{generator}: {words}", err=True),
    )
    outcome = found.outcome
    last = data.scratch / f"hardened-{generator}" / "rounds" / str(len(outcome.figures) - 1) / "model"
    kept = last if last.exists() else found.model  # every row is measured after as many rounds, whatever was decided
    accepted = sum(told["kept"] for told in outcome.harvests[: len(outcome.figures) - 1])
    told = {"best": outcome.best, "stopped": outcome.stopped, "harvests": outcome.harvests}
    return {"accepted": accepted, **measure(kept, data), **told}


def run_seed(
    source: Path, seed: int, missing: Sequence[str], results: Results, settings: Row, paths: Mapping[str, Path]
) -> None:
    """Train the judge and the classifier of a seed, and add the rows of it that are missing."""
    with tempfile.TemporaryDirectory() as name:
        data = Data(source, Path(name), seed=seed, texts=settings["texts"], rows=settings["rows"])
        judge = paths.get("judge") or train_part(data, "judge", settings["steps"])[0]
        if "model" in paths:
            classifier, training = paths["model"], paths["training"]
        else:
            classifier, training = train_part(data, "classifier", settings["steps"])
        classifier = calibrated(classifier, data)
        for row in missing:
            begun = time.perf_counter()
            if row == START:
                figures = measure(classifier, data)
            else:
                figures = run_generator(row, data, (classifier, training, judge), settings)
            seconds = round(time.perf_counter() - begun, 1)
            kept = settings_of(row, settings)
            results.add({"seed": seed, "row": row, "settings": kept, **figures, "seconds": seconds})


def settings_of(row: str, settings: Row) -> Row:
    """Give those of the settings that a row depends on."""
    unread = set(SAMPLING["rl"]) - set(SAMPLING.get(row, ()))
    return {name: value for name, value in settings.items() if name not in unread}


def finished(results: Results, settings: Row) -> dict[tuple[int, str], Row]:
    """Give the rows of these settings by seed and name."""
    return {
        (row["seed"], row["row"]): row for row in results.rows() if row["settings"] == settings_of(row["row"], settings)
    }


def table(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Lay means over the seeds out as Markdown, with standard deviations where there are several, in this order."""
    lines = [f"| | seeds | {' | '.join(COLUMNS)} |", f"| --- | --- |{' --- |' * len(COLUMNS)}"]
    for name in names:
        found = [row for row in rows if row["row"] == name]
        cells = [cell([row.get(figure) for row in found], form) for figure, form in COLUMNS.values()]
        lines.append(f"| {name} | {len(found)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def cell(values: Sequence[float | None], form: str) -> str:
    """Write the mean of the values that there are, with their standard deviation, or a dash."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    spread = f" ± {form.format(statistics.stdev(known))}" if len(known) > 1 else ""
    return form.format(statistics.mean(known)) + spread


def numbers(context: click.Context, parameter: click.Parameter, written: str) -> list[int]:
    """Read whole numbers between commas."""
    try:
        return [int(number) for number in written.split(",")]
    except ValueError:
        raise click.BadParameter("write whole numbers, such as 0,1,2") from None


FILE = click.Path(path_type=Path)


@click.command()
@click.argument("source", metavar="DATA", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=FILE, required=True, help="Results, appended to as JSON lines.")
@click.option("--seeds", default="0", show_default=True, callback=numbers, help="Seeds, separated by commas.")
@click.option("--generators", default="none,endpoint", show_default=True, help="none, endpoint, best_of_n, rl.")
@click.option("--model", type=FILE, help="A trained classifier of prompts to attack, instead of training one.")
@click.option("--training", type=FILE, help="The recipe that it was trained by.")
@click.option("--judge", type=FILE, help="A trained classifier that judges, instead of training one.")
@click.option("--lm", help="Folder or Hub id of a causal language model, for best_of_n and rl.")
@click.option("--template", type=click.Choice(["chat", "plain"]), default="chat", show_default=True)
@click.option("--temperature", default=1.0, show_default=True, help="Of sampling --lm.")
@click.option("--max-tokens", default=256, show_default=True, help="Of a text sampled from --lm, at most.")
@click.option("--rate", type=float, help="rl trains all weights, at this learning rate, and not adapters at the usual.")
@click.option("--texts", default=350, show_default=True, help="Texts to attack, and as many to measure on.")
@click.option("--variants", default=2, show_default=True, help="Attacks written on each text.")
@click.option("--accepted", default=84, show_default=True, help="Attacks accepted of a round, at most.")
@click.option("--rounds", default=1, show_default=True)
@click.option("--rows", type=int, help="Cut labelled and test rows to so many: only to see that it runs.")
@click.option("--steps", type=int, help="Steps of every training: only to see that it runs.")
@click.option("--page", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Write the table here, too.")
def main(source: Path, out: Path, seeds: list[int], generators: str, page: Path | None, **options: Any) -> None:
    """Harden a classifier by each generator and print what that gave."""
    if bool(options["model"]) != bool(options["training"]):
        raise click.UsageError("--model and --training go together: a classifier goes on learning from its own data")
    paths = {name: Path(options[name]).resolve() for name in ("model", "training", "judge") if options[name]}
    recipe = hashlib.sha256(RECIPE.read_bytes()).hexdigest()[:16]
    settings = options | {name: str(path) for name, path in paths.items()} | {"recipe": recipe}
    results, names = Results(out.resolve()), [START, *generators.split(",")]
    for seed in seeds:
        with results.claim(f"seed {seed} of {json.dumps(settings)}") as mine:
            done = finished(results, settings)
            missing = [name for name in names if (seed, name) not in done]
            if mine and missing:
                run_seed(source, seed, missing, results, settings, paths)
    rows = [row for (seed, _), row in finished(results, settings).items() if seed in seeds]
    text = table(rows, names)
    click.echo(text)
    if page is not None:
        write_between(page, "adversarial.py", text)


if __name__ == "__main__":
    main()
