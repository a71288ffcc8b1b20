"""Whole hardenings: attacks are found, learnt from, found no more; a killed run goes on; bad input is refused."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from railmatch.classifier.errors import DataError, SettingsError
from railmatch.classifier.model import SafetyClassifier
from railmatch.ssl_train.adversarial.recipe import HardenRecipe
from railmatch.ssl_train.adversarial.run import Hardened, harden
from railmatch.ssl_train.evaluation import evaluate
from railmatch.ssl_train.progress import Advance
from small_attacks import attack
from small_attacks import plain as text
from small_training import write_rows

from .conftest import LABELLED, World


def recorded(folder: Path, *, more: Callable[[int, int], list[str]] = lambda label, number: []) -> Path:
    """Three attacks on each seed, as a language model would have written them, after ``more``."""
    rows = []
    for number, (n, label) in enumerate((n, label) for n in LABELLED for label in (0, 1) for _ in (0, 1)):
        variants = [*more(label, n), *(attack(label, n, form) for form in range(3))]
        rows.append({"id": f"l{number}", "rewrites": variants})
    write_rows(folder / "recorded.jsonl", rows)
    return folder / "recorded.jsonl"


def recipe(world: World, tmp_path: Path, **changes: Any) -> HardenRecipe:
    content: dict[str, Any] = {
        "task": "prompt",
        "classifier": str(world.classifier),
        "training": str(world.training),
        "held_out": str(world.folder / "held_out.jsonl"),
        "generator": {"name": "endpoint", "recorded": str(recorded(tmp_path))},
        "judges": {"classifiers": [{"model": str(world.judge)}]},
        "gate": {"cosine": [0.4, 0.99], "fluency": 0.02},
        "harvest": {"same_meaning": 0.999, "near_copy": 1.0, "a_seed": 2},
        "fine_tune": {"steps": 100, "learning_rate": 2e-3},
        "decide": {"benign_rise": 0.1},  # of twenty harmless texts to decide by, one is 5%
        "cache": str(tmp_path / "cache.sqlite"),
        "rounds": 2,
        "device": "cpu",
    }
    return HardenRecipe.model_validate(content | changes)


def run(world: World, tmp_path: Path, **changes: Any) -> tuple[Hardened, list[str]]:
    said: list[str] = []
    return harden(recipe(world, tmp_path, **changes), tmp_path / "out", say=said.append), said


@pytest.fixture(scope="module")
def finished(world: World, tmp_path_factory: pytest.TempPathFactory) -> tuple[Hardened, list[str], Path]:
    """One whole run against recorded attacks, which several tests look at."""
    folder = tmp_path_factory.mktemp("finished")
    hacks = {"more": lambda label, number: [text(1, number, 0), ""]}  # written for both classes: a copy or a drift
    recorded_with_hacks = recorded(folder / "hacked", **hacks)
    generator = {"name": "endpoint", "recorded": str(recorded_with_hacks)}
    return *run(world, folder, generator=generator), folder / "out"


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "rounds" / name).read_text().splitlines()]


def files(folder: Path) -> dict[str, int]:
    """When every file of a folder was written."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_what_was_learnt_from_succeeds_less(finished: tuple[Hardened, list[str], Path]):
    outcome = finished[0].outcome
    assert outcome.figures[0].fresh == 1.0  # every seed is broken by at least one of its attacks
    assert outcome.best >= 1
    assert finished[0].best.fresh is not None and finished[0].best.fresh <= 0.5
    assert finished[0].best.by_round[1] <= 0.5
    assert finished[0].best.auprc >= finished[0].start.auprc - 0.01


def test_only_attacks_that_still_are_what_their_seeds_are_were_kept(finished: tuple[Hardened, list[str], Path]):
    found = rows(finished[2], "1/attacks.jsonl")
    kept = [row for row in found if not row["rejected"]]
    assert len(found) == 24 * 5
    assert len(kept) == finished[0].outcome.harvests[0]["kept"] > 10
    assert {row["rejected"] for row in found} >= {"", "empty", "copy", "label", "same text"}
    assert all(all(row["terms"]["gates"].values()) for row in kept)
    assert {row["seed"]["label"] for row in kept} == {"harmful", "unharmful"}
    first = kept[0]
    assert (first["generator"], first["template"], first["round"]) == ("endpoint", "recorded", 1)
    assert first["seed"]["category"] in ("gifts", "theft")


