"""The benchmark of the synthetic set: its table, its page, and that no row sees what it must not."""

import runpy
from pathlib import Path
from typing import Any

from railmatch.ssl_train.data.records import load_records
from recorded_synthesis import HERE

BENCHMARK = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "synthetic_value.py"))
ROWS = BENCHMARK["ROWS"]


def figures(value: float) -> dict[str, dict[str, float]]:
    names = ("f1_at_half", "auprc", "recall_at_5")
    return {"own": dict.fromkeys(names, value), "all": dict.fromkeys(names, value / 2)}


def test_mean_and_spread_are_over_the_seeds():
    text = BENCHMARK["table"]({"50 labels": [figures(0.5), figures(0.7)], "once": [figures(0.25)]})
    assert text.splitlines()[2:] == [  # 100 * stdev of 0.5 and 0.7 is 14.1
        "| 50 labels | 60.0 ± 14.1 | 60.0 ± 14.1 | 60.0 ± 14.1 | 30.0 ± 7.1 | 30.0 ± 7.1 |",
        "| once | 25.0 | 25.0 | 25.0 | 12.5 | 12.5 |",
    ]


def test_rows_differ_in_their_data_alone(tmp_path: Path):
    recipes = {row: BENCHMARK["recipe_of"](row, tmp_path, 1, 2) for row in ROWS}
    labels, seeds, synthetic = (str(tmp_path / f"{name}.jsonl") for name in ("labels", "seeds", "synthetic"))
    assert [recipe.data.labelled for recipe in recipes.values()] == [
        [labels], [labels, seeds], [labels], [labels, synthetic], [synthetic]
    ]  # fmt: skip
    assert [recipe.data.unlabelled for recipe in recipes.values()] == [None, None, synthetic, None, None]
    assert (
        {recipe.data.test for recipe in recipes.values()}
        == {recipe.data.votes for recipe in recipes.values()}
        == {None}
    )
    assert len({recipe.training for recipe in recipes.values()}) == 1


def test_labels_are_a_balanced_draw_without_the_seeds_of_the_set(tmp_path: Path):
    BENCHMARK["draw_labels"](tmp_path, 3)
    drawn = load_records(str(tmp_path / "labels.jsonl"), "prompt", labelled=True)
    seeds = {record.id for record in load_records(str(HERE / "seeds.jsonl"), "prompt", labelled=True)}
    assert (len(drawn), sum(record.label or 0 for record in drawn)) == (50, 25)
    assert not {record.id for record in drawn} & seeds


def test_a_text_and_its_paraphrase_are_views_of_each_other():
    def record(identity: str, parent: str) -> dict[str, Any]:
        return {"id": identity, "prompt": f"text of {identity}", "lineage": [{"parent": parent}]}

    assert BENCHMARK["pairs_of"]([record("q1", "seed"), record("p1", "q1"), record("p2", "gone")]) == {
        "q1": "text of p1",
        "p1": "text of q1",
    }
