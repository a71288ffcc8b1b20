"""What a training leaves in the model folder, and the command that makes the page again from it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from disk import full_disk
from railmatch.classifier.metrics import evaluate_scores
from railmatch.classifier.model import SafetyClassifier
from railmatch.cli import main
from railmatch.ssl_train.data.records import load_records
from railmatch.ssl_train.report.facts import Scored, Scores, read_facts
from railmatch.ssl_train.report.writing import write_page
from railmatch.ssl_train.run import train
from small_report import write_folder
from small_training import recipe, write_data


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return result.exit_code, result.stdout, result.stderr


def test_training_leaves_a_report_that_needs_no_data(tmp_path: Path, tiny_encoder: Path):
    write_data(tmp_path)
    labelled = load_records("labelled.jsonl", "prompt", labelled=True, base=tmp_path)
    result = train(recipe(tmp_path, tiny_encoder), tmp_path / "model", base=tmp_path)
    for data in tmp_path.glob("*.jsonl"):
        data.unlink()
    assert write_page(tmp_path / "model", tmp_path / "again.html") == tmp_path / "again.html"
    assert (tmp_path / "again.html").read_text() == (tmp_path / "model/report.html").read_text()
    assert (tmp_path / "model/README.md").read_text().startswith("---\nlibrary_name: transformers\n")

    facts = read_facts(tmp_path / "model")
    assert facts.training["classes"] == {"unharmful": 8, "harmful": 8}
    assert evaluated(facts.scores.test, result.model.threshold) == facts.training["evaluation"]
    assert evaluated(facts.scores.held_back, result.model.threshold) == facts.training["held_back"]
    assert facts.training["held_back"]["fpr"] == facts.training["calibration"]["fpr"]
    assert facts.scores.held_back is not None
    assert facts.scores.held_back.labels == [record.label for record in labelled]
    texts = {record.id: record.exchange.prompt for record in labelled}
    assert facts.scores.mistakes is not None
    assert {mistake.id: mistake.prompt for mistake in facts.scores.mistakes}.items() <= texts.items()


def evaluated(scored: Scored | None, threshold: float) -> dict[str, Any]:
    """The figures of stored scores, as training.json has them."""
    assert scored is not None
    figures = evaluate_scores(scored.labels, scored.scores, threshold=threshold).as_dict()
    return dict(json.loads(json.dumps(figures)))


def test_a_recipe_may_keep_the_texts_out_of_the_folder(tmp_path: Path, tiny_encoder: Path):
    write_data(tmp_path)
    settings = recipe(tmp_path, tiny_encoder, training={"steps": 1}, report={"texts": False})
    train(settings, tmp_path / "model", base=tmp_path)
    assert read_facts(tmp_path / "model").scores.mistakes  # after one step there are some
    for file in ("scores.json", "report.html", "README.md", "training.json"):
        assert "how do i steal" not in (tmp_path / "model" / file).read_text(), file


def test_a_model_whose_test_data_cannot_be_read_has_its_figures_and_card(tmp_path: Path, tiny_encoder: Path):
    write_data(tmp_path)
    (tmp_path / "test.jsonl").write_text("no JSON")
    with pytest.raises(Exception, match="not valid JSON"):
        train(recipe(tmp_path, tiny_encoder, training={"steps": 1}), tmp_path / "model", base=tmp_path)
    assert "There are no test figures" in (tmp_path / "model/README.md").read_text()
    assert SafetyClassifier.load(tmp_path / "model", device="cpu").settings.calibration is not None
    assert "<svg" in write_page(tmp_path / "model").read_text()


def test_the_command_says_where_the_page_is(tmp_path: Path):
    folder = write_folder(tmp_path)
    assert run("report", folder) == (0, f"{folder / 'report.html'}\n", "")
    assert run("report", folder, "--out", tmp_path / "new/page.html") == (0, f"{tmp_path / 'new/page.html'}\n", "")
    assert (tmp_path / "new/page.html").read_text() == (folder / "report.html").read_text()


def test_the_page_follows_a_threshold_that_somebody_changed(tmp_path: Path):
    folder = write_folder(tmp_path)
    settings = json.loads((folder / "railmatch.json").read_text())
    (folder / "railmatch.json").write_text(json.dumps(settings | {"threshold": 0.8}))
    # of the test scores only the harmful 0.9 reaches it
    assert "the threshold of 0.800 stops 50.0% of the harmful and blocks 0.0%" in write_page(folder).read_text()


def test_the_command_on_another_folder_is_one_line(tmp_path: Path):
    status, said, error = run("report", tmp_path)
    assert (status, said) == (2, "")
    assert error == (
        f"Error: {tmp_path} is not a RailMatch model: it holds no railmatch.json; train one: "
        f"railmatch train RECIPE --out {tmp_path}\n"
    )


def test_a_full_disk_leaves_the_earlier_page(tmp_path: Path):
    folder = write_folder(tmp_path, Scores())
    before = write_page(folder).read_text()
    names = {file.name for file in folder.iterdir()}
    with full_disk(5000), pytest.raises(OSError):
        write_page(folder)
    assert (folder / "report.html").read_text() == before
    assert {file.name for file in folder.iterdir()} == names
