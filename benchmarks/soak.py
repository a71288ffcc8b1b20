"""Soak: the guard and the service at twice what they can sustain, for half an hour.

    python benchmarks/soak.py MODEL --json soak.json
    python benchmarks/soak.py --minutes 1                # without MODEL: MiniLM with a head that was never trained

First every text of a pool is judged by the scorer alone, one after the other. Then, half of the minutes with the guard
in this process and half with ``railmatch serve``:

1. The sustainable rate is measured: 64 callers, each asks again as soon as it has its answer.
2. Twice as many texts a second are sent, whether answers come or not. Each is answered within the deadline, by the
   score that it had before or as undecided.

The pool is larger than the engine's memory and asked in turn, so every text is judged anew and the memory forgets all
the time. The exit code is 1 where an answer was wrong, lost or late, where none was undecided (it was no overload), or
where the process grew: the line through its sizes after the first fifth of the time may rise by 16 MiB in all.
"""

import asyncio
import json
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import click
from railmatch.classifier.model import SafetyClassifier
from serving_texts import Texts
from soaking.found import Found, breaches
from soaking.judges import guard_judge, service_judge
from soaking.load import soak
from soaking.model import made_model, scores_of

POOL = 14_000
"""Texts; the engine remembers the newest 4,096 judgements, so each is forgotten before its turn comes again, though in
overload most texts get none."""

PARTS = {"guard": guard_judge, "service": service_judge}


@click.command()
@click.argument("model", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--minutes", default=30.0, show_default=True, help="How long; making the scores comes on top.")
@click.option("--deadline", default=2.0, show_default=True, help="Seconds within which everything is to be answered.")
@click.option("--margin", default=1.0, show_default=True, help="Seconds by which an answer may be later than that.")
@click.option("--texts", "count", default=POOL, show_default=True, help="Texts of the pool.")
@click.option(
    "--part",
    "names",
    type=click.Choice(list(PARTS)),
    multiple=True,
    default=list(PARTS),
    show_default=True,
    help="What is put under load.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write what was found to this file, too.")
def main(
    model: Path | None,
    minutes: float,
    deadline: float,
    margin: float,
    count: int,
    names: tuple[str, ...],
    json_file: Path | None,
) -> None:
    """Soak and say what was found; the exit code is 1 where something of it must not be."""
    wrong, all_found = [], {}
    with ExitStack() as stack:
        if model is None:
            model = made_model(Path(stack.enter_context(tempfile.TemporaryDirectory())) / "model")
        expected = scores_of(model, Texts(SafetyClassifier.load(model, device="cpu").tokenizer).mixed(count))
        for name in names:
            found = asyncio.run(soaked(name, model, expected, minutes * 60 / len(names), deadline, margin))
            click.echo(f"{name}: {found}")
            wrong += [f"{name}: {breach}" for breach in breaches(found, deadline + margin)]
            all_found[name] = found.as_dict()
    if json_file is not None:
        json_file.write_text(json.dumps({"found": all_found, "wrong": wrong}, indent=2) + "\n")
    if wrong:
        sys.exit("\n".join(wrong))


async def soaked(
    name: str, model: Path, expected: dict[str, float], seconds: float, deadline: float, margin: float
) -> Found:
    """Soak one part for some seconds."""
    async with PARTS[name](model, deadline) as judge:
        return await soak(judge, expected, seconds, deadline + margin)


if __name__ == "__main__":
    main()
