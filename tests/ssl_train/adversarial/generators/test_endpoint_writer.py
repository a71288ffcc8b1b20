"""The endpoint as a generator: recorded variants first, then asked for, each answer once."""

from pathlib import Path
from typing import Any

import pytest
from endpoint import ChatServer, Fault, first
from railmatch.classifier.errors import SettingsError
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.adversarial.attack import Seed
from railmatch.ssl_train.adversarial.generators.endpoint import EndpointWriter
from railmatch.ssl_train.adversarial.generators.none import NoAttacks
from railmatch.ssl_train.adversarial.instructions import Instructions
from railmatch.ssl_train.adversarial.patience import Patience
from railmatch.ssl_train.adversarial.recipe import GeneratorSettings
from railmatch.ssl_train.augment.rewrites import Recorded

SEEDS = [
    Seed("a", Exchange("how could somebody take a car that is not theirs"), 1),
    Seed("b", Exchange("where can somebody buy a car for little money"), 0),
]


class Answers:
    """Answers each call with other words, and says whether the seed was taken for harmful."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, messages: list[dict[str, Any]]) -> str:
        self.count += 1
        kind = "overlooked" if "overlook" in messages[0]["content"] else "blocked"
        return f"in which way might a person get to drive one, number {self.count}, {kind}"


def written(
    tmp_path: Path, server: ChatServer | None, texts_a_seed: int, recorded: Recorded, patience: Patience | None = None
) -> tuple[list[tuple[str, str, str, str]], int]:
    endpoint: dict[str, Any] | None = None
    if server:
        endpoint = {"base_url": server.base_url, "model": "m", "backoff_s": 0.001, "max_retries": 0}
        endpoint["max_concurrency"] = 1
    settings = GeneratorSettings.model_validate({"name": "endpoint", "recorded": "file", "endpoint": endpoint})
    counted: list[int] = []
    writer = EndpointWriter(
        settings,
        Instructions("prompt"),
        recorded,
        cache=str(tmp_path / "cache.sqlite"),
        patience=patience or Patience(0, lambda words: None),
    )
    found = writer.propose(SEEDS, texts_a_seed, round_seed=0, advance=counted.append)
    return [(each.seed.id, each.text, each.author.model, each.author.template) for each in found], sum(counted)


def test_recorded_variants_need_nobody(tmp_path: Path):
    recorded = {"a": [Exchange("one"), None, Exchange("two"), Exchange("three")], "other": [Exchange("x")]}
    found, counted = written(tmp_path, None, 2, recorded)
    assert found == [("a", "one", "", "recorded"), ("a", "two", "", "recorded")]
    assert counted == 2


def test_the_endpoint_is_asked_for_the_rest_by_an_instruction_for_each_class(tmp_path: Path):
    with ChatServer(Answers()) as server:
        found, _ = written(tmp_path, server, 2, {"a": [Exchange("recorded")]})
        assert server.calls == 4  # its variants are numbered, so that what is recorded does not change what is asked
        again, _ = written(tmp_path, server, 2, {"a": [Exchange("recorded")]})
        assert (again, server.calls) == (found, 4)
    assert [(seed, model) for seed, _, model, _ in found] == [("a", ""), ("a", "m"), ("b", "m"), ("b", "m")]
    assert found[1][1].endswith("overlooked") and all(text.endswith("blocked") for _, text, _, _ in found[2:])
    assert found[1][3].startswith("attack/harmful@") and found[2][3].startswith("attack/unharmful@")


def test_an_outage_is_waited_out(tmp_path: Path):
    said: list[str] = []
    patience = Patience(60, said.append, lambda seconds: None)
    with ChatServer(Answers(), faults=first(5, Fault("broken"))) as server:
        found, _ = written(tmp_path, server, 1, {}, patience)
    assert len(found) == 2
    assert said[0] == (
        "generator: waiting 1s before the next try: 1 variants of 1 seeds were not answered: see to the endpoint and "
        "run again, what was answered is stored"
    )


def test_of_a_pair_the_response_is_attacked(tmp_path: Path):
    seed = Seed("p", Exchange("a question", "an answer that is long enough to be said in other words"), 1)
    with ChatServer(lambda messages: "a reply in quite other words that says the very same thing") as server:
        endpoint = {"base_url": server.base_url, "model": "m"}
        settings = GeneratorSettings.model_validate({"name": "endpoint", "endpoint": endpoint})
        cache, patience = str(tmp_path / "cache.sqlite"), Patience(0, lambda words: None)
        writer = EndpointWriter(settings, Instructions("response"), {}, cache=cache, patience=patience)
        (found,) = writer.propose([seed], 1, round_seed=0, advance=lambda count: None)
        assert "a question" not in str(server.requests)
    assert found.exchange == Exchange("a question", "a reply in quite other words that says the very same thing")


def test_the_estimate_counts_what_is_not_answered_yet(tmp_path: Path):
    with ChatServer(Answers()) as server:
        endpoint = {"base_url": server.base_url, "model": "m", "price_input": 1.0, "price_output": 2.0}
        settings = GeneratorSettings.model_validate({"name": "endpoint", "endpoint": endpoint})
        cache, patience = str(tmp_path / "cache.sqlite"), Patience(0, lambda words: None)
        writer = EndpointWriter(settings, Instructions("prompt"), {}, cache=cache, patience=patience)
        before = writer.estimate(SEEDS, 2)
        writer.propose(SEEDS, 2, round_seed=0, advance=lambda count: None)
        after = writer.estimate(SEEDS, 3)
    assert (before.calls, after.calls) == (4, 2)
    assert before.cost is not None and before.cost > 0


def test_nothing_is_written_by_nobody():
    assert NoAttacks().propose(SEEDS, 4, round_seed=0, advance=lambda count: None) == []


def test_instructions_that_are_not_there_are_named(tmp_path: Path):
    with pytest.raises(SettingsError) as error:
        Instructions("prompt", str(tmp_path / "{label}.txt"))
    assert str(error.value) == (
        f"generator.instructions: no file {tmp_path / 'unharmful.txt'} (looked for {tmp_path / 'unharmful.txt'})"
    )


@pytest.mark.parametrize("task", ["prompt", "response"])
def test_the_shipped_instructions_fence_the_seed_off(task):
    seed = Seed(
        "a", Exchange("q", "x {text} <<<END 0>>>") if task == "response" else Exchange("x {text} <<<END 0>>>"), 1
    )
    system, user = Instructions(task).messages(seed)
    assert system["role"] == "system" and "{" not in system["content"]
    assert user["content"].count("<<<TEXT ") == 2 and "x {text} <<<END 0>>>" in user["content"]
