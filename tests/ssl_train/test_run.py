"""From a recipe to a model folder: what is read when, what is written, and what a stopped run leaves to the next."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from disk import full_disk
from railmatch.classifier.errors import DataError, ModelError, SettingsError
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.job import Job
from railmatch.ssl_train.loop.trainer import Observe
from railmatch.ssl_train.recipe import Recipe
from railmatch.ssl_train.run import train
from safetensors.torch import load_file
from scipy.special import expit, logit
from small_training import Steps, recipe, rewrite, text, write_data, write_rows

TESTS = Path(__file__).parents[1]
UNSEEN = [Exchange(text(label, number)) for number in range(40, 44) for label in (0, 1)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_data(tmp_path)
    return tmp_path


def weights(model: Path) -> dict[str, torch.Tensor]:
    return load_file(model / "model.safetensors")


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def files(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def python(code: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    """Start Python code that finds the helpers of the tests."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"} | environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


# A whole run


def test_fixmatch_end_to_end(data: Path, tiny_encoder: Path):
    progress = Steps()
    result = train(recipe(data, tiny_encoder, training={"steps": 40}), data / "model", base=data, progress=progress)
    assert sum(progress.counts) == 3 * 40  # two folds and the model
    assert result.evaluation is not None
    assert result.evaluation.auroc > 0.9
    loaded = SafetyClassifier.load(data / "model", device="cpu")
    np.testing.assert_allclose(loaded.predict_proba(UNSEEN), result.model.predict_proba(UNSEEN), atol=1e-6)
    assert loaded.threshold == result.model.threshold != 0.5
    assert loaded.settings.training is not None
    assert loaded.settings.training["labels"] == 16
    assert not (data / ".model.training").exists()


def test_the_int8_form_is_made_and_compared_on_the_labelled_examples(data: Path, tiny_encoder: Path):
    result = train(recipe(data, tiny_encoder, export={"int8": True}), data / "model", base=data)
    stated = result.report["int8"]
    assert stated["examples"] == 16
    assert stated["threshold"] == result.model.threshold
    assert json.loads((data / "model" / "training.json").read_text())["int8"] == stated
    assert f"On CPUs: {stated['sentence']}" in (data / "model" / "README.md").read_text()
    assert (data / "model" / "onnx" / "model_int8.onnx").exists() == stated["kept"]


def test_the_report_in_the_folder_is_the_whole_report(data: Path, tiny_encoder: Path):
    result = train(recipe(data, tiny_encoder), data / "model", base=data)
    written = json.loads((data / "model/training.json").read_text())
    assert written == json.loads(json.dumps(result.report))
    assert result.evaluation is not None
    assert written["evaluation"] == json.loads(json.dumps(result.evaluation.as_dict()))
    assert written["leaks"]["exact"] == 0
    assert (written["labels"], written["pool"], written["rewrites"]["kept"]) == (16, 24, 48)
    assert written["calibration"]["unharmful"] == 8
    assert written["history"]["step"] == [12]
    assert written["shortened"] == 0
    assert written["recipe"]["training"]["steps"] == 12


def test_supervised_end_to_end_needs_no_pool(data: Path, tiny_encoder: Path):
    settings = recipe(data, tiny_encoder, method={"name": "supervised"}, training={"steps": 40}).model_dump()
    settings["data"] |= {"unlabelled": None, "rewrites": None}
    result = train(Recipe.model_validate(settings), data / "model", base=data)
    assert result.evaluation is not None
    assert result.evaluation.auroc > 0.9
    assert (result.report["pool"], result.report["rewrites"]) == (0, {})
    assert result.report["history"]["kept"] == [0.0, 0.0]
    assert not (data / "cache.sqlite").exists()


def test_response_task_end_to_end(tmp_path: Path, tiny_encoder: Path):
    write_data(tmp_path, pair=True)
    settings = recipe(tmp_path, tiny_encoder, task="response", training={"steps": 40})
    result = train(settings, tmp_path / "model", base=tmp_path)
    assert result.evaluation is not None
    assert result.evaluation.auroc > 0.9
    assert result.report["rewrites"]["kept"] == 48
    assert SafetyClassifier.load(tmp_path / "model", device="cpu").task == "response"


def test_without_folds_the_threshold_stays(data: Path, tiny_encoder: Path):
    progress = Steps()
    result = train(recipe(data, tiny_encoder, calibration={"folds": 0}), data / "model", base=data, progress=progress)
    assert sum(progress.counts) == 12
    assert result.model.threshold == 0.5
    assert result.report["calibration"] is None


