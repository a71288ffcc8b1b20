"""Scoring a data set on one machine: what is written, and that a run that ended anyhow is gone on with."""

import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from railmatch.classifier.errors import DataError, EngineError, ModelError, SettingsError
from railmatch.classifier.inputs import Exchange
from railmatch.cli import main
from railmatch.rails.guard import Guard
from railmatch.scoring.output import Output, only_run
from railmatch.scoring.run import score
from railmatch.scoring.settings import ScoreSettings
from railmatch.ssl_train.data.records import text_id
from railmatch.ssl_train.recipe import FieldNames, FileSource

from .conftest import DECISIONS, ROWS, prompt, written


def settings(models: Path, **more: Any) -> ScoreSettings:
    return ScoreSettings(models=str(models), device="cpu", **{"part_rows": 5, **more})


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["score", *map(str, arguments), "--device", "cpu"])


def test_every_record_is_there_once_in_its_order(trigger_models: Path, log: Path, tmp_path: Path) -> None:
    output = score(str(log), tmp_path / "out", settings(trigger_models))
    lines = written(tmp_path / "out")
    assert [line["decision"] for line in lines] == DECISIONS
    assert sorted(path.name for path in (tmp_path / "out").glob("part-*")) == [
        f"part-0000{number}.jsonl" for number in range(5)
    ]
    assert (output.rows, output.decisions) == (ROWS, {"allow": 16, "block": 7})
    first = lines[0]
    with Guard.load(trigger_models, device="cpu") as guard:
        verdict = guard.check_prompt(prompt(0))
    assert first.pop("score") == pytest.approx(verdict.score, abs=1e-6)
    assert first == {
        "id": text_id(Exchange(prompt(0))), "decision": "block", "threshold": 0.5, "version": verdict.version,
        "task": "prompt", "undone": [], "prompt_sha256": hashlib.sha256(prompt(0).encode()).hexdigest(),
    }  # fmt: skip
    assert json.loads((tmp_path / "out" / "score.json").read_text()) == {
        "rows": ROWS, "decisions": {"allow": 16, "block": 7}, "task": "prompt", "version": verdict.version,
        "threshold": 0.5, "text": False,
    }  # fmt: skip


