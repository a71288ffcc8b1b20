"""How fast prompts are judged: RailMatch's guard beside NeMo Guardrails' own hf_classifier rail and a plain pipeline.

    python benchmarks/serving.py MODEL --json serving.json

MODEL is a folder with a model of prompts. All three judge the same texts with the same weights, a round each in turn so
that all see the same machine; the best round counts. Without ``onnx/`` in MODEL (railmatch export MODEL) RailMatch runs
float32, and the first line says so. What is measured:

1. Throughput of 64 callers on one event loop, texts of mixed lengths, all distinct, through the rail's own action.
2. The median time of one caller with texts of 128 tokens.
3. CPU time that RailMatch's action adds to a check of LLMRails beside an action that does nothing, the forward passes
   left out of both.

Texts are no longer than 500 tokens, because hf_classifier judges only the first window of a longer one.
"""

import asyncio
import json
import os
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("NEMO_GUARDRAILS_NO_USAGE_STATS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import click
from nemoguardrails import LLMRails, RailsConfig
from nemoguardrails.actions.rail_outcome import RailOutcome
from nemoguardrails.library.hf_classifier.actions import hf_classifier_check_input
from railmatch.classifier.engine.batching import Engine
from railmatch.classifier.engine.schedule import BatchLimits
from railmatch.classifier.inputs import Window
from railmatch.classifier.model import SafetyClassifier
from railmatch.rails.actions import GuardActions
from railmatch.rails.guard import Check, Guard
from transformers import PreTrainedTokenizerBase, pipeline

CALLERS = 64
LONGEST = 500
SHORT = 32
"""Tokens of the texts whose checks are measured in LLMRails: the less the forward pass takes, the less it blurs."""

FLOWS = Path(__file__).parent.parent / "rails" / "colang_1" / "railmatch.co"
ACTION = "railmatch_check_input"
WORDS = """
    how do i bake bread for my friends tomorrow please explain the steps one after the other and name what goes wrong
    most often when people try it for the first time in a small kitchen without a scale
""".split()  # noqa: SIM905 - a list of quoted words would be four times as long


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of RailMatch beside the other's, and what it should be at least or at most."""

    name: str
    railmatch: float
    other: float
    target: str
    reached: bool


class Texts:
    """Makes texts of a number of tokens, no two alike, so that nothing can be remembered."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Take the tokenizer that counts."""
        self._tokenizer = tokenizer
        self._draw = random.Random(0)
        self._made = 0

    def of(self, tokens: int) -> str:
        """Make one text of about so many tokens."""
        self._made += 1
        words = [f"number {self._made}", *self._draw.choices(WORDS, k=tokens)]
        ids = self._tokenizer(" ".join(words), add_special_tokens=False, truncation=True, max_length=tokens - 2)
        return self._tokenizer.decode(ids["input_ids"])

    def mixed(self, count: int) -> list[str]:
        """Make texts whose lengths spread as those of chats do: a median of 60 tokens, and a long tail."""
        lengths = [min(LONGEST, max(8, int(self._draw.lognormvariate(4.1, 0.9)))) for _ in range(count)]
        return [self.of(length) for length in lengths]


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
        report = engine.report
    for row in rows:
        mark = "reached" if row.reached else "NOT REACHED"
        click.echo(f"{row.name:58} {row.railmatch:9.2f} {row.other:9.2f}   {row.target}: {mark}")
    if json_file is not None:
        figures = [{name: getattr(row, name) for name in Row.__slots__} for row in rows]
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


async def seconds_of(judge: Callable[[str], Awaitable[Any]], texts: Sequence[str]) -> float:
    """Let 64 callers judge all texts, each the next one as soon as it has its answer; give the seconds it took."""
    left = iter(texts)

    async def caller() -> None:
        for text in left:
            await judge(text)

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return time.perf_counter() - started


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


def median_milliseconds(judge: Callable[[str], Any], texts: Sequence[str]) -> float:
    """Give the median time of judging one text."""
    times = []
    for text in texts:
        started = time.perf_counter()
        judge(text)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


class NoForward:
    """Scores without a forward pass; all else, from tokenising to the verdict, is done."""

    def __init__(self, window: int) -> None:
        """Take the longest window in tokens."""
        self.limits, self.forwards = BatchLimits(tokens=window, windows=1, padding=0.0), 1
        self.report: dict[str, Any] = {}

    def score(self, windows: Sequence[Window]) -> list[float]:
        """Find everything harmless."""
        return [0.0] * len(windows)

    def warm_up(self) -> None:
        """Do nothing."""


def added_cost(model: Path, texts: Texts, rounds: int, each: int = 40) -> Row:
    """Check texts in LLMRails with RailMatch's action, its forward passes left out, and with an idle action."""
    classifier = SafetyClassifier.load(model, device="cpu")
    engine = Engine(classifier, NoForward(classifier.settings.window))

    async def nothing(**_: Any) -> RailOutcome:
        return RailOutcome.allow()

    guarded_spent, idle_spent = [], []
    with Guard({"prompt": Check(engine, "prompt", classifier.threshold, str(model))}) as guard:
        guarded, idle = rails_with(GuardActions(guard).check_input), rails_with(nothing)
        for _ in range(rounds):
            batch = [texts.of(SHORT) for _ in range(each)]
            idle_spent.append(cpu_milliseconds(check_all, idle, batch) / each)
            guarded_spent.append(cpu_milliseconds(check_all, guarded, batch) / each)
    added = min(guarded_spent) - min(idle_spent)
    return Row("CPU ms added to a check of LLMRails (LLMRails' own)", added, min(idle_spent), "1 ms", added <= 1)


def rails_with(action: Callable[..., Any]) -> LLMRails:
    """Build rails without a main LLM, whose only input rail calls an action."""
    settings = "colang_version: '1.0'\nmodels: []\nrails: {input: {flows: [railmatch check input]}}\n"
    rails = LLMRails(RailsConfig.from_content(colang_content=FLOWS.read_text(), yaml_content=settings))
    rails.register_action(action, ACTION)
    check_all(rails, ["warm up"])
    return rails


def check_all(rails: LLMRails, texts: Sequence[str]) -> None:
    """Check texts one after the other."""

    async def checks() -> None:
        for text in texts:
            await rails.check_async([{"role": "user", "content": text}])

    asyncio.run(checks())


def cpu_milliseconds(work: Callable[..., Any], *arguments: Any) -> float:
    """Give the CPU time of some work, of all threads."""
    started = time.process_time()
    work(*arguments)
    return (time.process_time() - started) * 1000


def hf_classifier_config(model: Path) -> RailsConfig:
    """Configure NeMo's own rail to judge by the harmful score and to cut off what is too long, as it must."""
    parameters = "{top_k: null, truncation: true, device: cpu}"
    peer = f"{{engine: local, model: {model}, blocked_labels: [harmful], threshold: 0.5, parameters: {parameters}}}"
    settings = f"models: []\nrails: {{config: {{hf_classifier: {{peer: {peer}}}}}}}\n"
    return RailsConfig.from_content(yaml_content=settings)


if __name__ == "__main__":
    main()
