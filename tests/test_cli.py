"""The commands with real models: what they print, their exit statuses, and the whole text of their errors."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier
from railmatch.cli import main

PROMPT = "How do I bake bread?"
RESPONSE = "With flour and time."


@pytest.fixture(scope="module")
def untuned_models(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder models/ with tiny classifiers of both tasks; their scores mean nothing, but are the same every time."""
    import torch

    folder = tmp_path_factory.mktemp("models")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        for task in ("prompt", "response"):
            SafetyClassifier.from_encoder(str(tiny_encoder), task, window=32).save(folder / task)
    return folder


@pytest.fixture
def models(untuned_models: Path, tmp_path: Path) -> Callable[[float], Path]:
    """Give the models with a threshold: at 0 they block everything, at 1 nothing."""

    def with_threshold(threshold: float) -> Path:
        for task in ("prompt", "response"):
            classifier = SafetyClassifier.load(untuned_models / task, device="cpu")
            classifier.settings = classifier.settings.model_copy(update={"threshold": threshold})
            classifier.save(tmp_path / "models" / task)
        return tmp_path / "models"

    return with_threshold


def run(*arguments: object, stdin: bytes | str | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)


# check


def test_check_allows(models: Callable[[float], Path]):
    folder = models(1.0)
    result = run("check", PROMPT, "--models", folder, "--device", "cpu")
    assert result.exit_code == 0
    assert result.stdout.startswith("allow  score 0.")
    assert "threshold 1.0000  (prompt, windows: 1, " in result.stdout
    assert result.stderr == ""


def test_check_blocks(models: Callable[[float], Path]):
    result = run("check", PROMPT, "--models", models(0.0), "--device", "cpu")
    assert result.exit_code == 1
    assert result.stdout.startswith("block  score 0.")


def test_check_json_is_the_verdict_of_the_model(models: Callable[[float], Path]):
    folder = models(0.0)
    result = run("check", PROMPT, "--response", RESPONSE, "--models", folder, "--json", "--device", "cpu")
    verdict = json.loads(result.stdout)
    model = SafetyClassifier.load(folder / "response", device="cpu")
    (windows,) = model.encode([Exchange(PROMPT, RESPONSE)])
    assert result.exit_code == 1
    assert verdict["decision"] == "block"
    assert verdict["score"] == pytest.approx(max(model.score_windows(windows)), abs=1e-6)
    assert verdict["threshold"] == 0.0
    assert verdict["windows"] == len(windows) == 1
    assert verdict["task"] == "response"
    assert verdict["model"] == str(folder / "response")
    assert set(verdict) >= {"milliseconds", "reason"}


def test_check_reads_a_long_file_to_its_end(models: Callable[[float], Path], tmp_path: Path):
    # a window of 32 holds 30 tokens beside [CLS] and [SEP], so 100 words need four windows or more
    (tmp_path / "long.txt").write_text("bread " * 100)
    result = run("check", "--file", tmp_path / "long.txt", "--models", models(1.0), "--json", "--device", "cpu")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["windows"] >= 4


@pytest.mark.parametrize("arguments", [("-",), ("--file", "-")])
def test_check_reads_standard_input(arguments: tuple[str, ...], models: Callable[[float], Path]):
    folder = models(1.0)
    given = run("check", *arguments, "--models", folder, "--json", "--device", "cpu", stdin=PROMPT)
    argued = run("check", PROMPT, "--models", folder, "--json", "--device", "cpu")
    assert json.loads(given.stdout)["score"] == json.loads(argued.stdout)["score"]


@pytest.mark.parametrize("text", ["", " \n", "\x00\x07\x1b[31m", "\u202e\u05e9\u05dc\u05d5\u05dd", "\U0001f600" * 300])
def test_check_gives_a_verdict_on_odd_texts(text: str, models: Callable[[float], Path]):
    result = run("check", "-", "--models", models(1.0), "--json", "--device", "cpu", stdin=text.encode())
    assert json.loads(result.stdout)["decision"] in {"allow", "undecided"}
    assert result.exit_code == {"allow": 0, "undecided": 2}[json.loads(result.stdout)["decision"]]


def test_check_without_a_text():
    result = run("check")
    assert result.exit_code == 2
    assert result.stderr == 'Error: Give one text: as an argument, with --file FILE, or as "-" on standard input.\n'


def test_check_of_a_missing_file():
    result = run("check", "--file", "missing.txt")
    assert result.exit_code == 2
    assert result.stderr == "Error: No such file or directory: missing.txt\n"


def test_check_without_models(tmp_path: Path):
    result = run("check", PROMPT, "--models", tmp_path / "none")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {tmp_path / 'none'} holds no model: ")
    assert result.stdout == ""


def test_check_in_a_process_of_its_own(models: Callable[[float], Path]):
    command = [sys.executable, "-m", "railmatch", "check", PROMPT, "--models", str(models(0.0)), "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("block  score 0.")
    assert done.stderr == ""
