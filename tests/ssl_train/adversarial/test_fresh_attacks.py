"""The claim itself: what a generator finds, the classifier learns; and another generator's new attacks then fail.

Both generators are tiny language models of random weights that learnt the lines of this test by heart, the second of
other weights and other seeds.
"""

from pathlib import Path

from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier
from railmatch.ssl_train.adversarial.attack import Seed
from railmatch.ssl_train.adversarial.fluency import Fluency
from railmatch.ssl_train.adversarial.generators.best_of_n import BestOfN
from railmatch.ssl_train.adversarial.generators.causal import CausalWriter
from railmatch.ssl_train.adversarial.harvest import score
from railmatch.ssl_train.adversarial.instructions import Instructions
from railmatch.ssl_train.adversarial.judges import ClassifierJudges, Judges
from railmatch.ssl_train.adversarial.recipe import GateSettings, GeneratorSettings, ShapingSettings
from railmatch.ssl_train.adversarial.rewards import Reward
from railmatch.ssl_train.adversarial.run import harden
from railmatch.ssl_train.embedding import Remembered
from railmatch.ssl_train.evaluation import evaluate
from railmatch.ssl_train.memory import Batch
from small_attacks import attack, learn_by_heart, plain, write_instructions

from .conftest import LABELLED, TEST, World
from .test_run import recipe

SEEDS, FRESH = (
    [Seed(f"{y}{n}{f}", Exchange(plain(y, n, f)), y) for n in numbers for y in (0, 1) for f in (0, 1)]
    for numbers in (LABELLED, TEST)
)


def generator(folder: Path, instructions: Instructions, seeds: list[Seed], chance: int) -> Path:
    """A model that writes of each seed the three attacks, and two texts that are none."""
    answers = {}
    for seed in seeds:
        number = int(seed.id[1:-1])
        lines = [*(attack(seed.label, number, form) for form in range(3)), seed.text, plain(1 - seed.label, number)]
        answers["\n\n".join(message["content"] for message in instructions.messages(seed)) + "\n"] = lines
    return learn_by_heart(folder, answers, seed=chance, steps=100)


def success_of_fresh_attacks(classifier: Path, world: World, model: Path, instructions: Instructions) -> float:
    """The share of faithful texts that a classifier is wrong about, of those a generator writes for fresh seeds."""
    writer = CausalWriter.load(str(model), "plain", device="cpu", batch=Batch(64, "texts"))
    settings = GeneratorSettings(name="best_of_n", model=str(model), max_tokens=20)
    found = BestOfN(writer, instructions, settings).propose(FRESH, 6, round_seed=9, advance=lambda count: None)
    judges = Judges([ClassifierJudges([SafetyClassifier.load(world.judge, device="cpu")])], asked=1, needed=1)
    fluency = Fluency.of(writer.fluency, [seed.text for seed in FRESH], 0.0)
    gate, model_ = GateSettings(cosine=[0.4, 0.99]), SafetyClassifier.load(classifier, device="cpu")
    reward = Reward(model_, judges, Remembered(), fluency, gate, ShapingSettings())
    scored = [each for each in score(found, reward, 1, lambda count: None) if each.terms.gate]
    assert len(scored) > 20
    return sum(each.succeeds for each in scored) / len(scored)


def test_fresh_attacks_of_a_generator_trained_anew_succeed_half_as_often(world: World, tmp_path: Path):
    instructions = Instructions("prompt", write_instructions(tmp_path))
    first = generator(tmp_path / "first", instructions, SEEDS, 0)
    second = generator(tmp_path / "second", instructions, FRESH, 1)
    settings = recipe(
        world,
        tmp_path,
        rounds=1,
        generator={
            "name": "best_of_n",
            "model": str(first),
            "template": "plain",
            "texts_a_seed": 4,
            "max_tokens": 20,
            "instructions": str(tmp_path / "{label}.txt"),
        },
        gate={"cosine": [0.4, 0.99], "fluency": 0.0},
        fine_tune={"steps": 150, "learning_rate": 2e-3},
        decide={"benign_rise": 0.2},  # of twenty harmless texts to decide by, one is 5%
    )
    found = harden(settings, tmp_path / "out", say=lambda words: None)
    assert found.best.round == 1
    before = success_of_fresh_attacks(world.classifier, world, second, instructions)
    after = success_of_fresh_attacks(found.model, world, second, instructions)
    assert before > 0.7
    assert after <= before / 2
    clean = str(world.folder / "test.jsonl")
    start, hardened = (evaluate(folder, clean, device="cpu") for folder in (world.classifier, found.model))
    assert hardened.f1_at_half >= start.f1_at_half - 0.01
    assert hardened.f1 >= start.f1 - 0.01
