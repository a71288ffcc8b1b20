"""The pipeline on real input: 60 seeds of three categories, and the answers that a language model once gave to it.

``recording.jsonl`` holds an answer for the hash of each user message (what the policy and the rules in the system
message say may be reworded without recording anew). The texts are original; requests only, and vague replies.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from endpoint import ChatServer, Faults
from railmatch.ssl_train.augment.spending import Estimate
from railmatch.ssl_train.synthesis.recipe import SynthesisRecipe
from railmatch.ssl_train.synthesis.run import Synthesis, synthesize

HERE = Path(__file__).parent / "ssl_train" / "synthesis"
RESPONSE_SEEDS = (0, 7, 10, 13, 21, 25, 31, 33, 41, 48, 51, 56)


def key_of(messages: list[dict[str, Any]]) -> str:
    return hashlib.sha256(messages[-1]["content"].encode()).hexdigest()[:16]


def recorded_answers() -> Callable[[list[dict[str, Any]]], str]:
    lines = (HERE / "recording.jsonl").read_text(encoding="utf-8").split("\n")
    answers = {row["key"]: json.dumps(row["answer"]) for row in map(json.loads, filter(None, lines))}
    return lambda messages: answers[key_of(messages)]


def recorded_recipe(base_url: str, cache: Path, **changes: Any) -> SynthesisRecipe:
    endpoint = {"base_url": base_url, "model": "recorded", "max_concurrency": 8, "backoff_s": 0.001}
    settings: dict[str, Any] = {
        "task": "prompt",
        "seeds": {"file": str(HERE / "seeds.jsonl"), "category": "topic"},
        "policy": str(HERE / "policy.txt"),
        "queries": {"per_seed": 2},
        "judges": {"models": ["judge-one", "judge-two", "judge-three"]},
        "cache": str(cache),
    }
    return SynthesisRecipe(**settings | changes | {"endpoint": endpoint | changes.get("endpoint", {})})


def response_settings(folder: Path) -> dict[str, Any]:
    """The settings that ask for responses to prompts from twelve of the seeds, which are put into ``folder``."""
    lines = (HERE / "seeds.jsonl").read_text(encoding="utf-8").split("\n")
    (folder / "seeds.jsonl").write_text("\n".join(lines[row] for row in RESPONSE_SEEDS), encoding="utf-8")
    return {
        "task": "response",
        "seeds": {"file": str(folder / "seeds.jsonl"), "category": "topic"},
        "queries": {"per_seed": 1},
        "paraphrases": {"enabled": False},
    }


@dataclass
class Run:
    """A finished run: what came out, where, and what the endpoint was asked."""

    found: Synthesis
    folder: Path
    recipe: SynthesisRecipe
    requests: list[dict[str, Any]]
    agreed: list[Estimate] = field(default_factory=list)

    def rows(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / name).read_text(encoding="utf-8").split("\n") if line]


def run_recorded(folder: Path, faults: Faults = lambda number, body: None, **changes: Any) -> Run:
    """Run the pipeline against the recording; a call that was not recorded gets no answer and fails the run."""
    agreed: list[Estimate] = []
    with ChatServer(recorded_answers(), faults=faults) as server:
        recipe = recorded_recipe(server.base_url, folder / "cache.sqlite", **changes)
        found = synthesize(recipe, folder / "out", agree=agreed.append)
        return Run(found, folder / "out", recipe, list(server.requests), agreed)
