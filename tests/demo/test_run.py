"""The whole demo, really trained, on an encoder so small that it takes seconds."""

import re
from pathlib import Path

import pytest
from railmatch.classifier.model import SafetyClassifier
from railmatch.demo.comparison import QUICKSTART, Outcome, compare, comparison_table
from railmatch.demo.run import peak_memory_gib, run_demo
from railmatch.ssl_train.evaluation import evaluate
from railmatch.ssl_train.recipe.file import load_recipe


@pytest.fixture
def overrides(tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The quickstart recipe with a tiny encoder and few steps, in a folder of the test's own."""
    monkeypatch.chdir(tmp_path)
    return [
        f"encoder={tiny_encoder}",
        "training.steps=4",
        "training.labelled_batch=4",
        "training.unlabelled_batch=4",
        "training.max_length=32",
        "training.warmup_steps=0",
        "training.pseudo_labels_from=0",
        "calibration.folds=2",
    ]


@pytest.mark.parametrize("task", ["prompt", "response"])
def test_quickstart_is_one_recipe_for_both_tasks(task: str):
    recipe = load_recipe(QUICKSTART, [f"task={task}"])
    assert recipe.task == task
    assert recipe.augment.endpoint is None
    named = [recipe.data.labelled, recipe.data.unlabelled, recipe.data.rewrites, recipe.data.test]
    for path in named:
        assert isinstance(path, str)
        assert (QUICKSTART.parent / path.format(task=task)).is_file()


def test_demo_trains_writes_and_guards(overrides: list[str], tmp_path: Path):
    said: list[str] = []
    run_demo(tmp_path / "out", say=said.append, overrides=overrides)
    text = "\n".join(said)
    for task in ("prompt", "response"):
        folder = tmp_path / "out" / "models" / task
        assert SafetyClassifier.load(folder, device="cpu").task == task
        evaluation = evaluate(folder, str(QUICKSTART.parent / "starter" / f"{task}_test.jsonl"), device="cpu")
        # the row shows the figures of the very model that was kept
        figures = [evaluation.f1_at_half, evaluation.auprc, *evaluation.recall_at_fpr.values()]
        assert re.search(r"^fixmatch \+ votes +" + " +".join(f"{figure:.3f}" for figure in figures), text, re.MULTILINE)
    assert len(re.findall(r"^supervised  ", text, re.MULTILINE)) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"models", "guardrails"}
    assert (
        len(re.findall(r"^  -> (?:blocked|allowed), score [01]\.\d{4}, threshold [01]\.\d{4}", text, re.MULTILINE)) == 3
    )
    assert re.search(r"Peak memory: \d+\.\d\d GiB", text)


def test_comparison_shows_both_methods(overrides: list[str], tmp_path: Path):
    outcomes = compare("response", tmp_path / "models", overrides=overrides)
    assert [outcome.method for outcome in outcomes] == ["supervised", "fixmatch + votes"]
    assert {path.name for path in (tmp_path / "models").iterdir()} == {"response"}
    lines = comparison_table([Outcome("supervised", outcomes[0].evaluation, 41.6)]).splitlines()
    assert lines[0].split("  ")[0] == "method"
    figures = [f"{figure:.3f}" for figure in (outcomes[0].evaluation.f1_at_half, outcomes[0].evaluation.auprc)]
    assert lines[1].split()[:3] == ["supervised", *figures]
    assert lines[1].endswith("  42")


def test_peak_memory_is_that_of_this_process():
    # an interpreter with PyTorch takes more than 50 MiB and, in these tests, less than 16 GiB
    assert 0.05 < peak_memory_gib() < 16
