"""The benchmark of adversarial rounds: how it deals its data, and how it counts seeds that are turned."""

import hashlib
import json
from pathlib import Path

import pytest
from adversarial import RECIPE, START, finished, main, settings_of, table, turned_share
from attack_data import Data
from click.testing import CliRunner
from label_efficiency.results import Results
from railmatch.classifier.model import SafetyClassifier
from small_training import write_rows

NAMES = ("unharmful", "harmful")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Twelve pool texts with two rewrites each; those of odd numbers are harmful, and two votes are unsure."""
    source = tmp_path / "source"
    pool = [{"id": f"p{n:02}", "prompt": ("a weapon " if n % 2 else "a cake ") + str(n)} for n in range(12)]
    write_rows(source / "prompt_unlabelled.jsonl", pool)
    write_rows(
        source / "prompt_unlabelled_labels.jsonl", [{"id": f"p{n:02}", "label": NAMES[n % 2]} for n in range(12)]
    )
    write_rows(
        source / "prompt_votes.jsonl",
        [{"id": f"p{n:02}", "vote": 2 if n in (10, 11) else 4 * (n % 2)} for n in range(12)],
    )
    write_rows(
        source / "prompt_rewrites.jsonl",
        [{"id": f"p{n:02}", "rewrites": [f"a weapon {n}", f"a weapon {n}!"]} for n in range(12)],
    )
    rows = [{"id": f"l{n:03}", "prompt": f"text {n}", "label": NAMES[n % 2]} for n in range(2000)]
    write_rows(source / "prompt_labelled.jsonl", rows)
    write_rows(source / "prompt_test.jsonl", rows[:4])
    return source


def dealt(source: Path, seed: int) -> Data:
    scratch = source.parent / f"scratch-{seed}"
    scratch.mkdir(exist_ok=True)
    return Data(source, scratch, seed=seed, texts=100, rows=None)


@pytest.fixture
def data(source: Path) -> Data:
    return dealt(source, 0)


def lines(data: Data, name: str) -> list[str]:
    return Path(data.file(name)).read_text().splitlines()


def test_no_row_is_in_two_parts(data: Data):
    parts = [set(lines(data, name)) for name in ("classifier", "judge", "held_out")]
    assert [len(part) for part in parts] == [200, 1400, 400]
    assert len(set.union(*parts)) == 2000


def test_half_of_the_texts_with_a_sure_vote_are_attacked_and_half_measure(data: Data):
    attacked = {json.loads(line)["prompt"]: json.loads(line)["label"] for line in lines(data, "seeds")}
    measured = {text: truth for truth, text, _ in data.fresh}
    assert len(attacked) == len(measured) == 5
    sure = {("a weapon " if n % 2 else "a cake ") + str(n): NAMES[n % 2] for n in range(10)}
    assert attacked | measured == sure


def test_every_seed_deals_anew_and_always_alike(source: Path, data: Data):
    parts = ("classifier", "judge", "held_out", "seeds")
    assert [lines(dealt(source, 0), name) for name in parts] == [lines(data, name) for name in parts]
    other = dealt(source, 1)
    assert all(sorted(lines(other, name)) != sorted(lines(data, name)) for name in parts)


def test_a_text_is_turned_by_its_worst_rewrite(data: Data, trigger_models: Path):
    classifier = SafetyClassifier.load(trigger_models / "prompt", device="cpu")  # "weapon" is what it knows
    data.fresh = [
        ("harmful", "a weapon 1", ["a weapon", "the weapon"]),
        ("harmful", "a weapon 2", ["a gun", "a weapon"]),
        ("harmful", "a gun", ["a gun"]),  # is wrong as it is
    ]
    assert turned_share(classifier, 1, data) == pytest.approx(1 / 2)
    assert turned_share(classifier, 0, data) is None


def test_the_table_gives_mean_and_spread_and_a_dash_where_nothing_was_measured():
    figures = {"missed": 0.5, "f1": 0.8, "f1_at_half": 0.75, "auprc": 0.9, "fpr": 0.05}
    one = {"row": START} | figures
    assert table([one], [START]).splitlines()[-1] == (
        "| as it was | 1 | - | 50.0% | - | 0.800 | 0.750 | 0.900 | 5.0% | - |"
    )
    # of 0.7 and 0.9 the mean is 0.8 and the standard deviation 0.1414
    two = [{"row": "none"} | figures | {"f1": value} for value in (0.7, 0.9)]
    assert "| 2 | - | 50.0% ± 0.0% | - | 0.800 ± 0.141 |" in table(two, ["none"])
    assert table([one], ["none"]).splitlines()[-1] == f"| none | 0 |{' - |' * 8}"


def test_rows_of_other_settings_are_not_counted(tmp_path: Path):
    results = Results(tmp_path / "results.jsonl")
    for seed, steps in ((0, 2), (1, 2), (1, 3)):
        results.add({"seed": seed, "row": START, "settings": {"steps": steps}, "f1": steps / 10})
    assert {key: row["f1"] for key, row in finished(results, {"steps": 2}).items()} == {
        (0, START): 0.2, (1, START): 0.2,
    }  # fmt: skip


def test_a_row_depends_on_what_it_reads():
    settings = {"texts": 9, "lm": "small", "template": "chat", "temperature": 0.8, "max_tokens": 80, "rate": 1e-5}
    assert settings_of("rl", settings) == settings
    assert settings_of("best_of_n", settings) == {name: settings[name] for name in settings if name != "rate"}
    assert settings_of("endpoint", settings) == settings_of(START, settings) == {"texts": 9}


def test_what_is_finished_is_not_run_again(source: Path, tmp_path: Path):
    out = tmp_path / "results.jsonl"

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(main, [str(source), "--out", str(out), "--generators", "none", *arguments])
        assert done.exit_code == 0, done.output
        return done.stdout

    settings = {
        "model": None, "training": None, "judge": None, "texts": 350, "variants": 2, "accepted": 84, "rounds": 1,
        "rows": None, "steps": None, "recipe": hashlib.sha256(RECIPE.read_bytes()).hexdigest()[:16],
    }  # fmt: skip
    for seed in (0, 1):
        for row in (START, "none"):
            Results(out).add({"seed": seed, "row": row, "settings": settings, "f1": seed / 10})
    before = out.read_text()
    assert "| none | 2 | - | - | - | 0.050 ± 0.071 |" in run("--seeds", "0,1")
    assert "| none | 1 | - | - | - | 0.100 |" in run("--seeds", "1")
    assert out.read_text() == before


def test_seeds_that_are_no_numbers_are_named(source: Path, tmp_path: Path):
    done = CliRunner().invoke(main, [str(source), "--out", str(tmp_path / "out"), "--seeds", "a"])
    assert done.exit_code == 2
    assert done.stderr.endswith("Error: Invalid value for '--seeds': write whole numbers, such as 0,1,2\n")