def test_the_best_model_is_an_ordinary_one_that_says_what_it_learnt(
    finished: tuple[Hardened, list[str], Path], world: World
):
    found, _, out = finished
    model = SafetyClassifier.load(out / "model", device="cpu")
    assert model.threshold == found.best.threshold
    # of 24 original examples and a share of 0.3, 0.3 / 0.7 * 24 = 10.3 may be attacks: five of either class
    assert (model.settings.training or {})["attacks"] == 10
    clean = str(world.folder / "test.jsonl")
    before, after = (evaluate(folder, clean, device="cpu") for folder in (world.classifier, out / "model"))
    assert after.f1_at_half >= before.f1_at_half - 0.01
    assert after.auprc >= before.auprc - 0.01


def test_the_run_tells_how_far_it_is(finished: tuple[Hardened, list[str], Path]):
    kept = finished[0].outcome.harvests[0]["kept"]
    assert finished[1][0] == f"round 1: {kept} attacks kept of 120 texts; 100.0% of the seeds are broken"


def test_the_page_shows_curves_and_folds_texts_away(finished: tuple[Hardened, list[str], Path]):
    facts = json.loads((finished[2] / "hardening.json").read_text())
    page = (finished[2] / "hardening.html").read_text()
    assert len(facts["classifiers"]) == len(finished[0].outcome.figures)
    assert "Fresh attacks broke 100.0% of the seeds before and" in page
    for caption in ("Attack success", "Clean examples", "What was harvested"):
        assert f'aria-label="{caption}"' in page
    assert page.count("<details>") == len(facts["examples"]) > 0
    shown = facts["examples"][0]
    assert page.index("<details>") < page.index(shown["text"])
    assert "<script" not in page and "default-src 'none'" in page
    assert page.count("<section") == page.count("</section>") == 5


def test_a_finished_run_is_not_run_again(finished: tuple[Hardened, list[str], Path], world: World):
    out = finished[2]
    before = files(out / "rounds")
    generator = {"name": "endpoint", "recorded": str(out.parent / "hacked" / "recorded.jsonl")}
    again = harden(recipe(world, out.parent, generator=generator), out, say=lambda words: None)
    assert files(out / "rounds") == before
    assert again.outcome == finished[0].outcome


def test_another_recipe_does_not_go_on_in_its_folder(finished: tuple[Hardened, list[str], Path], world: World):
    with pytest.raises(SettingsError, match="holds rounds of another recipe, classifier or version; name another"):
        harden(recipe(world, finished[2].parent, share=0.1), finished[2])


class Killed(Exception):
    """Stands for a killed process."""


def killed_at(step: str) -> Any:
    @contextmanager
    def progress(description: str, total: int) -> Iterator[Advance]:
        if description == step:
            raise Killed
        yield lambda count: None

    return progress


def test_other_attacks_in_the_same_file_do_not_go_on_in_its_folder(world: World, tmp_path: Path):
    class Stopped(Exception): ...

    def stop(words: str) -> None:
        raise Stopped(words)

    attempt = recipe(world, tmp_path)
    with pytest.raises(Stopped):
        harden(attempt, tmp_path / "out", say=stop)
    recorded(tmp_path, more=lambda label, number: [text(label, number, 1)])
    with pytest.raises(SettingsError, match="holds rounds of another recipe, classifier or version"):
        harden(attempt, tmp_path / "out")


