"""A whole hardening whose generator learns: each round practises anew, and the page shows how that went."""

import json
from pathlib import Path

import pytest
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.adversarial.attack import Seed
from railmatch.ssl_train.adversarial.instructions import Instructions
from railmatch.ssl_train.adversarial.report import LEARNING
from railmatch.ssl_train.adversarial.run import harden
from small_attacks import attack, learn_by_heart, plain, write_instructions

from ..conftest import LABELLED, World
from ..test_run import recipe

pytest.importorskip("trl", reason="the extra [adversarial] is not installed")
pytest.importorskip("peft", reason="the extra [adversarial] is not installed")

TEXTS_A_SEED = 4
SEEDS = 8


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """A tiny model that writes the attacks of every seed, and how it learns: 3 texts of 4, in steps of 4."""
    folder = tmp_path_factory.mktemp("generator")
    own = write_instructions(folder)
    instructions = Instructions("prompt", own)
    known = {
        "\n\n".join(each["content"] for each in instructions.messages(seed_of(label, n, form))) + "\n": [
            *(attack(label, n, kind) for kind in range(3)), plain(label, n, 1 - form),
        ]
        for n in LABELLED for label in (1, 0) for form in (0, 1)
    }  # fmt: skip
    rl = {"group": 2, "batch": 2, "learning_rate": 1e-3, "lora": False}
    return {
        "name": "rl", "model": str(learn_by_heart(folder / "model", known, seed=0, steps=120)), "template": "plain",
        "texts_a_seed": TEXTS_A_SEED, "max_tokens": 20, "instructions": own, "rl": rl,
    }  # fmt: skip


def seed_of(label: int, number: int, form: int) -> Seed:
    return Seed("", Exchange(plain(label, number, form)), label)


def test_a_hardening_whose_generator_learns(world: World, tmp_path: Path, generator: dict[str, object]):
    asked = recipe(world, tmp_path, generator=generator, rounds=1, seeds={"a_round": SEEDS})
    out = tmp_path / "out"
    hardened = harden(asked, out, say=lambda text: None)

    facts = json.loads((out / "hardening.json").read_text())
    to_learn = TEXTS_A_SEED * 3 // 4 * SEEDS
    # the attack of round 2 only measures the classifier of round 1, and learns against it all the same
    assert [learned["texts"] for learned in facts["learned"]] == [to_learn, to_learn]
    assert [harvest["texts"] for harvest in facts["harvests"]] == [SEEDS, SEEDS]
    assert facts["harvests"][0]["kept"] > 0
    page = hardened.page.read_text()
    assert all(caption in page for caption in LEARNING.values())
    written = [json.loads(line) for line in (out / "rounds" / "1" / "attacks.jsonl").read_text().splitlines()]
    assert {row["generator"] for row in written} == {"rl"}
    assert {row["seed"]["label"] for row in written} == {"harmful", "unharmful"}
    assert (out / "rounds" / "1" / "generator" / "model" / "config.json").is_file()
    assert not (out / "rounds" / "1" / "generator" / "checkpoints").exists()

    before = {file: file.stat().st_mtime_ns for file in out.rglob("*.safetensors")}
    again = harden(asked, out, say=lambda text: None)
    assert again.outcome == hardened.outcome
    assert {file: file.stat().st_mtime_ns for file in out.glob("rounds/**/*.safetensors")}.items() <= before.items()
