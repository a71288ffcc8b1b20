"""A seed goes with all that came from it, and stays gone."""

import json
import shutil
from pathlib import Path

import pytest
from railmatch.classifier.errors import DataError
from railmatch.ssl_train.data.records import load_records
from railmatch.ssl_train.synthesis.withdraw import withdraw
from recorded_synthesis import Run

SEED = "2e0474c28ffa2057"


def test_no_trace_of_a_withdrawn_seed_is_left(prompt_run: Run, tmp_path: Path):
    shutil.copytree(prompt_run.folder, tmp_path / "out")
    assert withdraw(tmp_path / "out", SEED) == 8  # four messages and their paraphrases
    assert len(load_records(str(tmp_path / "out" / "data.jsonl"), "prompt", labelled=True)) == 476 - 8
    for file in (tmp_path / "out").rglob("*.jsonl"):
        assert SEED not in file.read_text(encoding="utf-8")
    assert json.loads((tmp_path / "out" / "withdrawn.json").read_text()) == [SEED]
    with pytest.raises(DataError) as error:
        withdraw(tmp_path / "out", SEED)
    assert str(error.value) == (
        f"{tmp_path / 'out'}: nothing in it came from a seed '{SEED}'; the ids of seeds are in the field 'seed'"
    )


def test_there_must_be_a_data_set(tmp_path: Path):
    with pytest.raises(DataError, match="run railmatch synthesize again, which writes it"):
        withdraw(tmp_path, SEED)
