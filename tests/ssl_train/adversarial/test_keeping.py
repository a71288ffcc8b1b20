"""What a hardening leaves beside the weights: the report and the card of any model, which tell of the rounds."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from railmatch.classifier.errors import ModelError
from railmatch.classifier.metrics import evaluate_scores
from railmatch.cli import main
from railmatch.ssl_train.adversarial.run import harden
from railmatch.ssl_train.report.facts import Facts, read_facts
from small_training import write_rows

from .conftest import EVERYDAY, World
from .test_run import recipe


def words(html: str) -> str:
    """The text of a page without its tags and plots, in single spaces."""
    return " ".join(re.sub(r"<svg.*?</svg>|<[^>]+>", " ", html, flags=re.DOTALL).split())


def report(model: Path) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["report", str(model)])
    return done.exit_code, done.stdout + done.stderr


@pytest.fixture(scope="module")
def hardened(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that one round has left."""
    folder = tmp_path_factory.mktemp("kept")
    asked = recipe(world, folder, rounds=1, fine_tune={"steps": 60, "learning_rate": 2e-3})
    found = harden(asked, folder / "out", say=lambda words: None)
    assert found.best.round == 1
    return found.model


@pytest.fixture(scope="module")
def facts(hardened: Path) -> Facts:
    return read_facts(hardened)


def unimproved(world: World, tmp_path: Path, **changes: Any) -> Path:
    """The model that is left where all attacks are hacks."""
    write_rows(tmp_path / "hacks.jsonl", [{"id": f"l{number}", "rewrites": ["", "??"]} for number in range(24)])
    generator = {"name": "endpoint", "recorded": str(tmp_path / "hacks.jsonl")}
    asked = recipe(world, tmp_path, **{"generator": generator} | changes)
    return harden(asked, tmp_path / "out", say=lambda words: None).model


def test_the_report_of_a_hardened_model_is_made_again_by_the_command(hardened: Path):
    before = (hardened / "report.html").read_text()
    assert report(hardened) == (0, f"{hardened / 'report.html'}\n")
    assert (hardened / "report.html").read_text() == before
    said = words(before)
    assert "Of the fine-tuning of the round that was kept; each point" in said
    assert "There are no test figures: a hardening reads no test data." in said
    for caption in ("Losses", "Precision-recall curve", "Reliability, with 95% intervals"):
        assert f'aria-label="{caption}"' in before
    # 24 original examples, and of 24 seeds three attacks each; 0.3 / 0.7 * 24 = 10.3 may be learnt from
    assert "Labelled 17 harmful, 17 unharmful" in said
    assert "Texts written 144 Kept" in said  # in the round and in the attack that measures it
    assert "Learnt from in the round that was kept 5 harmful, 5 unharmful" in said
    assert "Seeds broken by fresh attacks, before 100.0%" in said
    assert "Recipe of the hardening task: prompt" in said


def test_the_figures_are_those_of_the_new_threshold_on_either_half(facts: Facts):
    threshold = facts.settings.threshold
    for name, scored in (("held_back", facts.scores.held_back), ("decision", facts.scores.decision)):
        assert scored is not None and len(scored.labels) == 40
        figures = evaluate_scores(scored.labels, scored.scores, threshold=threshold).as_dict()
        assert facts.training[name] == json.loads(json.dumps(figures))
    # what the threshold was chosen by and what is shown of it are the same scores, also at the very threshold
    assert facts.training["held_back"]["fpr"] == facts.training["calibration"]["fpr"] <= 0.05
    assert facts.training["history"]["step"] == [20, 40, 60]
    assert facts.training["seed"] == 0
    assert set(facts.training["versions"]) >= {"railmatch", "torch"}


def test_the_mistakes_are_held_out_examples(facts: Facts, world: World):
    texts = [json.loads(line)["prompt"] for line in (world.folder / "held_out.jsonl").read_text().splitlines()]
    assert facts.scores.mistakes is not None
    assert {mistake.prompt for mistake in facts.scores.mistakes} <= set(texts)


def test_the_card_says_that_it_was_hardened_from_what_and_by_whom(hardened: Path, world: World):
    card = (hardened / "README.md").read_text()
    assert (
        f"Hardened from {world.classifier} in 1 adversarial round by the generator endpoint, of which round 1 was "
        "kept; 10 of the labelled examples it learnt from then are attacks."
    ) in card
    assert "- Rounds: 1, kept: 1\n" in card
    assert "Half of the held-out examples, which no round was trained on, were scored by this model;" in card


def test_attacks_are_strong_views_where_the_classifier_learns_from_a_pool(world: World, tmp_path: Path):
    anyhow = {"auprc_loss": 1.0, "benign_rise": 1.0, "min_gain": 0.0}
    asked = recipe(world, tmp_path, rounds=1, decide=anyhow, fine_tune={"steps": 4, "method": "fixmatch"})
    harden(asked, tmp_path / "out", say=lambda words: None)
    learnt = json.loads((tmp_path / "out/rounds/1/training.json").read_text())
    attacks = sum(learnt["attacks"].values())
    assert learnt["method"] == "fixmatch"
    assert (learnt["labels"], attacks) == (24 + 10, 10)
    seeds = {
        json.loads(line)["seed"]["id"]
        for line in (tmp_path / "out/rounds/1/attacks.jsonl").read_text().splitlines()
        if not json.loads(line)["rejected"]
    }
    # of the everyday texts, all without rewrites, and of the attacks' seeds, each of which has one at least
    assert len(EVERYDAY) < learnt["pool"] <= len(EVERYDAY) + min(attacks, len(seeds))


def test_a_model_that_no_round_improved_keeps_its_report_and_says_so(world: World, tmp_path: Path):
    model = unimproved(world, tmp_path)
    own, kept = read_facts(world.classifier), read_facts(model)
    assert kept.scores == own.scores
    assert {name: kept.training[name] for name in own.training} == own.training
    said = words((model / "report.html").read_text())
    assert f"It is {world.classifier} as it was: no round of attacks by endpoint improved it." in said
    assert "Texts written 48 Kept 0 Rejected: length 24 Rejected: empty 24" in said
    assert "No labels were held back (calibration.folds was 0)." in said


def test_a_start_that_tells_nothing_of_its_training_is_hardened_all_the_same(world: World, tmp_path: Path):
    bare = tmp_path / "bare"
    shutil.copytree(world.classifier, bare, ignore=shutil.ignore_patterns("training.json", "scores.json", "*.html"))
    model = unimproved(world, tmp_path, classifier=str(bare))
    assert report(model) == (
        2,
        f"Error: {model} holds no training.json, which railmatch train writes: without it there is nothing to report\n",
    )


def test_a_start_whose_files_are_damaged_is_refused_before_the_rounds(world: World, tmp_path: Path):
    damaged = tmp_path / "damaged"
    shutil.copytree(world.classifier, damaged)
    (damaged / "training.json").write_text("{")
    with pytest.raises(ModelError, match=r"training\.json cannot be read: .*; train the model again$"):
        unimproved(world, tmp_path, classifier=str(damaged))
    assert not (tmp_path / "out").exists()