def test_without_test_data_there_are_no_figures(data: Path, tiny_encoder: Path):
    result = train(recipe(data, tiny_encoder, data={"test": None}), data / "model", base=data)
    assert result.evaluation is None
    assert "evaluation" not in json.loads((data / "model/training.json").read_text())


def test_who_observes_is_told_of_the_pool_and_of_each_step_on_all_labels(data: Path, tiny_encoder: Path):
    pools: list[list[str]] = []
    seen: list[tuple[int, int]] = []

    def observe(pool: Sequence[Record]) -> Observe:
        pools.append([record.id for record in pool])
        return lambda step, index, pseudo: seen.append((step, len(index)))

    result = train(recipe(data, tiny_encoder), data / "model", base=data, observe=observe)
    assert pools == [[f"u{label}-{number}" for number in range(8, 20) for label in (0, 1)]]
    assert seen == [(step, 6) for step in range(12)]  # those of the two folds are not told
    unseen = train(recipe(data, tiny_encoder), data / "unseen", base=data)
    assert unseen.report["history"] == result.report["history"]


def test_the_threshold_is_that_of_the_held_back_scores_at_the_target_of_the_recipe(
    data: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
):
    """Of eight unharmful texts a quarter may be blocked, so before calibration the threshold is from 0.5 to 0.6."""
    by_label = {0: [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.8, 0.9], 1: [0.02, 0.3, 0.45, 0.6, 0.7, 0.85, 0.95, 0.97]}
    raw = np.ravel([by_label[0], by_label[1]], order="F")  # the labelled texts are of either class in turn
    monkeypatch.setattr(Job, "held_back_scores", lambda job, folds, advance: raw)
    result = train(recipe(data, tiny_encoder), data / "model", base=data)
    temperature = result.report["calibration"]["temperature"]
    assert temperature > 1.2  # else uncalibrated scores would do
    saved = json.loads((data / "model/scores.json").read_text())["held_back"]
    assert saved["labels"] == [0, 1] * 8
    assert saved["scores"] == pytest.approx(expit(logit(raw) / temperature))
    threshold = SafetyClassifier.load(data / "model", device="cpu").threshold
    assert expit(logit(0.5) / temperature) < threshold < expit(logit(0.6) / temperature)
    assert (result.report["calibration"]["fpr"], result.report["calibration"]["recall"]) == (0.25, 0.625)
    assert (result.report["held_back"]["fpr"], result.report["held_back"]["recall"]) == (0.25, 0.625)


# The same again


def test_the_same_seed_gives_the_same_model_and_another_seed_another(data: Path, tiny_encoder: Path):
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        train(recipe(data, tiny_encoder, seed=seed, calibration={"folds": 0}), data / name, base=data)
    assert same(weights(data / "one"), weights(data / "again"))
    assert not same(weights(data / "one"), weights(data / "other"))


KILLED = """
import os, signal, sys
from pathlib import Path
from railmatch.ssl_train.run import train
from railmatch.ssl_train.loop.trainer import Observe
from small_training import Steps, recipe
data, encoder, at = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
progress = Steps(at, lambda: os.kill(os.getpid(), signal.SIGKILL))
train(recipe(data, encoder), data / "model", base=data, progress=progress)
"""


def test_a_killed_run_goes_on_to_the_same_model(data: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch):
    """Killed after 12 + 6 steps: the first fold is finished, of the second there is a checkpoint after 4 steps."""
    killed = python(KILLED, data, tiny_encoder, 18)
    said = killed.communicate(timeout=300)
    assert killed.returncode == -signal.SIGKILL, said
    assert files(data / ".model.training") == {"fold-0.json", "fold-1.pt"}
    assert not (data / "model").exists()

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the killed run
    try:
        progress = Steps()
        resumed = train(recipe(data, tiny_encoder), data / "model", base=data, progress=progress)
        train(recipe(data, tiny_encoder), data / "whole", base=data)
    finally:
        torch.set_num_threads(threads)
    assert progress.counts == [12, 4, *[1] * 8, *[1] * 12]
    assert same(weights(data / "model"), weights(data / "whole"))
    assert resumed.model.threshold == SafetyClassifier.load(data / "whole", device="cpu").threshold
    assert resumed.report["history"]["step"] == [12]


