"""Commands that judge: a whole data set, or one text."""

import json
from pathlib import Path
from typing import Literal

import click

from ..terminal.tables import attacks_table, evaluation_table, verdict_line
from ..terminal.texts import as_utf8, read_text
from .options import DEVICE, MODELS, source_of

EXIT_OF = {"allow": 0, "block": 1, "undecided": 2}


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the figures to this file, too.")
@click.option("--field", "fields", multiple=True, metavar="NAME=FIELD", help="Where DATA keeps a field: prompt=text.")
@click.option("--split", help="DATA is a Hugging Face data set (Hub id or folder); use this split of it.")
@click.option("--attacks", multiple=True, metavar="FILE", help="Attack the blocked texts, too: FILE or obfuscation.")
@DEVICE
def evaluate(
    model: Path,
    data: str,
    json_file: Path | None,
    fields: tuple[str, ...],
    split: str | None,
    attacks: tuple[str, ...],
    device: Literal["auto", "cpu", "cuda"],
) -> None:
    """Measure MODEL on the labelled examples of DATA.

    Example:

    \b
        railmatch evaluate models/prompt test.jsonl --json figures.json
        railmatch evaluate models/prompt test.csv --field prompt=text --field label=y
        railmatch evaluate models/prompt test.jsonl --attacks obfuscation --attacks attacks.jsonl

    \b
    - F1 stands at the model's stored threshold and at 0.5.
    - The intervals are 95% bootstrap intervals.
    - An attack is a row {"id", "attack": kind, "prompt"} (and "response"), id being that of a
      harmful row of DATA, or recorded rewrites {"id", "rewrites": [...]}. Shown is, by kind, how
      many of the blocked texts stay blocked, with a 95% Clopper-Pearson interval.
    """
    from ..classifier.storage import write_text_atomically
    from ..ssl_train.progress import terminal_progress
    from ..ssl_train.robustness import evaluate_under_attack

    evaluation, robustness = evaluate_under_attack(
        model, source_of(data, fields, split), attacks, device=device, progress=terminal_progress()
    )
    if json_file is not None:
        attacked = {"attacks": {kind: figures.as_dict() for kind, figures in robustness.items()}} if attacks else {}
        write_text_atomically(json_file, json.dumps(evaluation.as_dict() | attacked, indent=2) + "\n")
    click.echo(evaluation_table(evaluation))
    if attacks:
        click.echo("\n" + attacks_table(robustness))


@click.command()
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
    from ..rails.guard import Guard

    prompt = read_text(text, file)
    with Guard.load(models, device=device) as guard:
        verdict = guard.check_prompt(prompt) if response is None else guard.check_response(prompt, as_utf8(response))
    click.echo(json.dumps(verdict.as_dict(), indent=2) if as_json else verdict_line(verdict))
    ctx.exit(EXIT_OF[verdict.decision])
