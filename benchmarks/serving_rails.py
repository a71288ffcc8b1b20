"""The rails' own cost, forward passes left out: RailMatch's action in LLMRails, and its service behind IORails."""

import asyncio
import math
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from nemoguardrails import LLMRails, RailsConfig
from nemoguardrails.actions.rail_outcome import RailOutcome
from nemoguardrails.guardrails.guardrails import Guardrails
from railmatch.classifier.engine.batching import Engine
from railmatch.classifier.engine.schedule import BatchLimits
from railmatch.classifier.inputs import Window
from railmatch.classifier.model import SafetyClassifier
from railmatch.rails.actions import GuardActions
from railmatch.rails.guard import Check, Guard
from serving_process import serving
from serving_texts import CALLERS, Row, Texts, cpu_milliseconds, seconds_of

SHORT = 32
"""Tokens of the texts whose checks are measured in LLMRails: the less the forward pass takes, the less it blurs."""

REPEATS = 4
"""How many times IORails checks the texts that LLMRails checks once, so that both take about as long."""

FEW_CALLERS = 8
"""At a time: NeMo's HTTP client looks through all of its connections at each request."""

FLOWS = Path(__file__).parent.parent / "rails" / "colang_1" / "railmatch.co"
ACTION = "railmatch_check_input"


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


def rates_of_engines(model: Path, guard: Guard, texts: Texts, rounds: int, count: int) -> list[Row]:
    """Check texts on IORails, which asks ``railmatch serve``, and on LLMRails with our action.

    Every text was judged before, by either, so that the answers come from memory and no forward pass is measured. The
    CPU time is that of the app's process, without the service: it bounds the rate, however fast the service may be.
    """
    batch = [texts.of(SHORT) for _ in range(count)]
    expected = {text: "blocked" if guard.stops(guard.check_prompt(text)) else "passed" for text in batch}
    llmrails = rails_with(GuardActions(guard).check_input)
    with serving(model) as (url, _), asyncio.Runner() as runner:
        iorails = Guardrails(service_config(url), require_iorails=True)
        engines = {"LLMRails": (llmrails, batch), "IORails": (iorails, batch * REPEATS)}
        for rails, _ in engines.values():
            runner.run(seconds_of(checked_by(rails, expected), batch))
        rows = [
            row
            for callers in (FEW_CALLERS, CALLERS)
            for row in _best_of_engines(runner, engines, expected, callers=callers, rounds=rounds)
        ]
        runner.run(iorails.shutdown())
    return rows


def _best_of_engines(
    runner: asyncio.Runner,
    engines: Mapping[str, tuple[LLMRails | Guardrails, Sequence[str]]],
    expected: Mapping[str, str],
    *,
    callers: int,
    rounds: int,
) -> list[Row]:
    rates, spent = dict.fromkeys(engines, 0.0), dict.fromkeys(engines, math.inf)
    for _ in range(rounds):
        for name, (rails, checked) in engines.items():
            started = time.process_time()
            seconds = runner.run(seconds_of(checked_by(rails, expected), checked, callers=callers))
            rates[name] = max(rates[name], len(checked) / seconds)
            spent[name] = min(spent[name], (time.process_time() - started) * 1000 / len(checked))
    (rate, rate_before), (cost, cost_before) = [(found["IORails"], found["LLMRails"]) for found in (rates, spent)]
    return [
        Row(f"checks/s, {callers} callers, IORails + service (LLMRails)", rate, rate_before, "5 times",
            rate >= 5 * rate_before),
        Row("the same, CPU ms a check of the app's process", cost, cost_before, "a fifth", 5 * cost <= cost_before),
    ]  # fmt: skip


def service_config(url: str) -> RailsConfig:
    """Have NeMo's own rail ask the service, which decides at the model's own threshold."""
    ours = {"engine": "vllm", "model": "prompt", "base_url": f"{url}/prompt", "blocked_labels": ["harmful"]}
    flows = {"flows": ["hf classifier check input $classifier=ours"]}
    rails = {"config": {"hf_classifier": {"ours": ours}}, "input": flows}
    return RailsConfig.from_content(yaml_content=yaml.safe_dump({"models": [], "rails": rails}))


def rails_with(action: Callable[..., Any]) -> LLMRails:
    """Build rails without a main LLM, whose only input rail calls an action."""
    settings = "colang_version: '1.0'\nmodels: []\nrails: {input: {flows: [railmatch check input]}}\n"
    rails = LLMRails(RailsConfig.from_content(colang_content=FLOWS.read_text(), yaml_content=settings))
    rails.register_action(action, ACTION)
    check_all(rails, ["warm up"])
    return rails


def checked_by(rails: LLMRails | Guardrails, expected: Mapping[str, str]) -> Callable[[str], Awaitable[Any]]:
    """Check one prompt; another status than the guard's ends the benchmark, for a failure is faster than a check."""

    async def check(text: str) -> None:
        result = await rails.check_async([{"role": "user", "content": text}])
        if result.status != expected[text]:
            sys.exit(f"{type(rails).__name__} should say {expected[text]!r} of {text!r}, and says {result}")

    return check


def check_all(rails: LLMRails, texts: Sequence[str]) -> None:
    """Check texts one after the other."""

    async def checks() -> None:
        for text in texts:
            await rails.check_async([{"role": "user", "content": text}])

    asyncio.run(checks())
