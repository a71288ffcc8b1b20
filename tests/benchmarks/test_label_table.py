"""The table, its gains, the page with its plots, and the estimate of what is missing, from results made by hand."""

from pathlib import Path
from typing import Any

import click
import pytest
from label_efficiency.cells import Cell
from label_efficiency.estimate import listing, seconds_of
from label_efficiency.page import BENCHMARK, write_page
from label_efficiency.plots import whole_pools
from label_efficiency.settings import Settings
from label_efficiency.table import current, table
from marked_page import marks_of

BEGIN, END = marks_of(BENCHMARK)


def result(cell: Cell, f1: float, auprc: float = 0.5, **more: Any) -> dict[str, Any]:
    figures = {"f1_at_half": f1, "auprc": auprc, "recall_at_5": 0.25}
    return {
        **cell.as_dict(),
        "recipe": "",
        "figures": figures,
        "core": None,
        "threshold": None,
        "seconds": 100,
        "peak_gib": 1.25,
        "pool_texts": 5000,
    } | more


def supervised(seed: int, f1: float, **more: Any) -> dict[str, Any]:
    return result(Cell("prompt", "supervised", 200, seed=seed), f1, **more)


def rewrites(seed: int, f1: float, **more: Any) -> dict[str, Any]:
    return result(Cell("prompt", "fixmatch rewrites", 200, seed=seed), f1, **more)


def test_a_line_is_the_mean_and_spread_of_its_seeds_and_gains_are_of_like_seeds():
    watched = {"time": [0.5, 1.0], "kept": [0.1, 0.75], "error": [None, 0.2]}
    rows = [
        supervised(0, 0.70),
        supervised(1, 0.72),
        supervised(2, 0.10),
        rewrites(0, 0.75, auprc=0.6, pseudo_labels=watched),
        rewrites(1, 0.73, auprc=0.7, pseudo_labels=watched),
    ]
    # gains 5 and 1, though the third supervised seed is far below; deviations of two values are their distance / sqrt 2
    assert table(rows[3:], rows) == (
        "| task | labels | row | seeds | F1 at 0.5 | F1 gain | AUPRC | AUPRC gain | recall at 5% FPR | kept | wrong "
        "| seconds | GiB |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        "| prompt | 200 | fixmatch rewrites | 2 | 74.0 ± 1.4 | +3.0 ± 2.8 | 65.0 ± 7.1 | +15.0 ± 7.1 | 25.0 ± 0.0 "
        "| 75.0 ± 0.0 | 20.0 ± 0.0 | 100 | 1.2 |"
    )


def test_columns_that_are_empty_everywhere_are_left_out_and_others_are_not():
    budget = Cell("prompt", "votes + labels", 200, 1000, "uncertain", pool=4000, settings=("training.steps=3",))
    core = {"f1_at_half": 0.61, "auprc": 0.62}
    head, _, line = table([result(budget, 0.7, core=core)], []).splitlines()
    assert head.startswith("| task | labels | row | votes | pool | settings | seeds | F1 at 0.5 | AUPRC |")
    assert "| core F1 | core AUPRC |" in head
    assert line.startswith("| prompt | 200 | votes + labels | 1,000 uncertain | 4,000 | training.steps=3 | 1 | 70.0 |")
    assert "| 61.0 | 62.0 |" in line


def test_results_of_other_settings_or_rows_that_are_gone_are_not_shown():
    settings = Settings()
    cell = Cell("prompt", "supervised", 200)
    mine = supervised(0, 0.7, recipe=settings.fingerprint(cell))
    gone = result(Cell("prompt", "no such row", 200), 0.9)
    assert current([supervised(0, 0.6, recipe="other"), mine, mine | {"seconds": 1}, gone], settings) == [mine]