def test_ctrl_c_in_the_command_exits_130_and_the_next_run_goes_on(data: Path, tiny_encoder: Path):
    settings = recipe(data, tiny_encoder, training={"steps": 150, "checkpoint_every": 5}, calibration={"folds": 0})
    (data / "recipe.yml").write_text(settings.model_dump_json())  # JSON is YAML
    run = "from railmatch.cli import main; main()"
    command = python(run, "train", data / "recipe.yml", "--out", data / "model")
    checkpoint = data / ".model.training/final.pt"
    limit = time.monotonic() + 300
    while not checkpoint.exists() and command.poll() is None and time.monotonic() < limit:
        time.sleep(0.02)
    command.send_signal(signal.SIGINT)
    _, said = command.communicate(timeout=300)
    assert command.returncode == 130, said
    assert "Interrupted. " in said
    assert "Traceback" not in said

    progress = Steps()
    train(settings, data / "model", base=data, progress=progress)
    assert progress.counts[0] >= 5  # what the interrupted run had done, at once
    assert sum(progress.counts) == 150
    assert len(progress.counts) == 150 - progress.counts[0] + 1


class Stop(BaseException):
    """Stands for a signal that ends a run."""


def stopped_run(settings: Recipe, data: Path, at: int) -> None:
    def stop() -> None:
        raise Stop

    with pytest.raises(Stop):
        train(settings, data / "model", base=data, progress=Steps(at, stop))


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"method": {"threshold": 0.7}},
        {"training": {"learning_rate": 1e-3}},
        {"calibration": {"folds": 3}},
    ],
    ids=str,
)
def test_a_checkpoint_of_another_recipe_is_not_taken_up(data: Path, tiny_encoder: Path, change: dict[str, Any]):
    stopped_run(recipe(data, tiny_encoder), data, 18)
    progress = Steps()
    train(recipe(data, tiny_encoder, **change), data / "model", base=data, progress=progress)
    assert set(progress.counts) == {1}


@pytest.mark.parametrize(
    "change", [{"training": {"checkpoint_every": 3}}, {"calibration": {"target_fpr": 0.5}}], ids=str
)
def test_what_the_weights_do_not_depend_on_may_change(data: Path, tiny_encoder: Path, change: dict[str, Any]):
    stopped_run(recipe(data, tiny_encoder), data, 18)
    progress = Steps()
    train(recipe(data, tiny_encoder, **change), data / "model", base=data, progress=progress)
    assert progress.counts[:2] == [12, 4]


def test_a_checkpoint_of_other_data_is_not_taken_up(data: Path, tiny_encoder: Path):
    stopped_run(recipe(data, tiny_encoder), data, 18)
    with (data / "pool.jsonl").open("a") as pool:
        pool.write(json.dumps({"id": "new", "prompt": "may i walk home tonight"}) + "\n")
    progress = Steps()
    train(recipe(data, tiny_encoder), data / "model", base=data, progress=progress)
    assert set(progress.counts) == {1}


def test_damaged_files_of_an_interrupted_run_are_left_out(
    data: Path, tiny_encoder: Path, caplog: pytest.LogCaptureFixture
):
    stopped_run(recipe(data, tiny_encoder), data, 18)
    for file in (data / ".model.training").iterdir():
        file.write_bytes(file.read_bytes()[:50])
    progress = Steps()
    train(recipe(data, tiny_encoder), data / "model", base=data, progress=progress)
    assert set(progress.counts) == {1}
    assert sum("is left out, since it cannot be read" in message for message in caplog.messages) == 2


# What is read, and when


def test_labels_of_the_pool_are_never_read(data: Path, tiny_encoder: Path):
    settings = recipe(data, tiny_encoder, calibration={"folds": 0})
    train(settings, data / "plain", base=data)
    rows = [json.loads(line) for line in (data / "pool.jsonl").read_text().splitlines()]
    absurd: Sequence[Any] = ["harmful", "unharmful", 7, None, "", ["?"], {"label": 1}, "maybe"]
    write_rows(data / "pool.jsonl", [row | {"label": absurd[n % 8]} for n, row in enumerate(rows)])
    train(settings, data / "labelled pool", base=data)
    assert same(weights(data / "plain"), weights(data / "labelled pool"))


def test_test_data_is_read_only_after_the_model_is_saved(data: Path, tiny_encoder: Path):
    (data / "test.jsonl").write_text("this is no JSON")
    progress = Steps()
    with pytest.raises(DataError, match=r"test\.jsonl, row 1: not valid JSON"):
        train(recipe(data, tiny_encoder), data / "model", base=data, progress=progress)
    assert sum(progress.counts) == 36
    assert SafetyClassifier.load(data / "model", device="cpu").settings.calibration is not None
    assert json.loads((data / "model/training.json").read_text())["labels"] == 16


