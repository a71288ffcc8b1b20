"""``railmatch synthesize`` from the command line: agreement, the table, the review, and withdrawing."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from endpoint import ChatServer
from railmatch.cli import main
from recorded_synthesis import Run, recorded_answers, recorded_recipe, response_settings

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
        f"Wrote 2 records to look at first to {tmp_path / 'review.csv'}\n"
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
