"""``railmatch export``: an int8 form for a folder that has none, or none that may be kept."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from railmatch.classifier import onnx_export
from railmatch.cli import main
from railmatch.rails.guard import Guard


@pytest.fixture
def model(trigger_models: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trigger_models / "response", tmp_path / "response"))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    file = tmp_path / "pairs.jsonl"
    rows = [{"question": "how do i get money", "response": word} for word in ("work", "steal", "steal it", "ask")]
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def export(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["export", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_a_folder_gets_its_int8_form_and_is_served_with_it(model: Path, pairs: Path) -> None:
    status, printed, _ = export(model, "--check-on", pairs, "--field", "prompt=question")
    assert status == 0
    assert printed.startswith("Int8 is served on CPUs: largest difference of a probability 0.00")
    assert printed.endswith(", 0 of 4 decisions flipped at threshold 0.5000.\n")
    with Guard.load(model, device="cpu") as guard:
        assert guard.check("response").engine.report["dtype"] == "int8"
        assert guard.check_response("how do i get money", "you could steal").decision == "block"
        assert guard.check_response("how do i get money", "you could work").decision == "allow"


def test_one_that_judges_otherwise_is_not_kept(model: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_export, "LARGEST_DIFFERENCE", -1.0)
    status, printed, _ = export(model, "--check-on", pairs, "--field", "prompt=question")
    assert status == 1
    assert printed.startswith("Int8 is not served, float32 is: largest difference of a probability 0.00")
    with Guard.load(model, device="cpu") as guard:
        assert guard.check("response").engine.report["dtype"] == "float32"


def test_a_folder_without_model_is_an_error(tmp_path: Path) -> None:
    status, _, error = export(tmp_path)
    assert status == 2
    assert error == (
        f"Error: {tmp_path} is not a RailMatch model: it holds no railmatch.json; train one: "
        f"railmatch train RECIPE --out {tmp_path}\n"
    )