@pytest.mark.parametrize("test", ["gone.jsonl", ["test.jsonl", "gone.jsonl"], {"file": "gone.jsonl"}], ids=str)
def test_missing_test_data_is_refused_before_training(data: Path, tiny_encoder: Path, test: Any):
    progress = Steps()
    with pytest.raises(DataError, match=r"^gone\.jsonl: no such file"):
        train(recipe(data, tiny_encoder, data={"test": test}), data / "model", base=data, progress=progress)
    assert progress.counts == []
    assert not (data / "cache.sqlite").exists()


def test_copies_of_training_texts_in_the_test_data_are_counted(data: Path, tiny_encoder: Path):
    with (data / "test.jsonl").open("a") as test:
        test.write(json.dumps({"id": "copy", "prompt": text(1, 9), "label": "harmful"}) + "\n")
    result = train(recipe(data, tiny_encoder, calibration={"folds": 0}), data / "model", base=data)
    assert result.report["leaks"]["exact"] == 1


def test_rewrites_are_those_of_the_pool_when_both_sets_are_numbered_from_one(data: Path, tiny_encoder: Path):
    """A labelled text with the id of a pool text gets none of its rewrites, and the pool text keeps its own."""
    settings = recipe(data, tiny_encoder, calibration={"folds": 0})
    train(settings, data / "own ids", base=data)
    for name in ("labelled", "pool", "rewrites"):
        rows = [json.loads(line) for line in (data / f"{name}.jsonl").read_text().splitlines()]
        write_rows(data / f"{name}.jsonl", [row | {"id": str(number)} for number, row in enumerate(rows, 1)])
    result = train(settings, data / "shared ids", base=data)
    assert result.report["rewrites"]["kept"] == 48
    assert same(weights(data / "own ids"), weights(data / "shared ids"))


def test_votes_on_ids_that_two_texts_share_are_refused(data: Path, tiny_encoder: Path):
    for name in ("labelled", "pool"):
        rows = [json.loads(line) for line in (data / f"{name}.jsonl").read_text().splitlines()]
        write_rows(data / f"{name}.jsonl", [row | {"id": str(number)} for number, row in enumerate(rows, 1)])
    write_rows(data / "votes.jsonl", [{"id": str(number), "vote": 4} for number in range(10, 20)])
    with pytest.raises(DataError) as refused:
        train(recipe(data, tiny_encoder, data={"votes": "votes.jsonl"}), data / "model", base=data)
    assert str(refused.value) == (
        "data.votes: ids such as '10' (there are 7) stand for a labelled text and for another one of the pool, so a "
        "vote could be of either; give the records of both sets different ids"
    )


def test_a_pool_text_without_rewrites_is_trained_on_all_the_same(data: Path, tiny_encoder: Path):
    write_rows(data / "rewrites.jsonl", [{"id": "u1-8", "rewrites": [rewrite(1, 8), None]}])
    result = train(recipe(data, tiny_encoder, calibration={"folds": 0}), data / "model", base=data)
    assert result.report["rewrites"]["kept"] == 1
    assert result.report["history"]["kept"][0] > 0


def test_texts_without_rewrites_get_eda_variants_or_are_left_out(data: Path, tiny_encoder: Path):
    write_rows(data / "rewrites.jsonl", [{"id": "u1-8", "rewrites": [rewrite(1, 8), None]}])

    def report(name: str, **augment: Any) -> dict[str, Any]:
        settings = recipe(data, tiny_encoder, augment=augment, calibration={"folds": 0})
        return train(settings, data / name, base=data).report

    varied = report("varied", fallback="eda", eda={"variants": 2})
    assert (varied["pool"], varied["rewrites"]["fallback"], varied["rewrites"]["eda"]) == (24, 23, 46)
    few = report("few", fallback="leave_out")
    assert (few["pool"], few["rewrites"]["left_out"]) == (1, 23)


# What is refused


def test_more_folds_than_the_smaller_class_has_labels_are_refused_before_training(data: Path, tiny_encoder: Path):
    progress = Steps()
    settings = recipe(data, tiny_encoder, calibration={"folds": 9})
    with pytest.raises(
        SettingsError, match=r"calibration\.folds is 9, .* 8 unharmful and 8 harmful: set it to at most 8"
    ):
        train(settings, data / "model", base=data, progress=progress)
    assert progress.counts == []
    assert not (data / "cache.sqlite").exists()