def test_the_page_holds_a_section_for_each_suite_with_its_plots(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    watched = {"time": [0.5, 1.0], "kept": [0.1, 0.75], "error": [None, 0.2]}
    pool = [result(Cell("prompt", "fixmatch rewrites", 200, pool=size), 0.7) for size in (1000, 2000)]
    votes = [
        result(Cell("prompt", "votes + labels", 200, most, "random" if most else None), 0.7) for most in (250, None)
    ]
    other = result(Cell("prompt", "supervised", 200, settings=("training.steps=3",)), 0.1)
    rows = [supervised(0, 0.7), rewrites(0, 0.75, pseudo_labels=watched), *pool, *votes, other]
    write_page(page, rows)
    first = page.read_text()
    assert "old" not in first
    assert first.startswith(f"before\n{BEGIN}\n\n### 200 labels\n\n![")
    assert first.endswith(f"|\n\n{END}\nafter\n")
    sections = [line for line in first.splitlines() if line.startswith("###")]
    # "More and fewer labels" would only tell again what stands under "200 labels"
    assert sections == ["### 200 labels", "### The endpoint's votes", "### Size of the pool", "### Other settings"]
    plots = sorted(file.name for file in (tmp_path / "figures").iterdir())
    assert plots == [f"label_efficiency_{name}.svg" for name in ("pool", "pseudo_labels", "votes")]
    assert all(f"(figures/{name})" in first for name in plots)
    drawn = [(tmp_path / "figures" / name).read_bytes() for name in plots]
    write_page(page, rows)
    assert page.read_text() == first
    assert [(tmp_path / "figures" / name).read_bytes() for name in plots] == drawn


def test_the_lines_of_a_section_stand_in_the_order_of_their_suite(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    numbers = [2000, 50, 500]
    write_page(page, [result(Cell("prompt", "supervised", labels), 0.7) for labels in numbers])
    told = [line.split("|")[2].strip() for line in page.read_text().splitlines() if line.startswith("| prompt")]
    assert told == ["50", "500", "2,000"]


@pytest.mark.parametrize("few_first", [True, False])
def test_the_whole_pool_is_that_of_the_trainings_that_see_most_of_it(few_first: bool):
    few = result(Cell("prompt", "votes + labels", 200, 250, "random"), 0.7, pool_texts=250)
    every = result(Cell("prompt", "votes + labels", 200), 0.7, pool_texts=8178)
    responses = result(Cell("response", "supervised", 200), 0.7, pool_texts=0)
    rows = [few, every, responses] if few_first else [every, few, responses]
    assert whole_pools(rows) == {"prompt": 8178, "response": 0}


def test_a_page_without_a_place_for_the_tables_is_refused(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(click.ClickException) as caught:
        write_page(page, [])
    assert caught.value.message == (
        f"{page} has no place for the tables; write these lines into it:\n{BEGIN}\n{END}"
    )


def test_the_time_of_a_cell_is_that_of_those_most_alike():
    cell = Cell("prompt", "fixmatch rewrites", 200, seed=5)
    others = [
        (Cell("prompt", "fixmatch rewrites", 200, seed=0), 10.0),
        (Cell("prompt", "fixmatch rewrites", 200, seed=1), 20.0),
        (Cell("prompt", "fixmatch rewrites", 50), 100.0),
        (Cell("prompt", "fixmatch eda", 200), 1000.0),
        (Cell("prompt", "tfidf", 200), 1.0),
        (Cell("prompt", "fixmatch rewrites", 200, settings=("training.steps=3",)), 1.0),
    ]
    assert seconds_of(cell, others) == 15
    assert seconds_of(cell, others[2:]) == 100
    assert seconds_of(cell, others[3:]) == 1000
    assert seconds_of(cell, others[4:]) is None


def test_the_list_names_each_missing_cell_and_sums_the_times():
    missing = [Cell("prompt", "supervised", 200, seed=1), Cell("response", "setfit", 200)]
    rows = [supervised(0, 0.7, total_seconds=187.0)]
    assert listing(missing, rows) == (
        "       3m07s  prompt, supervised, 200 labels, seed 1\n"
        "time unknown  response, setfit, 200 labels, seed 0\n"
        "2 cells are missing: about 3m07s and 1 of unknown time"
    )