def test_a_killed_run_goes_on_from_its_last_stage(world: World, tmp_path: Path):
    short = {"rounds": 1, "fine_tune": {"steps": 5, "learning_rate": 1e-3}}
    out = tmp_path / "out"
    stages = []
    for step in ("round 1: judging attacks", "round 1: training", "round 2: writing attacks"):
        with pytest.raises(Killed):
            harden(recipe(world, tmp_path, **short), out, progress=killed_at(step), say=lambda words: None)
        stages.append(files(out))
    found = harden(recipe(world, tmp_path, **short), out, say=lambda words: None)
    assert "rounds/1/candidates.jsonl" in stages[0] and "rounds/1/attacks.jsonl" not in stages[0]
    assert "rounds/1/attacks.jsonl" in stages[1] and "rounds/1/model/railmatch.json" not in stages[1]
    assert "rounds/1/model/railmatch.json" in stages[2] and "rounds/2/candidates.jsonl" not in stages[2]
    for stage in stages:  # nothing that was there was made again
        assert stage.items() <= files(out).items()
    whole = harden(recipe(world, tmp_path, **short), tmp_path / "whole", say=lambda words: None)
    assert found.outcome == whole.outcome


def test_the_control_trains_on_without_attacks(world: World, tmp_path: Path):
    found, said = run(
        world, tmp_path, generator={"name": "none"}, judges={}, rounds=1, fine_tune={"steps": 5, "method": "fixmatch"}
    )
    assert [figures.fresh for figures in found.outcome.figures] == [None, None]
    assert (found.outcome.harvests, said) == ([], [])
    assert "No attacks were written: the generator is none." in found.page.read_text()
    assert (SafetyClassifier.load(found.model, device="cpu").settings.training or {}).get("attacks", 0) == 0


def test_attacks_that_are_all_hacks_end_the_rounds(world: World, tmp_path: Path):
    write_rows(tmp_path / "hacks.jsonl", [{"id": f"l{number}", "rewrites": ["", "??"]} for number in range(24)])
    generator = {"name": "endpoint", "recorded": str(tmp_path / "hacks.jsonl")}
    found, _ = run(world, tmp_path, generator=generator)
    assert (found.outcome.best, len(found.outcome.figures)) == (0, 1)
    assert found.outcome.stopped == "round 1 found no attack that passes the gate (length 24, empty 24)"
    assert "No round paid: the classifier is as it was at the start." in found.page.read_text()
    assert SafetyClassifier.load(found.model, device="cpu").threshold == 0.5


# bad input


def test_a_classifier_of_the_wrong_task_is_refused(world: World, tmp_path: Path):
    with pytest.raises(SettingsError) as error:
        run(world, tmp_path, task="response")
    assert str(error.value) == (
        f"classifier: {world.classifier} judges a prompt, and task is 'response'; name a classifier of responses, or "
        "set task to prompt"
    )


def test_seeds_of_one_class_are_refused(world: World, tmp_path: Path):
    file = tmp_path / "seeds.jsonl"
    write_rows(file, [{"prompt": text(1, number, 0), "label": "harmful"} for number in range(3)])
    with pytest.raises(DataError) as error:
        run(world, tmp_path, seeds={"source": str(file)})
    assert str(error.value) == f"{file}: all 3 labels are 'harmful'; examples of both classes are needed"


def test_nothing_to_decide_by_is_refused(world: World, tmp_path: Path):
    with pytest.raises(SettingsError) as error:
        run(world, tmp_path, held_out=None)  # all labelled examples were trained on
    assert str(error.value) == (
        "held_out: 0 unharmful and 0 harmful examples are left that the classifier was not trained on and no attack "
        "starts from, and rounds are decided by at least two of each class: name more labelled examples in held_out, "
        "best of another source"
    )


def test_a_classifier_that_would_judge_itself_is_refused(world: World, tmp_path: Path):
    with pytest.raises(SettingsError) as error:
        run(world, tmp_path, judges={"classifiers": [{"model": str(world.classifier)}]})
    assert str(error.value) == (
        f"judges.classifiers: {world.classifier} is the classifier under attack, which would judge its own mistakes; "
        "name another one, or an LLM in judges.endpoint"
    )


def test_recorded_attacks_that_are_not_there_are_named(world: World, tmp_path: Path):
    with pytest.raises(DataError, match=r"^nowhere\.jsonl: no such file \(looked for .*nowhere\.jsonl\)$"):
        run(world, tmp_path, generator={"name": "endpoint", "recorded": "nowhere.jsonl"})
