"""Reinforcement learning for real: a tiny language model practises against a tiny classifier."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import GradientState, PartialState
from railmatch.classifier.errors import DataError, EndpointDownError, ModelError, SettingsError
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier
from railmatch.ssl_train.adversarial.attack import Candidate, Seed
from railmatch.ssl_train.adversarial.fluency import Fluency
from railmatch.ssl_train.adversarial.generators.causal import CausalWriter, load_tokenizer
from railmatch.ssl_train.adversarial.instructions import Instructions
from railmatch.ssl_train.adversarial.judges import ClassifierJudges, Judges
from railmatch.ssl_train.adversarial.patience import Patience
from railmatch.ssl_train.adversarial.recipe import (
    GateSettings,
    GeneratorSettings,
    HardenRecipe,
    RlSettings,
    ShapingSettings,
)
from railmatch.ssl_train.adversarial.rewards import Reward, Terms
from railmatch.ssl_train.embedding import Remembered
from railmatch.ssl_train.memory import Batch
from small_attacks import attack, learn_by_heart, plain, write_instructions
from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM

pytest.importorskip("trl", reason="the extra [adversarial] is not installed")
pytest.importorskip("peft", reason="the extra [adversarial] is not installed")

from railmatch.ssl_train.adversarial.generators.grpo import GrpoWriter, in_turn, steps_within
from railmatch.ssl_train.adversarial.generators.practice import (
    CURVES,
    Exercise,
    Practice,
    configuration,
    curves_of,
    last_checkpoint,
    means,
    verbatim,
)

SEEDS = [Seed(f"{label}-{n}", Exchange(plain(label, n)), label) for n in range(4) for label in (1, 0)]

def answers(seed: Seed) -> list[str]:
    """What the model writes before it practises: two texts of three are no attack, and the third is one of three."""
    number = int(seed.id.rpartition("-")[2])
    harmless = [plain(seed.label, number, form) for form in (0, 1)]
    return [*harmless * 3, *[attack(seed.label, number, form) for form in range(3)]]


@pytest.fixture(scope="module")
def instructions(tmp_path_factory: pytest.TempPathFactory) -> Instructions:
    return Instructions("prompt", write_instructions(tmp_path_factory.mktemp("instructions")))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, instructions: Instructions) -> Path:
    """A tiny Llama that has learnt its answers by heart."""
    prompts = {seed: "\n\n".join(each["content"] for each in instructions.messages(seed)) + "\n" for seed in SEEDS}
    known = {prompt: answers(seed) for seed, prompt in prompts.items()}
    return learn_by_heart(tmp_path_factory.mktemp("generator"), known, seed=0, steps=100)


@pytest.fixture(scope="module")
def reward(world, model: Path) -> Reward:
    own = [text for seed in SEEDS for text in answers(seed)]
    writer = CausalWriter.load(str(model), "plain", device="cpu", batch=Batch(64, "texts"))
    judges = Judges([ClassifierJudges([SafetyClassifier.load(world.judge, device="cpu")])], asked=1, needed=1)
    return Reward(
        SafetyClassifier.load(world.classifier, device="cpu"),
        judges,
        Remembered(),
        Fluency.of(writer.fluency, own, 0.0),
        GateSettings(cosine=[0.2, 0.95]),
        ShapingSettings(group=1.0),  # so few answers are known here that one would be enough for all
    )


def settings(model: Path, **rl: object) -> GeneratorSettings:
    learning = {"lora": False, "learning_rate": 1e-3, "beta": 0.02, "entropy": 0.02} | rl
    return GeneratorSettings(
        name="rl", model=str(model), template="plain", max_tokens=16, rl=RlSettings.model_validate(learning)
    )


SMALL = {"group": 2, "batch": 2}
"""A step of four texts, for tests of what is around the learning."""


@dataclass
class Machine:
    """A machine on which scoring may fail: at a call of this number, or with more texts at a time than fit."""

    reward: Reward
    fails_at: int | None = None
    room: int = 1000
    batches: list[int] = field(default_factory=list)

    def score(self, candidates: Sequence[Candidate]) -> list[Terms]:
        self.batches.append(len(candidates))
        if len(self.batches) == self.fails_at:
            raise EndpointDownError("judges: the endpoint does not answer")
        if len(candidates) > self.room:
            raise torch.OutOfMemoryError("planted")
        return self.reward.score(candidates)


def ignored(_: object) -> None:
    """Nobody is told."""


def weights(folder: Path) -> torch.Tensor:
    network = AutoModelForCausalLM.from_pretrained(folder)
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def fooling(terms: Sequence[Terms]) -> float:
    return means(terms)["fool"]


def fooling_of(label: int, candidates: Sequence[Candidate], terms: Sequence[Terms]) -> float:
    return fooling([each for candidate, each in zip(candidates, terms, strict=True) if candidate.seed.label == label])


def test_what_is_written_after_learning_fools_more_and_is_as_diverse(
    model: Path, reward: Reward, instructions: Instructions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    a_seed, to_learn, to_write = 72, 64, 8
    writer = GrpoWriter(settings(model), instructions, device="cpu", seed=0, say=pytest.fail)
    untaught = writer.propose(SEEDS, a_seed, round_seed=1, advance=ignored)
    control = reward.score(untaught)
    counts: list[int] = []
    learned = writer.learn(SEEDS, reward, texts_a_seed=to_learn, folder=tmp_path, advance=counts.append)
    written = writer.propose(SEEDS, to_write, round_seed=1, advance=ignored)
    found = reward.score(written)

    assert learned.texts == sum(counts) == to_learn * len(SEEDS)  # with to_write as many as the control wrote
    assert fooling(found) > 1.5 * fooling(control)
    for label in (1, 0):  # misses and false alarms alike; how much more differs between processors, from 1.03 times on
        assert fooling_of(label, written, found) > fooling_of(label, untaught, control)
    as_many = [each for number, each in enumerate(untaught) if number % a_seed < to_write]
    assert means(found)["diversity"] > means(reward.score(as_many))["diversity"] / 3
    assert set(learned.curves) == set(CURVES)
    assert {len(curve) for curve in learned.curves.values()} == {16}
    assert np.mean(learned.curves["fool"][-4:]) > 1.3 * np.mean(learned.curves["fool"][:2])
    assert learned.curves["kl"][0] == pytest.approx(0.0, abs=1e-4)
    assert learned.curves["kl"][-1] > 0
    assert capsys.readouterr() == ("", "")

    again = GrpoWriter(settings(model), instructions, device="cpu", seed=0, say=pytest.fail)
    assert again.learn(SEEDS, None, texts_a_seed=to_learn, folder=tmp_path, advance=pytest.fail) == learned
    assert again.propose(SEEDS, to_write, round_seed=1, advance=ignored) == written
    assert not (tmp_path / "checkpoints").exists()
    assert {each.author.generator for each in written} == {"rl"}


def test_an_interrupted_practice_goes_on_from_its_last_checkpoint(
    model: Path, reward: Reward, instructions: Instructions, tmp_path: Path
):
    def learn(folder: Path, machine: Machine, counts: list[int]) -> dict[str, list[float]]:
        writer = GrpoWriter(settings(model, **SMALL), instructions, device="cpu", seed=3, say=pytest.fail)
        return writer.learn(SEEDS, machine, texts_a_seed=2, folder=folder, advance=counts.append).curves

    whole = learn(tmp_path / "whole", Machine(reward), [])
    stopped, counts = Machine(reward, fails_at=4), []
    with pytest.raises(EndpointDownError, match=r"^judges: the endpoint does not answer$"):
        learn(tmp_path / "parts", stopped, counts)
    assert sum(counts) == 12
    resumed, counts = Machine(reward), []
    curves = learn(tmp_path / "parts", resumed, counts)
    assert resumed.batches == [4]  # three of four steps are not taken again
    assert sum(counts) == 16
    assert curves == {name: pytest.approx(values, rel=1e-4, abs=1e-5) for name, values in whole.items()}
    assert torch.allclose(weights(tmp_path / "parts" / "model"), weights(tmp_path / "whole" / "model"), atol=1e-6)


def test_out_of_memory_halves_the_batch_says_so_and_goes_on(
    model: Path, reward: Reward, instructions: Instructions, tmp_path: Path
):
    said: list[str] = []
    machine, counts = Machine(reward, room=2), []
    writer = GrpoWriter(settings(model, **SMALL), instructions, device="cpu", seed=0, say=said.append)
    before = dict(PartialState._shared_state), dict(GradientState._shared_state)
    learned = writer.learn(SEEDS, machine, texts_a_seed=1, folder=tmp_path, advance=counts.append)
    assert said == ["out of GPU memory: going on with batches of 2 texts"]
    assert machine.batches == [4, 2, 2, 2, 2]
    assert learned.texts == sum(counts) == 8
    assert {len(curve) for curve in learned.curves.values()} == {2}
    assert (dict(PartialState._shared_state), dict(GradientState._shared_state)) == before


def test_no_memory_for_one_text(model: Path, reward: Reward, instructions: Instructions, tmp_path: Path):
    writer = GrpoWriter(settings(model, **SMALL), instructions, device="cpu", seed=0, say=ignored)
    with pytest.raises(ModelError) as error:
        writer.learn(SEEDS, Machine(reward, room=0), texts_a_seed=1, folder=tmp_path, advance=ignored)
    assert str(error.value) == (
        "out of GPU memory even with batches of 1 texts: take a smaller model, end what else uses the GPU, or set "
        "device to cpu"
    )


def test_adapters_are_merged_into_an_ordinary_model(
    model: Path, reward: Reward, instructions: Instructions, tmp_path: Path
):
    rl = {**SMALL, "lora": True, "lora_rank": 2, "learning_rate": 1e-3}
    writer = GrpoWriter(settings(model, **rl), instructions, device="cpu", seed=0, say=pytest.fail)
    writer.learn(SEEDS, reward, texts_a_seed=1, folder=tmp_path, advance=ignored)
    before, after = weights(model), weights(tmp_path / "model")
    assert before.shape == after.shape
    assert 0 < (before - after).abs().max() < 0.5


def test_a_budget_below_one_step_is_refused():
    assert steps_within(97, RlSettings(group=8, batch=4)) == 3
    with pytest.raises(SettingsError) as error:
        steps_within(31, RlSettings(group=8, batch=4))
    assert str(error.value) == (
        "generator.rl: 31 texts may be written to learn from, and one step writes 32 (group 8 x batch 4): raise "
        "generator.texts_a_seed or seeds.a_round, or lower group or batch"
    )


def exercise(seed: Seed) -> Exercise:
    return Exercise(seed, "", "")


def test_harmful_and_unharmful_seeds_take_turns():
    labels = [each.seed.label for each in in_turn([exercise(seed) for seed in [*SEEDS[::2], *SEEDS[1::2], SEEDS[0]]])]
    assert labels == [1, 0, 1, 0, 1, 0, 1, 0]


def test_prompts_without_room_are_not_practised(
    model: Path, reward: Reward, instructions: Instructions, tmp_path: Path
):
    longer = settings(model, **SMALL).model_copy(update={"max_tokens": 90})  # of 96 in all
    writer = GrpoWriter(longer, instructions, device="cpu", seed=0, say=ignored)
    with pytest.raises(DataError) as error:
        writer.learn(SEEDS, reward, texts_a_seed=1, folder=tmp_path, advance=ignored)
    assert str(error.value) == (
        "generator.model has room for 0 harmful and 0 unharmful seeds with their instruction and generator.max_tokens "
        "of an answer, and learns from both: lower max_tokens, or name a model of a longer context"
    )


def test_prompts_are_practised_as_they_are_sampled(model: Path):
    tokenizer = load_tokenizer(str(model), "plain")
    beginning = TemplateProcessing(single="<eos> $A", special_tokens=[("<eos>", tokenizer.eos_token_id)])
    tokenizer.backend_tokenizer.post_processor = beginning
    prompt = "how do i steal the car\n"
    as_sampled = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    assert tokenizer(prompt)["input_ids"] == [tokenizer.eos_token_id, *as_sampled]
    messages = [{"role": "user", "content": prompt}]
    found = verbatim(tokenizer).apply_chat_template(messages, add_generation_prompt=True, return_dict=True)
    assert found["input_ids"] == as_sampled
    assert verbatim(tokenizer).apply_chat_template(messages, tokenize=False) == prompt
    assert not tokenizer.chat_template


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of trl about transformers
@pytest.mark.parametrize(
    ("rl", "rate"),
    [({}, 5e-5), ({"lora": False}, 5e-6), ({"learning_rate": 1e-3}, 1e-3)],
)
def test_adapters_learn_ten_times_as_fast_as_weights_unless_a_rate_is_set(
    rl: dict[str, object], rate: float, model: Path, tmp_path: Path
):
    asked = settings(model).model_copy(update={"rl": RlSettings.model_validate(rl)})
    assert configuration(Practice([], 1, asked, None, "cpu", 0), tmp_path, 32).learning_rate == rate


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of trl about transformers
@pytest.mark.parametrize(
    ("size", "part", "parts", "a_writing"),
    [(12, 12, 1, 1), (6, 6, 2, 2), (3, 3, 4, 4), (5, 4, 3, 1), (1, 1, 12, 4)],
)
def test_a_smaller_batch_leaves_the_step_as_large(
    size: int, part: int, parts: int, a_writing: int, model: Path, tmp_path: Path
):
    # a step is 3 groups of 4 texts; written at a time is the smallest number of parts that is whole groups, too
    practice = Practice([], 1, settings(model, group=4, batch=3), None, "cpu", 0)
    found = configuration(practice, tmp_path, size)
    assert (found.per_device_train_batch_size, found.gradient_accumulation_steps) == (part, parts)
    assert found.steps_per_generation == a_writing
    assert found.generation_batch_size % 4 == 0


def test_the_last_whole_checkpoint_is_found(tmp_path: Path):
    assert last_checkpoint(tmp_path / "none") is None
    for step, whole in ((9, True), (10, True), (11, False)):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if whole:
            (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text("{}")
    assert last_checkpoint(tmp_path) == str(tmp_path / "checkpoint-10")


class NotInstalled:
    """A finder that does not find trl."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "trl":
            raise ModuleNotFoundError("No module named 'trl'", name="trl")


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, model: Path):
    for name in [*sys.modules]:
        if name.partition(".")[0] == "trl" or name.startswith("railmatch.ssl_train.adversarial.generators."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [NotInstalled(), *sys.meta_path])
    recipe = HardenRecipe.model_validate(
        {
            "task": "prompt", "classifier": "m", "training": "t.yml", "judges": {"classifiers": [{"model": "j"}]},
            "generator": settings(model).model_dump(),
        }
    )  # fmt: skip
    from railmatch.ssl_train.adversarial.generators.make import make_generator

    with pytest.raises(SettingsError) as error:
        make_generator(recipe, Patience(0, ignored), ignored)
    assert str(error.value) == (
        "generator.name is 'rl', which needs trl: pip install 'railmatch[adversarial]', or set generator.name to "
        "best_of_n"
    )


def test_means_and_curves_by_hand():
    passed = Terms(0.1, 2.0, {"label": True}, {}, cosine=0.7, likeness=0.25)
    failed = Terms(0.1, 4.0, {"label": False}, {}, cosine=0.7, likeness=0.75)
    assert means([passed, failed]) == {"fool": 1.0, "passed": 0.5, "diversity": 0.5}
    log = [{"reward": 1.0, "loss": 3.0}, {"reward": 2.0, "kl": 0.5}, {"train_runtime": 9.0}]
    assert curves_of(log) == {"reward": [1.0, 2.0], "kl": [0.5]}
