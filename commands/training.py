"""Commands that make a model, and what belongs to its folder."""

from pathlib import Path

import click

from ..terminal.asking import agree_to_calls, is_first_process
from ..terminal.tables import evaluation_table
from .options import SET, YES, source_of


@click.command()
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
    from ..ssl_train import calls
    from ..ssl_train.progress import terminal_progress
    from ..ssl_train.recipe.file import load_recipe

    settings = load_recipe(recipe, overrides)
    texts = None
    if settings.method.name != "supervised" and settings.augment.endpoint is not None:
        texts = calls.load_pool_texts(settings, base=recipe.parent)
        # The other processes wait for it when the training begins, and end with it where the answer is no.
        if is_first_process():
            estimate = calls.estimate_calls(settings, texts, training=True, base=recipe.parent)
            agree_to_calls(estimate, yes=yes, ask_above=settings.augment.endpoint.ask_above)
    from ..ssl_train import run  # only now: it loads PyTorch, and whoever is asked should not have to wait for that

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


@click.command()
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
    from ..ssl_train.report.writing import write_page

    click.echo(write_page(model, out))


@click.command()
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
    from ..ssl_train.exporting import export_model

    report = export_model(model, None if data is None else source_of(data, fields, split))
    click.echo(_as_sentence(report.sentence))
    ctx.exit(0 if report.kept else 1)


def _as_sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:]}."
