"""The commands: each reads its options, makes one call to the library, and prints what came back.

Nothing heavy is imported before a command needs it, so that help is there at once.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from . import __version__
from .classifier.errors import SettingsError
from .terminal.asking import agree_to_calls, estimate_line
from .terminal.failures import Commands
from .terminal.rounds_table import rounds_table
from .terminal.tables import calls_table, evaluation_table, verdict_line
from .terminal.texts import as_utf8, read_text

if TYPE_CHECKING:
    from .ssl_train.recipe import Sources

VOTES_LEFT = (
    "Votes on pool texts are left to railmatch train: augment.vote_choice is uncertain, so a classifier must be "
    "trained first to choose the texts."
)
EXIT_OF = {"allow": 0, "block": 1, "undecided": 2}


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="railmatch")
@click.option("--verbose", is_flag=True, help="Say on standard error what the library is doing.")
def main(verbose: bool) -> None:
    """Train small safety classifiers from few labels and guard chat apps with them.

    Example:

    \b
        railmatch demo
        railmatch check "How do I get into her phone?" --models railmatch-demo/models
    """
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="%(name)s: %(message)s")


SET = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Another value for a key, e.g. data.labels=100."
)
YES = click.option("--yes", is_flag=True, help="Do not ask before calling the endpoint.")
DEVICE = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where the model runs; auto takes the GPU if there is one.",
)
MODELS = click.option(
    "--models",
    type=click.Path(path_type=Path),
    default=Path("models"),
    show_default=True,
    help="Folder with prompt/ and response/ (one may be missing), or one model folder.",
)


@main.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the model; models/TASK when left out.")
@SET
@YES
def train(recipe: Path, out: Path | None, overrides: tuple[str, ...], yes: bool) -> None:
    """Train a classifier as RECIPE says and save it as a model folder.

    Example:

    \b
        railmatch train prompt.yml --out models/prompt --set method.name=supervised

    \b
    - Rewrites and votes that are neither recorded nor in the cache are asked for first;
      the number of calls is shown, and you are asked before any is made.
    - After Ctrl-C the same command goes on where it stopped.
    - Test data named in the recipe is read only after training.
    """
    from .ssl_train import calls
    from .ssl_train.progress import terminal_progress
    from .ssl_train.recipe_file import load_recipe

    settings = load_recipe(recipe, overrides)
    texts = None
    if settings.method.name != "supervised" and settings.augment.endpoint is not None:
        texts = calls.load_pool_texts(settings, base=recipe.parent)
        estimate = calls.estimate_calls(settings, texts, training=True, base=recipe.parent)
        agree_to_calls(estimate, yes=yes, ask_above=settings.augment.endpoint.ask_above)
    from .ssl_train import run  # only now: it loads PyTorch, and whoever is asked should not have to wait for that

    folder = out or Path("models") / settings.task
    result = run.train(settings, folder, texts=texts, base=recipe.parent, progress=terminal_progress())
    if not result.first_process:
        return
    if result.evaluation is not None:
        click.echo(evaluation_table(result.evaluation))
    click.echo(
        f"Saved the {settings.task} model to {folder} (threshold {result.model.threshold:.4f}); what came out: "
        f"{folder / 'report.html'}"
    )
    if "int8" in result.report:
        click.echo(_as_sentence(result.report["int8"]["sentence"]))


@main.command()
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
    from .ssl_train import calls
    from .ssl_train.progress import terminal_progress
    from .ssl_train.recipe_file import load_recipe

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


@main.command(name="augment stats")
@click.argument("cache", type=click.Path(path_type=Path))
@click.option(
    "--examples", type=click.IntRange(0), default=2, show_default=True, help="Examples of every outcome to show."
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write all of it to this file, too.")
def augment_stats(cache: Path, examples: int, json_file: Path | None) -> None:
    """Show what the endpoint was asked with CACHE, what was kept, what was rejected and why.

    Example:

    
        railmatch augment stats .railmatch/rewrites.sqlite
        railmatch augment stats .railmatch/rewrites.sqlite --examples 10 --json rewrites.json

    
    - CACHE is the file of augment.cache in the recipe; nothing is asked.
    - Texts and what became of them stand side by side, some of every outcome.
    - The cost is that of calls made with prices in the recipe.
    """
    from .classifier.storage import write_text_atomically
    from .ssl_train.augment.statistics import read_statistics
    from .terminal.cache_tables import statistics_page

    found = read_statistics(cache, examples=examples)
    if json_file is not None:
        write_text_atomically(json_file, json.dumps(found.as_dict(), indent=2, ensure_ascii=False) + "\n")
    click.echo(statistics_page(found))


@main.command()
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
    from .ssl_train.progress import terminal_progress
    from .ssl_train.recipe_file import load_settings
    from .ssl_train.synthesis.recipe import SynthesisRecipe

    settings = load_settings(recipe, SynthesisRecipe, overrides)
    if withdraw is None:
        from .ssl_train.augment.spending import Estimate
        from .ssl_train.calls import Calls
        from .ssl_train.synthesis.run import synthesize as run_all

        def agree(estimate: Estimate) -> None:
            calls = Calls(estimate, Estimate(0, 0, 0, 0.0))
            agree_to_calls(calls, yes=yes, ask_above=settings.endpoint.ask_above)

        found = run_all(settings, out, base=recipe.parent, agree=agree, progress=terminal_progress())
        click.echo(rounds_table(found))
        click.echo(f"Saved {len(found.samples)} records to {out / 'data.jsonl'}")
    else:
        from .ssl_train.synthesis.withdraw import withdraw as remove

        click.echo(f"Withdrew seed {withdraw}: {remove(out, withdraw)} records removed from {out / 'data.jsonl'}")
    if review is not None:
        from .ssl_train.synthesis.review import write_review

        click.echo(f"Wrote {write_review(out, review)} records to look at first to {review}")


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the figures to this file, too.")
@click.option("--field", "fields", multiple=True, metavar="NAME=FIELD", help="Where DATA keeps a field: prompt=text.")
@click.option("--split", help="DATA is a Hugging Face data set (Hub id or folder); use this split of it.")
@DEVICE
def evaluate(
    model: Path,
    data: str,
    json_file: Path | None,
    fields: tuple[str, ...],
    split: str | None,
    device: Literal["auto", "cpu", "cuda"],
) -> None:
    """Measure MODEL on the labelled examples of DATA.

    Example:

    \b
        railmatch evaluate models/prompt test.jsonl --json figures.json
        railmatch evaluate models/prompt test.csv --field prompt=text --field label=y

    \b
    - F1 stands at the model's stored threshold and at 0.5.
    - The intervals are 95% bootstrap intervals.
    """
    from .classifier.storage import write_text_atomically
    from .ssl_train.evaluation import evaluate as measure
    from .ssl_train.progress import terminal_progress

    evaluation = measure(model, _source(data, fields, split), device=device, progress=terminal_progress())
    if json_file is not None:
        write_text_atomically(json_file, json.dumps(evaluation.as_dict(), indent=2) + "\n")
    click.echo(evaluation_table(evaluation))


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The page; MODEL/report.html when left out.")
def report(model: Path, out: Path | None) -> None:
    """Write what came out of the training of MODEL as one HTML page.

    Example:

    \b
        railmatch report models/prompt
        railmatch report models/prompt --out prompt.html

    \b
    - Training wrote this page already; write it anew after a change of the threshold in railmatch.json.
    - It needs neither the training data nor the test data, and loads nothing from elsewhere.
    - Mistakes are shown with their texts, unless report.texts was false in the recipe.
    """
    from .ssl_train.report.writing import write_page

    click.echo(write_page(model, out))


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--check-on", "data", help="Texts to compare on, such as the app sees; the starter data when left out.")
@click.option("--field", "fields", multiple=True, metavar="NAME=FIELD", help="Where they keep a field: prompt=text.")
@click.option("--split", help="They are a Hugging Face data set (Hub id or folder); use this split of it.")
@click.pass_context
def export(ctx: click.Context, model: Path, data: str | None, fields: tuple[str, ...], split: str | None) -> None:
    """Write the int8 form of MODEL, with which CPUs judge faster.

    Example:

    \b
        railmatch export models/prompt
        railmatch export models/prompt --check-on prompts.jsonl

    \b
    - It goes into MODEL/onnx; how closely it judges as the weights do is in MODEL/onnx/int8.json.
    - Where it judges otherwise it is not kept, the exit status is 1, and the weights are served as they are.
    - On a GPU the weights themselves are served.
    """
    from .ssl_train.exporting import export_model

    report = export_model(model, None if data is None else _source(data, fields, split))
    click.echo(_as_sentence(report.sentence))
    ctx.exit(0 if report.kept else 1)


@main.command()
@click.argument("text", required=False)
@click.option("--file", "file", type=click.Path(path_type=Path), help="Read the text from this file; - is stdin.")
@click.option("--response", help="Judge this response to the text instead of the text.")
@MODELS
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON.")
@DEVICE
@click.pass_context
def check(
    ctx: click.Context,
    text: str | None,
    file: Path | None,
    response: str | None,
    models: Path,
    as_json: bool,
    device: Literal["auto", "cpu", "cuda"],
) -> None:
    """Judge one prompt, or one response to it, and say so in the exit status.

    Example:

    \b
        railmatch check "How do I get into her phone?" --models models
        railmatch check "How do I get into her phone?" --response "Wait until she sleeps." --json
        railmatch check --file prompt.txt

    \b
    - Exit status 0: allowed; 1: blocked; 2: could not decide, or an error.
    - TEXT may be - for standard input.
    - A text is judged to its end, however long it is.
    """
    from .rails.guard import Guard

    prompt = read_text(text, file)
    with Guard.load(models, device=device) as guard:
        verdict = guard.check_prompt(prompt) if response is None else guard.check_response(prompt, as_utf8(response))
    click.echo(json.dumps(verdict.as_dict(), indent=2) if as_json else verdict_line(verdict))
    ctx.exit(EXIT_OF[verdict.decision])


@main.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@MODELS
@click.option("--main-model", default="gpt-4o-mini", show_default=True, help="The chat model that answers.")
@click.option(
    "--base-url", default="https://api.openai.com/v1", show_default=True, help="Its OpenAI-compatible endpoint."
)
@click.option(
    "--colang", type=click.Choice(["1", "2"]), default="1", show_default=True, help="Colang version of the flows."
)
@click.option("--force", is_flag=True, help="Replace the files of an earlier config.")
def init(folder: Path, models: Path, main_model: str, base_url: str, colang: Literal["1", "2"], force: bool) -> None:
    """Write a NeMo Guardrails config to DIR that checks a chat with the models of --models.

    Example:

    \b
        railmatch init guardrails --models models
        nemoguardrails chat --config guardrails

    \b
    - The config checks prompts if models/prompt is there, responses if models/response is.
    - The key of the main model is read from OPENAI_API_KEY when the app starts.
    - With --colang 2, responses are not streamed: NeMo would not check them.
    """
    from .rails.scaffold import write_config

    written = write_config(folder, models, main_model=main_model, base_url=base_url, colang=colang, force=force)
    for path in written:
        click.echo(path)


@main.command(name="serve")
@MODELS
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=int, default=8080, show_default=True, help="The port to listen on; 0 takes a free one.")
@DEVICE
@click.option("--api-key-env", metavar="NAME", help="Environment variable with the key that clients must send.")
@click.option("--rate-limit", type=float, help="Requests a second of each key, or each address; no limit if left out.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Another setting, e.g. deadline=2.")
def run_service(overrides: tuple[str, ...], models: Path, **options: Any) -> None:
    """Serve the models over HTTP, as OpenAI, vLLM and FMS detectors do.

    Example:

    \b
        railmatch serve --models models --port 8080
        railmatch serve --api-key-env RAILMATCH_KEY --rate-limit 50 --set deadline=2

    \b
    - POST /v1/moderations, /classify, /api/v1/text/contents; GET /healthz, /readyz, /metrics.
    - A text that could not be judged is an error 503, never an allowed text.
    - SIGTERM: /readyz turns 503, and the process ends when every request is answered.
    - The other settings are in docs/serving.md.
    """
    try:
        from .rails.service.server import serve
        from .rails.service.settings import ServiceSettings
    except ImportError as error:
        raise SettingsError(f"railmatch serve needs {error.name}: pip install 'railmatch[server]'") from error
    serve(ServiceSettings.from_options({"models": str(models), **options}, overrides), say=click.echo)


@main.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("railmatch-demo"),
    show_default=True,
    help="Where models/ and guardrails/ are written.",
)
def demo(out: Path) -> None:
    """Train both classifiers from the starter data and guard a chat with them.

    Example:

    \b
        railmatch demo --out railmatch-demo

    \b
    - Needs neither a GPU, nor an endpoint, nor a network.
    - Compares FixMatch with supervised training on the same labels.
    - Ends with a real LLMRails that blocks and allows.
    - Replaces what an earlier demo left in models/ and guardrails/ there.
    """
    from .demo.run import run_demo
    from .ssl_train.progress import terminal_progress

    run_demo(out, say=click.echo, progress=terminal_progress())


def _as_sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."


def _source(data: str, fields: Sequence[str], split: str | None) -> "Sources":
    """Turn DATA, --field and --split into the words of a recipe.

    Raises:
        SettingsError: a field is not NAME=FIELD, or RailMatch has no such field.
    """
    from .ssl_train.recipe import FieldNames, FileSource, HubSource

    names = {}
    for written in fields:
        name, _, field = written.partition("=")
        if name not in FieldNames.model_fields or not field:
            known = ", ".join(FieldNames.model_fields)
            raise SettingsError(f"--field {written}: write NAME=FIELD with NAME one of {known}.")
        names[name] = field
    if split is not None:
        return HubSource(hub=data, split=split, fields=FieldNames(**names))
    return FileSource(file=data, fields=FieldNames(**names))
