"""The folder of a run: stages are made once, whole or not at all, and only for the run that they are of."""

from pathlib import Path

import pytest
from railmatch.classifier.errors import DataError, SettingsError
from railmatch.ssl_train.adversarial.folder import RunFolder


def test_a_stage_is_made_once(tmp_path: Path):
    made: list[int] = []

    def rows() -> list[dict[str, str]]:
        made.append(1)
        return [{"text": "one\u2028line"}, {"text": "two"}]

    folder = RunFolder(tmp_path / "out", "abc")
    assert folder.rows(1, "candidates", rows) == [{"text": "one\u2028line"}, {"text": "two"}]
    assert RunFolder(tmp_path / "out", "abc").rows(1, "candidates", rows) == folder.rows(1, "candidates", rows)
    assert folder.facts(1, "harvest", lambda: {"kept": 2}) == {"kept": 2}
    assert folder.facts(1, "harvest", lambda: {"kept": 3}) == {"kept": 2}
    assert made == [1]


def test_a_stage_that_fails_leaves_nothing(tmp_path: Path):
    folder = RunFolder(tmp_path / "out", "abc")

    def rows():
        yield {"text": "one"}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.rows(1, "candidates", rows)
    assert not (folder.round(1) / "candidates.jsonl").exists()


def test_a_folder_of_another_run_is_refused(tmp_path: Path):
    RunFolder(tmp_path / "out", "abc")
    with pytest.raises(SettingsError) as error:
        RunFolder(tmp_path / "out", "other")
    assert str(error.value) == (
        f"{tmp_path / 'out'} holds rounds of another recipe, classifier or version; name another folder with --out, or "
        "remove this one"
    )


def test_a_folder_of_something_else_is_refused(tmp_path: Path):
    (tmp_path / "letter.txt").write_text("dear")
    for place in (tmp_path, tmp_path / "letter.txt"):
        with pytest.raises(SettingsError) as error:
            RunFolder(place, "abc")
        assert str(error.value) == f"{place} holds something else than rounds; name another folder with --out"


def test_a_damaged_stage_is_named(tmp_path: Path):
    folder = RunFolder(tmp_path / "out", "abc")
    folder.facts(1, "harvest", dict)
    (folder.round(1) / "harvest.json").write_text("{")
    with pytest.raises(DataError, match=r"harvest\.json: cannot be read \(.*\); remove it, and it is made anew$"):
        folder.facts(1, "harvest", dict)
