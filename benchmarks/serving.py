"""How fast prompts are judged: RailMatch's guard beside NeMo Guardrails' own hf_classifier rail and a plain pipeline.

    python benchmarks/serving.py MODEL --json serving.json

MODEL is a folder with a model of prompts. All judge the same texts with the same weights, a round each in turn so that
all see the same machine; the best round counts. Without ``onnx/`` in MODEL (railmatch export MODEL) RailMatch runs
float32, and the first line says so. What is measured:

1. Throughput of 64 callers on one event loop, texts of mixed lengths, all distinct, through the rail's own action.
2. The median time of one caller with texts of 128 tokens.
3. CPU time that RailMatch's action adds to a check of LLMRails beside an action that does nothing, the forward passes
   left out of both.
4. Checks a second of one app with 8 and with 64 callers: on IORails, which asks ``railmatch serve`` in another process
   by NeMo's own VLLMBackend, and on LLMRails with RailMatch's action; both remember the texts, so that no forward
   passes count. And the CPU time of the app's process, which bounds the rate however fast the service is.

Texts are no longer than 500 tokens, because hf_classifier judges only the first window of a longer one.
"""

import asyncio
import json
import os
from pathlib import Path

os.environ.setdefault("NEMO_GUARDRAILS_NO_USAGE_STATS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import click
from nemoguardrails import RailsConfig
from nemoguardrails.actions.rail_outcome import RailOutcome
from nemoguardrails.library.hf_classifier.actions import hf_classifier_check_input
from railmatch.classifier.model import SafetyClassifier
from railmatch.rails.actions import GuardActions
from railmatch.rails.guard import Guard
from serving_rails import added_cost, rates_of_engines
from serving_texts import Row, Texts, median_milliseconds, seconds_of
from transformers import pipeline


@click.command()
@click.argument("model", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--rounds", default=5, show_default=True, help="Rounds of each; the best one counts.")
@click.option("--texts", "count", default=256, show_default=True, help="Texts of a round of 64 callers.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the figures to this file, too.")
def main(model: Path, rounds: int, count: int, json_file: Path | None) -> None:
    """Measure and print a table."""
    with Guard.load(model, device="cpu") as guard:
        guard.warm_up()
        engine = guard.check("prompt").engine
        click.echo(", ".join(f"{name} {value}" for name, value in engine.report.items()))
        texts = Texts(SafetyClassifier.load(model, device="cpu").tokenizer)
        rows = [throughput(model, guard, texts, rounds, count), latency(model, guard, texts, rounds)]
        rows.append(added_cost(model, texts, rounds))
        rows += rates_of_engines(model, guard, texts, rounds, count)
        report = engine.report
    for row in rows:
        click.echo(row)
    if json_file is not None:
        figures = [row.as_dict() for row in rows]
        json_file.write_text(json.dumps({"engine": report, "rows": figures}, indent=2) + "\n")


def throughput(model: Path, guard: Guard, texts: Texts, rounds: int, count: int) -> Row:
    """Judge texts of mixed lengths by 64 callers, through the action of either rail."""
    config = hf_classifier_config(model)
    ours = GuardActions(guard).check_input

    async def theirs(text: str) -> RailOutcome:
        return await hf_classifier_check_input(classifier="peer", config=config, text=text)

    asyncio.run(theirs("warm up"))
    best = {"ours": 0.0, "theirs": 0.0}
    for _ in range(rounds):
        batch = texts.mixed(count)
        best["ours"] = max(best["ours"], count / asyncio.run(seconds_of(lambda text: ours(text=text), batch)))
        best["theirs"] = max(best["theirs"], count / asyncio.run(seconds_of(theirs, batch)))
    fast = best["ours"] >= 5 * best["theirs"]
    return Row("texts/s, 64 callers, mixed lengths (hf_classifier)", best["ours"], best["theirs"], "5 times", fast)


def latency(model: Path, guard: Guard, texts: Texts, rounds: int, each: int = 20) -> Row:
    """Judge texts of 128 tokens one at a time."""
    plain = pipeline("text-classification", model=str(model), device="cpu", top_k=None)
    plain("warm up")
    ours, theirs = [], []
    for _ in range(rounds):
        batch = [texts.of(128) for _ in range(each)]
        ours.append(median_milliseconds(guard.check_prompt, batch))
        theirs.append(median_milliseconds(plain, batch))
    fast = min(ours) <= min(theirs) / 3
    return Row("p50 in ms, 128 tokens, one caller (pipeline)", min(ours), min(theirs), "a third", fast)


def hf_classifier_config(model: Path) -> RailsConfig:
    """Configure NeMo's own rail to judge by the harmful score and to cut off what is too long, as it must."""
    parameters = "{top_k: null, truncation: true, device: cpu}"
    peer = f"{{engine: local, model: {model}, blocked_labels: [harmful], threshold: 0.5, parameters: {parameters}}}"
    settings = f"models: []\nrails: {{config: {{hf_classifier: {{peer: {peer}}}}}}}\n"
    return RailsConfig.from_content(yaml_content=settings)


if __name__ == "__main__":
    main()
