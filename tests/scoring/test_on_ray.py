"""Scoring on a Ray: the same lines as on one machine, also where a worker or the command is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from railmatch.classifier.errors import DataError
from railmatch.scoring.run import score
from railmatch.scoring.settings import ClusterScoreSettings, ScoreSettings

from .conftest import decision, prompt, written

ROWS = 600
"""Some thirty blocks of 2,000 bytes, so that a run can be killed between them."""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    texts = [prompt(number) for number in range(ROWS - 1)] + ["half \ud800"]
    path.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))
    return path


def without_scores(folder: Path) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name != "score"} for line in written(folder)]


def test_a_killed_run_is_gone_on_with_and_nothing_is_lost_or_twice(
    cluster: str, trigger_models: Path, log: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "railmatch", "score", str(log), "--out", str(out), "--models", str(trigger_models)]
    command += ["--device", "cpu", "--ray", "--set", f"address={cluster}", "--set", "part_rows=20"]
    command += ["--set", "block_bytes=2000", "--set", "workers=1", "--set", "cpus=0.5"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while not (out / "part-00000.jsonl").exists():
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    judged = len(written(out))
    assert 0 < judged < ROWS
    settings = {"models": str(trigger_models), "device": "cpu"}
    output = score(str(log), out, ClusterScoreSettings(**settings, workers=2, cpus=0.5))
    assert output.rows == ROWS
    assert [line["decision"] for line in written(out)] == [decision(n) for n in range(ROWS - 1)] + ["allow"]
    assert len({line["id"] for line in written(out)}) == ROWS
    score(str(log), tmp_path / "here", ScoreSettings(**settings))
    assert without_scores(out) == without_scores(tmp_path / "here")


def test_a_worker_that_is_killed_loses_no_line(cluster: str, trigger_models: Path, log: Path, tmp_path: Path) -> None:
    from ray_cluster import workers

    out = tmp_path / "out"
    sizes = {"workers": 1, "cpus": 0.5, "part_rows": 20, "block_bytes": 2000}
    settings = ClusterScoreSettings(models=str(trigger_models), device="cpu", **sizes)
    with ThreadPoolExecutor(1) as pool:
        scoring = pool.submit(score, str(log), out, settings)
        while not (out / "part-00000.jsonl").exists():
            assert not scoring.done(), scoring.result()
            time.sleep(0.01)
        (worker,) = workers()
        os.kill(worker, signal.SIGKILL)
        assert len(written(out)) < ROWS
        assert scoring.result().rows == ROWS
    assert [line["decision"] for line in written(out)] == [decision(n) for n in range(ROWS - 1)] + ["allow"]
    assert len({line["id"] for line in written(out)}) == ROWS


def test_an_error_of_another_process_is_ours(cluster: str, trigger_models: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"prompt": "bread"}\n{"promt": "bread"}\n')
    settings = ClusterScoreSettings(models=str(trigger_models), device="cpu", workers=1, cpus=0.5)
    with pytest.raises(DataError, match="row 2: no field 'prompt'"):
        score(str(log), tmp_path / "out", settings)
