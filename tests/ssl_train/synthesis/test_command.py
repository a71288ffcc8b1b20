"""``railmatch synthesize`` from the command line: agreement, the table, the review, and withdrawing."""

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from endpoint import ChatServer
from railmatch.cli import main
from recorded_synthesis import Run, recorded_answers, recorded_recipe, response_settings
from small_synthesis import write_synthesis

SEED = "2e0474c28ffa2057"


def written(folder: Path, base_url: str, cache: Path) -> Path:
    recipe = recorded_recipe(base_url, cache, **response_settings(folder))
    (folder / "synthesis.yml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    return folder / "synthesis.yml"


def run(*arguments: str | Path, stdin: str | None = None) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, ["synthesize", *map(str, arguments)], input=stdin)
    return done.exit_code, done.stdout, done.stderr


def test_a_person_is_asked_first_and_nothing_is_asked_without_agreement(tmp_path: Path):
    with ChatServer(recorded_answers()) as server:
        recipe = written(tmp_path, server.base_url, tmp_path / "cache.sqlite")
        status, out, err = run(recipe, "--out", tmp_path / "out", stdin="n\n")
        assert server.calls == 0
    assert (status, out) == (2, "")
    # 12 for queries; then votes on 24 prompts (3 x 2), 24 for responses, votes on 48 pairs (3 x 3)
    assert err.startswith("Calls of the endpoint: at most 51, tokens: about ")
    assert err.endswith("Go on? [y/N] Error: Stopped: the endpoint was not called.\n")


def test_the_table_the_review_and_a_withdrawn_seed(response_run: Run, tmp_path: Path):
    recipe = written(tmp_path, "http://127.0.0.1:9/v1", response_run.folder.parent / "cache.sqlite")
    folder = tmp_path / "out"
    status, out, err = run(recipe, "--out", folder, "--review", tmp_path / "review.csv")
    assert (status, err) == (0, "")
    assert out == (
        "round      texts  accepted  balance  label\n"
        "queries    24     24\n"
        "responses  48     47                 1\n"
        "even       47     46        1\n"
        "calls 0, tokens 0 in and 0 out\n"
        f"Saved 46 records to {folder / 'data.jsonl'}\n"
        f"Wrote 2 records to look at first to {tmp_path / 'review.csv'}: railmatch review {folder}\n"
    )
    # nobody had to agree, for all answers were there; and they give the same data set
    assert (folder / "data.jsonl").read_bytes() == (response_run.folder / "data.jsonl").read_bytes()
    assert (tmp_path / "review.csv").read_text(encoding="utf-8").count("2 of 3 judge calls agree") == 2
    status, out, err = run(recipe, "--out", folder, "--withdraw", SEED)
    assert (status, err) == (0, "")
    assert out == f"Withdrew seed {SEED}: 4 records removed from {folder / 'data.jsonl'}\n"


@pytest.mark.parametrize("override", ["judges.agre=1"])
def test_a_misspelt_key_is_one_line(override: str, tmp_path: Path):
    status, _, err = run(written(tmp_path, "http://127.0.0.1:9/v1", tmp_path / "c"), "--set", override)
    assert status == 2
    assert err.startswith(f"Error: --set {override}: judges.agre: ")


def review(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["review", *map(str, arguments)])
    return done.exit_code, done.output


def test_a_filled_in_table_is_taken_over(tmp_path: Path):
    folder = write_synthesis(tmp_path / "out")
    table = tmp_path / "review.csv"
    table.write_text("id,decision\nid-alarm,harmful\nid-split,drop\nid-fine,\n")
    assert review(folder, "--csv", table) == (0, f"2 decisions; 3 records in {folder / 'data.jsonl'}\n")
    assert "id-split" not in (folder / "data.jsonl").read_text()
    table.write_text("id,decision\nid-alarm,perhaps\n")
    assert review(folder, "--csv", table) == (
        2,
        f"Error: {table}, row 2: unknown decision 'perhaps'; write unharmful, harmful or drop, or leave it empty\n",
    )


def test_a_folder_without_a_data_set_cannot_be_reviewed(tmp_path: Path):
    assert review(tmp_path) == (
        2,
        f"Error: {tmp_path}: no data set of railmatch synthesize; name the folder that its --out named\n",
    )


def test_the_page_is_there_until_ctrl_c(tmp_path: Path):
    folder = write_synthesis(tmp_path)
    command = [sys.executable, "-m", "railmatch", "review", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address, advice = process.stdout.readline().removeprefix("Open ").strip(), process.stdout.readline()
        with urllib.request.urlopen(address.partition("#")[0], timeout=10) as page:
            assert b"<title>Review: RailMatch</title>" in page.read()
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert advice == "Press Ctrl-C when you are done.\n"
    assert said == f"\n0 decisions; 4 records in {folder / 'data.jsonl'}\n"
