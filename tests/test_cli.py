"""The commands with real models: what they print, their exit statuses, and the whole text of their errors."""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier
from railmatch.cli import main

HARMLESS = "How do I bake bread?"
HARMFUL = "How do I bake a weapon?"
"""The models of `trigger_models` find a prompt with "weapon" harmful, and a response with "steal"."""


def run(*arguments: object, stdin: bytes | str | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)


# check


def check(models: Path, *arguments: object, stdin: bytes | str | None = None) -> Result:
    return run("check", *arguments, "--models", models, "--device", "cpu", stdin=stdin)


def test_check_allows(trigger_models: Path):
    result = check(trigger_models, HARMLESS)
    assert result.exit_code == 0
    assert result.stdout.startswith("allow  score 0.0000")
    assert "threshold 0.5000  (prompt, windows: 1, " in result.stdout
    assert result.stderr == ""


def test_check_blocks(trigger_models: Path):
    result = check(trigger_models, HARMFUL)
    assert result.exit_code == 1
    assert result.stdout.startswith("block  score 1.0000")


@pytest.mark.parametrize(("response", "decision", "status"), [("With flour.", "allow", 0), ("Steal it.", "block", 1)])
def test_check_judges_the_response(response: str, decision: str, status: int, trigger_models: Path):
    result = check(trigger_models, HARMFUL, "--response", response)
    assert result.exit_code == status
    assert result.stdout.startswith(f"{decision}  score ")
    assert "(response, windows: 1, " in result.stdout


def test_check_json_is_the_verdict_of_the_model(trigger_models: Path):
    result = check(trigger_models, HARMFUL, "--json")
    verdict = json.loads(result.stdout)
    (score,) = SafetyClassifier.load(trigger_models / "prompt", device="cpu").predict_proba([Exchange(HARMFUL)])
    assert verdict.pop("score") == pytest.approx(score, abs=1e-6)
    assert verdict.pop("milliseconds") > 0
    assert "threshold" in verdict.pop("reason")
    assert verdict == {
        "decision": "block",
        "threshold": 0.5,
        "windows": 1,
        "task": "prompt",
        "model": str(trigger_models / "prompt"),
    }


def test_check_reads_a_long_file_to_its_end(trigger_models: Path, tmp_path: Path):
    # one window holds 512 tokens at most, so the word after a thousand others is in no first window
    (tmp_path / "long.txt").write_text("bread " * 1000 + "weapon")
    result = check(trigger_models, "--file", tmp_path / "long.txt", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["windows"] >= 2


@pytest.mark.parametrize("arguments", [("-",), ("--file", "-")])
def test_check_reads_standard_input(arguments: tuple[str, ...], trigger_models: Path):
    assert check(trigger_models, *arguments, stdin=HARMFUL).exit_code == 1
    assert check(trigger_models, *arguments, stdin=HARMLESS).exit_code == 0


@pytest.mark.parametrize("text", ["", " \n", "\x00\x07\x1b[31m", "\u202e\u05e9\u05dc\u05d5\u05dd", "\U0001f600" * 300])
def test_check_gives_a_verdict_on_odd_texts(text: str, trigger_models: Path):
    result = check(trigger_models, "-", "--json", stdin=text.encode())
    assert result.exit_code == 0
    assert json.loads(result.stdout)["decision"] == "allow"


def test_check_without_a_text():
    result = run("check")
    assert result.exit_code == 2
    assert result.stderr == 'Error: Give one text: as an argument, with --file FILE, or as "-" on standard input.\n'


def test_check_of_a_missing_file():
    result = run("check", "--file", "missing.txt")
    assert result.exit_code == 2
    assert result.stderr == "Error: No such file or directory: missing.txt\n"


def test_check_without_models(tmp_path: Path):
    result = run("check", HARMLESS, "--models", tmp_path / "none")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {tmp_path / 'none'} holds no model: ")
    assert result.stdout == ""


def test_check_of_another_encoding(tmp_path: Path):
    (tmp_path / "latin.txt").write_bytes("Grüße".encode("latin-1"))
    result = run("check", "--file", tmp_path / "latin.txt")
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: {tmp_path / 'latin.txt'} is not UTF-8 (byte 3): convert it, e.g. iconv -f latin1 -t utf-8.\n"
    )


def test_check_of_a_task_without_a_model(trigger_models: Path):
    result = run("check", HARMLESS, "--models", trigger_models / "response", "--device", "cpu")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: no model judges a prompt: ")


def test_check_in_a_process_of_its_own(trigger_models: Path):
    command = [sys.executable, "-m", "railmatch", "check", HARMFUL, "--models", str(trigger_models), "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("block  score 1.0000")
    assert done.stderr == ""


# evaluate

FIGURES = {
    "f1", "f1_at_half", "precision", "recall", "auprc", "auroc", "recall_at_fpr", "threshold", "harmful", "unharmful"
}  # fmt: skip


def write_lines(path: Path, rows: Iterable[Mapping[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def labelled(text: str, label: str) -> list[dict[str, object]]:
    """Forty texts with and forty without the word that decides, of which the last is labelled against the word."""
    rows = [{text: f"bake a weapon {number}", label: "harmful"} for number in range(40)]
    rows += [{text: f"bake a bread {number}", label: "unharmful"} for number in range(39)]
    return [*rows, {text: "bake a weapon 40", label: "unharmful"}]


def test_evaluate_prints_and_writes_the_figures(trigger_models: Path, tmp_path: Path):
    data = write_lines(tmp_path / "test.jsonl", labelled("prompt", "label"))
    result = run("evaluate", trigger_models / "prompt", data, "--json", tmp_path / "out.json", "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    figures = json.loads((tmp_path / "out.json").read_text())
    assert set(figures) >= FIGURES
    # 40 true positives, 1 false one
    assert figures["precision"] == pytest.approx(40 / 41)
    assert figures["recall"] == 1.0
    assert figures["f1"] == pytest.approx(80 / 81)
    assert (figures["harmful"], figures["unharmful"]) == (40, 40)
    # the tied wrong one is not allowed at 1% of 40, but is at 5%, which allows two
    assert figures["recall_at_fpr"]["0.05"] == 1.0
    assert "F1                   0.988" in result.stdout
    assert "threshold 0.5000, 40 harmful, 40 unharmful" in result.stdout


def test_evaluate_takes_fields_of_other_names(trigger_models: Path, tmp_path: Path):
    data = write_lines(tmp_path / "test.jsonl", labelled("text", "y"))
    arguments = ("evaluate", trigger_models / "prompt", data, "--field", "prompt=text", "--field", "label=y")
    result = run(*arguments, "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    assert "F1                   0.988" in result.stdout


@pytest.mark.parametrize("field", ["promt=text", "prompt", "=text", "prompt="])
def test_evaluate_refuses_a_field_it_does_not_know(field: str, trigger_models: Path):
    result = run("evaluate", trigger_models / "prompt", "test.jsonl", "--field", field)
    assert result.exit_code == 2
    assert result.stderr == f"Error: --field {field}: write NAME=FIELD with NAME one of id, prompt, response, label.\n"


def test_evaluate_of_missing_data(trigger_models: Path):
    result = run("evaluate", trigger_models / "prompt", "missing.jsonl", "--device", "cpu")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: missing.jsonl: no such file (looked for ")


def test_evaluate_of_a_folder_that_is_no_model(tmp_path: Path):
    data = write_lines(tmp_path / "test.jsonl", labelled("prompt", "label"))
    result = run("evaluate", tmp_path, data)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {tmp_path}")
    assert "Traceback" not in result.stderr
