"""The audit log: a line of JSON for every check, without the text unless it is asked for."""

import hashlib
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from disk import full_disk
from railmatch.classifier.errors import SettingsError
from railmatch.classifier.inputs import Exchange
from railmatch.rails.audit import AuditLog
from railmatch.rails.verdict import Verdict

ABOUT = {"milliseconds": 2.0, "task": "response", "model": "models/response", "version": "0123456789ab"}
VERDICT = Verdict.judged(0.9, 0.5, windows=1, **ABOUT)


def lines(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text("ascii").splitlines()]


def test_a_line_holds_the_verdict_and_hashes(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log(VERDICT, Exchange("a secret", "an answer\n🙂"))
    log.close()
    (line,) = lines(tmp_path / "audit.jsonl")
    assert line.pop("time").endswith("+00:00")
    assert line == {
        **json.loads(json.dumps(VERDICT.as_dict())),
        "prompt_sha256": hashlib.sha256(b"a secret").hexdigest(),
        "response_sha256": hashlib.sha256("an answer\n🙂".encode()).hexdigest(),
    }
    assert stat.S_IMODE((tmp_path / "audit.jsonl").stat().st_mode) == 0o600


def test_the_text_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", text=True)
    log(VERDICT, Exchange("a \ud800 secret"))
    log.close()
    (line,) = lines(tmp_path / "audit.jsonl")
    assert line["prompt"] == "a \ud800 secret"
    assert not {"response", "prompt_sha256", "response_sha256"} & set(line)


def test_lines_of_several_threads_and_logs_do_not_mix(tmp_path: Path) -> None:
    logs = [AuditLog(tmp_path / "audit.jsonl", text=True) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: logs[number % 2](VERDICT, Exchange(f"{number}" * 50)), range(200)))
    for log in logs:
        log.close()
    assert sorted(line["prompt"] for line in lines(tmp_path / "audit.jsonl")) == sorted(f"{n}" * 50 for n in range(200))


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    file.touch()
    file.chmod(0o644)
    AuditLog(file).close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_is_no_ordinary_file_keeps_its_mode(tmp_path: Path) -> None:
    pipe = tmp_path / "audit.pipe"
    os.mkfifo(pipe)
    pipe.chmod(0o644)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    AuditLog(pipe).close()
    os.close(reader)
    assert stat.S_IMODE(pipe.stat().st_mode) == 0o644


def test_a_line_is_written_to_its_end_where_a_write_takes_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    log = AuditLog(tmp_path / "audit.jsonl", text=True)
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda file, data: write(file, data[:7]))
        log(VERDICT, Exchange("a text"))
    log.close()
    (line,) = lines(tmp_path / "audit.jsonl")
    assert line["prompt"] == "a text"


def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    with full_disk(100), pytest.raises(OSError, match="too large"):
        log(VERDICT, Exchange("a text"))
    log.close()


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "missing" / "audit.jsonl"
    with pytest.raises(SettingsError) as caught:
        AuditLog(file)
    assert str(caught.value) == f"the audit log {file} cannot be written: No such file or directory; name another file"
