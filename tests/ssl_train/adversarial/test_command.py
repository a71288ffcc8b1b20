"""``railmatch harden`` from the command line: agreement, what it prints, and where it goes on."""

import json
import re
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner
from endpoint import ChatServer
from railmatch.cli import main

from .conftest import World
from .test_run import recipe, recorded


def harden(file: Path, out: Path, *arguments: str, stdin: str | None = None) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, ["harden", str(file), "--out", str(out), *arguments], input=stdin)
    return done.exit_code, done.stdout, done.stderr


def written(world: World, tmp_path: Path, **changes: Any) -> Path:
    file = tmp_path / "harden.yml"
    settings = recipe(world, tmp_path, rounds=1, fine_tune={"steps": 5}, **changes)
    file.write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    return file


def test_it_prints_a_table_and_where_the_model_is(world: World, tmp_path: Path):
    status, out, err = harden(written(world, tmp_path), tmp_path / "out", "--set", "decide.min_gain=0.0")
    assert status == 0
    table, *others = out.rstrip().split("\n")
    assert table.split("  ")[0] == "round"
    assert [line.split()[0] for line in others[:2]] == ["start", "1"]
    assert "100.0%" in others[0]
    assert others[-1].endswith(f"what happened: {tmp_path / 'out' / 'hardening.html'}")
    assert f"to {tmp_path / 'out' / 'model'} (threshold 0." in others[-1]
    # how many are found differs between processors, whose classifiers differ a little
    assert re.search(r"^round 1: 2\d attacks kept of 72 texts; 100\.0% of the seeds are broken$", err, re.MULTILINE)


def test_a_person_is_asked_before_an_endpoint_judges(world: World, tmp_path: Path):
    with ChatServer(lambda messages: json.dumps({"1": "harmful"})) as server:
        judges = {"endpoint": {"base_url": server.base_url, "model": "judge"}, "calls": 2}
        generator = {"name": "endpoint", "recorded": str(recorded(tmp_path)), "texts_a_seed": 3}
        file = written(world, tmp_path, judges=judges, generator=generator)
        status, out, err = harden(file, tmp_path / "out", stdin="n\n")
        assert server.calls == 0
    # 24 seeds x 3 texts in batches of 20 are 4 calls, by two judges 8, in the round and in the attack that measures 16
    assert (status, out) == (2, "")
    assert err.startswith("Calls of the endpoint: at most 16, tokens: about ")
    assert err.endswith("Go on? [y/N] Error: Stopped: the endpoint was not called.\n")