def test_responses_are_judged_with_their_prompts_and_ids_are_kept(trigger_models: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("number,question,answer\n7,how,steal it\n7,how,bake it\n")
    fields = FieldNames(id="number", prompt="question", response="answer")
    wanted = settings(trigger_models, task="response", text=True)
    score(FileSource(file=str(log), fields=fields), tmp_path / "out", wanted)
    found = [
        (line["id"], line["decision"], line["prompt"], line["response"]) for line in written(tmp_path / "out")
    ]
    assert found == [("7", "block", "how", "steal it"), ("7", "allow", "how", "bake it")]


def test_a_run_that_is_killed_is_gone_on_with(trigger_models: Path, log: Path, tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    score(str(log), whole, settings(trigger_models))
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from railmatch.scoring import output, run\n"
        "from railmatch.scoring.settings import ScoreSettings\n"
        "class Killed(output.Output):\n"
        "    def _write_part(self, lines):\n"
        "        super()._write_part(lines)\n"
        "        if self.parts == 2:\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "run.Output = Killed\n"
        f"run.score({str(log)!r}, Path({str(out)!r}), ScoreSettings(models={str(trigger_models)!r}, device='cpu', "
        "part_rows=5))\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], check=False, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert killed.returncode == -signal.SIGKILL
    assert len(written(out)) == 10
    assert not (out / "score.json").exists()
    before = (out / "part-00001.jsonl").stat().st_mtime_ns
    score(str(log), out, settings(trigger_models))
    assert (out / "part-00001.jsonl").stat().st_mtime_ns == before
    assert [line["id"] for line in written(out)] == [line["id"] for line in written(whole)]
    assert [line["decision"] for line in written(out)] == DECISIONS
    assert (out / "score.json").read_text() == (whole / "score.json").read_text()


def test_an_error_keeps_what_was_judged_before_it(trigger_models: Path, log: Path, tmp_path: Path) -> None:
    lines = log.read_text().splitlines()
    log.write_text("\n".join([*lines[:7], "no json", *lines[7:]]))
    with pytest.raises(DataError, match="row 8: not valid JSON"):
        score(str(log), tmp_path / "out", settings(trigger_models))
    log.write_text("\n".join(lines))
    score(str(log), tmp_path / "out", settings(trigger_models))
    assert [line["decision"] for line in written(tmp_path / "out")] == DECISIONS


def test_a_log_that_has_grown_is_gone_on_with(trigger_models: Path, log: Path, tmp_path: Path) -> None:
    score(str(log), tmp_path / "out", settings(trigger_models))
    with log.open("a") as file:
        file.write('{"prompt": "a weapon"}\n')
    score(str(log), tmp_path / "out", settings(trigger_models))
    assert [line["decision"] for line in written(tmp_path / "out")] == [*DECISIONS, "block"]


def test_a_complete_folder_is_left_alone_and_no_model_is_loaded(
    trigger_models: Path, log: Path, tmp_path: Path
) -> None:
    score(str(log), tmp_path / "out", settings(trigger_models))
    assert score(str(log), tmp_path / "out", settings(tmp_path / "nowhere")).rows == ROWS
    with pytest.raises(ModelError):
        score(str(log), tmp_path / "other", settings(tmp_path / "nowhere"))


def test_another_data_set_is_refused(trigger_models: Path, log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    score(str(log), out, settings(trigger_models))
    lines = log.read_text().splitlines()
    for changed in ([*lines[:6], lines[7], lines[6], *lines[8:]], lines[:6]):
        log.write_text("\n".join(changed))
        with pytest.raises(DataError) as caught:
            score(str(log), out, settings(trigger_models))
        assert str(caught.value) == (
            f"{out}/part-00001.jsonl, row 2: this is not the data set's record 7; the data set has changed: "
            "name another folder with --out"
        )


def test_another_threshold_is_refused(trigger_models: Path, log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    score(str(log), out, settings(trigger_models))
    version = written(out)[0]["version"]
    (out / "part-00004.jsonl").unlink()
    with pytest.raises(SettingsError) as caught:
        score(str(log), out, settings(trigger_models, threshold=0.25, text=True))
    assert str(caught.value) == (
        f"{out} holds prompts judged by model {version} at threshold 0.5; now it is a prompt by {version} at 0.25, "
        "with its text: name another folder with --out"
    )
    assert len(written(out)) == 20


def test_a_missing_or_damaged_part_is_refused(trigger_models: Path, log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    score(str(log), out, settings(trigger_models))
    part = out / "part-00002.jsonl"
    part.write_text(part.read_text()[:-20])
    with pytest.raises(DataError) as caught:
        score(str(log), out, settings(trigger_models))
    assert str(caught.value) == (
        f"{part}, row 5: not a line of railmatch score; remove this part and those after it"
    )
    part.unlink()
    with pytest.raises(DataError) as caught:
        score(str(log), out, settings(trigger_models))
    assert str(caught.value) == f"{part}: no such part, but there is part-00003.jsonl; remove it and those after it"


def test_two_runs_cannot_write_to_one_folder(trigger_models: Path, log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with only_run(out), pytest.raises(SettingsError) as caught:
        score(str(log), out, settings(trigger_models))
    assert str(caught.value) == f"{out}: another run is writing there; wait for it, or name another --out"
    with (out / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def line(number: int, decision: str) -> dict[str, Any]:
    return {
        "id": str(number), "decision": decision, "score": None, "threshold": 0.5, "version": "v", "task": "prompt",
        "undone": [], "reason": "the model failed: out of memory", "prompt_sha256": "",
    }  # fmt: skip


def test_a_model_that_judges_nothing_any_more_ends_the_run(tmp_path: Path) -> None:
    output = Output(tmp_path)
    lines = [line(0, "allow"), *(line(number, "undecided") for number in range(1, 200))]
    with pytest.raises(EngineError) as caught:
        output.write(lines, 1000, lambda count: None)
    assert str(caught.value) == "the last 100 texts could not be judged: the model failed: out of memory"
    assert [found["id"] for found in written(tmp_path)] == ["0"]


def test_single_texts_that_cannot_be_judged_are_written_as_undecided(tmp_path: Path) -> None:
    output = Output(tmp_path)
    output.write([line(n, "undecided" if n % 2 else "allow") for n in range(300)], 1000, lambda count: None)
    assert output.decisions == {"allow": 150, "undecided": 150}
    assert written(tmp_path)[1]["reason"] == "the model failed: out of memory"


def test_the_command_prints_what_was_decided(trigger_models: Path, log: Path, tmp_path: Path) -> None:
    result = run(log, "--out", tmp_path / "out", "--models", trigger_models, "--set", "part_rows=10")
    version = written(tmp_path / "out")[0]["version"]
    assert result.stdout == (
        f"{ROWS} prompts: 16 allow, 7 block, 0 undecided  (model {version}, threshold 0.5000)\n"
    )
    assert result.exit_code == 0


def test_the_command_refuses_an_empty_data_set(trigger_models: Path, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("\n")
    result = run(tmp_path / "log.jsonl", "--out", tmp_path / "out", "--models", trigger_models)
    assert (result.exit_code, result.stderr) == (2, f"Error: {tmp_path}/log.jsonl: no rows; texts are needed here\n")