def test_a_target_that_the_labels_cannot_support_is_refused(data: Path, tiny_encoder: Path):
    with pytest.raises(SettingsError, match=r"target_fpr 0\.05 cannot be set with 8 unharmful labels"):
        train(recipe(data, tiny_encoder, calibration={"target_fpr": 0.05}), data / "model", base=data)


def test_a_folder_with_other_files_is_not_overwritten(data: Path, tiny_encoder: Path):
    (data / "thesis").mkdir()
    (data / "thesis/chapter.txt").write_text("years of work")
    with pytest.raises(SettingsError) as refused:
        train(recipe(data, tiny_encoder), data / "thesis", base=data)
    assert str(refused.value) == (
        f"{data / 'thesis'} holds files but no railmatch.json, so it is not a model that may be replaced; name another "
        "folder with --out, or empty this one"
    )
    assert (data / "thesis/chapter.txt").read_text() == "years of work"


def test_a_file_is_not_a_place_for_a_model(data: Path, tiny_encoder: Path):
    with pytest.raises(SettingsError, match=r"pool\.jsonl is a file, and the model is saved as a folder; name another"):
        train(recipe(data, tiny_encoder), data / "pool.jsonl", base=data)


def test_a_diverged_training_leaves_the_old_model(data: Path, tiny_encoder: Path):
    train(recipe(data, tiny_encoder, calibration={"folds": 0}), data / "model", base=data)
    before = weights(data / "model")
    settings = recipe(data, tiny_encoder, training={"learning_rate": 1e30}, calibration={"folds": 0})
    with pytest.raises(ModelError, match="training diverged at step"):
        train(settings, data / "model", base=data)
    assert same(weights(data / "model"), before)


@pytest.mark.parametrize("checkpoint_every", [4, 1000], ids=["checkpoint", "model"])
def test_a_full_disk_is_an_error_and_leaves_the_old_model(data: Path, tiny_encoder: Path, checkpoint_every: int):
    """In the second run there is no checkpoint, and it is the model that does not fit."""
    first, second = (
        recipe(
            data,
            tiny_encoder,
            seed=seed,
            method={"name": "supervised"},
            training={"checkpoint_every": checkpoint_every},
            calibration={"folds": 0},
        )
        for seed in (0, 1)
    )
    train(first, data / "model", base=data)
    before, names = weights(data / "model"), files(data / "model")
    with full_disk(20_000), pytest.raises(OSError, match=r"cannot be written"):
        train(second, data / "model", base=data)
    assert same(weights(data / "model"), before)
    assert files(data / "model") == names
    assert {name for name in files(data) if name.startswith(".model")} <= {".model.training"}


# Several processes

TOGETHER = """
import sys
from pathlib import Path
from accelerate import PartialState
from railmatch.ssl_train.run import train
from railmatch.ssl_train.loop.trainer import Observe
from small_training import recipe
data, encoder, out = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
settings = recipe(data, encoder, training={"dropout": 0.0, "labelled_batch": 5, "unlabelled_batch": 7})
train(settings, out, base=data)
(data / f"process-{PartialState().process_index}-of-{PartialState().num_processes}").touch()
"""


def test_two_processes_train_one_model_together(data: Path, tiny_encoder: Path):
    """Batches of 5 and 7 are shared unevenly; without dropout the model is that of one process but for rounding."""
    (data / "together.py").write_text(TOGETHER)
    uneven = {"dropout": 0.0, "labelled_batch": 5, "unlabelled_batch": 7}
    train(recipe(data, tiny_encoder, training=uneven), data / "alone", base=data)
    launch = "import sys; from torch.distributed.run import main; main(sys.argv[1:])"
    arguments = ["--standalone", "--nproc_per_node", 2, data / "together.py", data, tiny_encoder, data / "together"]
    both = python(launch, *arguments)
    said = both.communicate(timeout=120)
    assert both.returncode == 0, said
    assert {"process-0-of-2", "process-1-of-2"} <= files(data)
    expected, found = weights(data / "alone"), weights(data / "together")
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, rtol=1e-3, atol=1e-4)
    reports = [json.loads((data / name / "training.json").read_text()) for name in ("alone", "together")]
    assert reports[1]["history"]["kept"] == pytest.approx(reports[0]["history"]["kept"])
    for loss in ("supervised", "unsupervised"):
        assert reports[1]["history"][loss] == pytest.approx(reports[0]["history"][loss], rel=1e-3)
    assert not (data / ".together.training").exists()
