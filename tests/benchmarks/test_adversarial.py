"""The benchmark of adversarial rounds: how it deals its data, and how it counts seeds that are turned."""

from pathlib import Path

import pytest
from adversarial import Data, table, turned_share
from railmatch.classifier.model import SafetyClassifier
from small_training import write_rows

NAMES = ("unharmful", "harmful")


@pytest.fixture
def data(tmp_path: Path) -> Data:
    """Twelve pool texts with two rewrites each; those of odd numbers are harmful, and two votes are unsure."""
    source, scratch = tmp_path / "source", tmp_path / "scratch"
    scratch.mkdir()
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
        [
            {"id": f"p{n:02}", "rewrites": [f"a gun {n}" if n == 3 else f"a weapon {n}", f"a weapon {n}!"]}
            for n in range(12)
        ],
    )
    rows = [{"id": f"l{n:03}", "prompt": f"text {n}", "label": NAMES[n % 2]} for n in range(2000)]
    write_rows(source / "prompt_labelled.jsonl", rows)
    write_rows(source / "prompt_test.jsonl", rows[:4])
    return Data(source, scratch, seeds=100, rows=None)


def lines(data: Data, name: str) -> list[str]:
    return Path(data.file(name)).read_text().splitlines()


def test_no_row_is_in_two_parts(data: Data):
    parts = [set(lines(data, name)) for name in ("classifier", "judge", "held_out")]
    assert [len(part) for part in parts] == [200, 1400, 400]
    assert len(set.union(*parts)) == 2000


def test_seeds_are_texts_with_a_sure_vote_every_second_one_kept_for_measuring(data: Data):
    assert len(lines(data, "seeds")) == 5 and len(data.fresh) == 5
    assert '"label": "unharmful"' in lines(data, "seeds")[0]
    assert data.fresh[0] == ("harmful", "a weapon 1", ["a weapon 1", "a weapon 1!"])


def test_a_seed_is_turned_by_its_worst_rewrite(data: Data, trigger_models: Path):
    classifier = SafetyClassifier.load(trigger_models / "prompt", device="cpu")  # "weapon" is what it knows
    # fresh are the odd ones 1, 3, 5, 7, 9, all harmful and all found; of 3 one rewrite names no weapon
    assert turned_share(classifier, 1, data) == pytest.approx(1 / 5)
    assert turned_share(classifier, 0, data) is None


def test_the_table_shows_a_dash_where_nothing_was_measured():
    row = {"missed": 0.5, "f1": 0.8, "f1_at_half": 0.75, "auprc": 0.9, "fpr": 0.05}
    assert table({"as it was": row}).splitlines()[-1] == (
        "| as it was | - | 50.0% | - | 0.800 | 0.750 | 0.900 | 5.0% | - |"
    )
