"""The file of results: whole lines only, and each cell to one process at a time."""

import subprocess
import sys
from pathlib import Path

from label_efficiency.results import Results

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

HOLD = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from label_efficiency.results import Results
with Results(Path(sys.argv[2])).claim("a") as mine:
    print(mine, flush=True)
    time.sleep(60)
"""


def test_without_a_file_there_are_no_results(tmp_path: Path):
    assert Results(tmp_path / "r.jsonl").rows() == []


def test_results_are_appended(tmp_path: Path):
    for number in range(3):
        Results(tmp_path / "r.jsonl").add({"number": number})
    assert Results(tmp_path / "r.jsonl").rows() == [{"number": 0}, {"number": 1}, {"number": 2}]


def test_a_line_that_was_not_written_to_its_end_does_not_count_and_is_overwritten(tmp_path: Path):
    file = tmp_path / "r.jsonl"
    file.write_text('{"number": 0}\n{"numb')
    results = Results(file)
    assert results.rows() == [{"number": 0}]
    results.add({"number": 1})
    assert file.read_text() == '{"number": 0}\n{"number": 1}\n'


def test_a_claim_is_one_process_at_a_time_and_ends_with_it(tmp_path: Path):
    file = tmp_path / "r.jsonl"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(BENCHMARKS), str(file)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        results = Results(file)
        with results.claim("a") as mine, results.claim("b") as too:
            assert (mine, too) == (False, True)
    finally:
        other.kill()
        other.communicate()
    with Results(file).claim("a") as mine:
        assert mine


def test_a_claim_is_given_back(tmp_path: Path):
    results = Results(tmp_path / "r.jsonl")
    with results.claim("a") as first:
        assert first
    with results.claim("a") as second:
        assert second
