"""Which cells a suite has, and what each changes in the recipe."""

import json
from pathlib import Path

import pytest
from label_efficiency.cells import SUITES, Cell, cells_of, lines_of
from label_efficiency.settings import Settings
from railmatch.classifier.errors import SettingsError

POOLS = {"prompt": 8178, "response": 5954}


def test_the_core_is_five_rows_at_200_labels():
    lines = lines_of("core")
    assert [line.row for line in lines] == [
        "supervised",
        "fixmatch none",
        "fixmatch eda",
        "fixmatch rewrites",
        "fixmatch rewrites + votes",
    ]
    assert {line.labels for line in lines} == {200}


def test_every_suite_is_in_all_and_no_line_twice():
    every = lines_of("all")
    assert set(every) == {line for suite in SUITES for line in lines_of(suite)}
    assert len(every) == len(set(every))


def test_seeds_come_one_after_the_other_with_all_tasks_in_each():
    cells = cells_of("core", tasks=["prompt", "response"], seeds=[4, 7], pools=POOLS)
    assert [cell.seed for cell in cells] == [4] * 10 + [7] * 10
    assert [cell.task for cell in cells[:4]] == ["prompt", "response", "prompt", "response"]


def test_a_pool_that_is_not_smaller_than_all_texts_is_left_out():
    cells = cells_of("pool", tasks=["prompt", "response"], seeds=[0], pools=POOLS)
    sizes = {task: sorted({cell.pool for cell in cells if cell.task == task and cell.pool}) for task in POOLS}
    assert sizes == {"prompt": [1000, 2000, 4000, 8000], "response": [1000, 2000, 4000]}


def test_labels_choose_cells():
    cells = cells_of("labels", tasks=["prompt"], seeds=[0], pools=POOLS, labels=[50])
    assert {cell.labels for cell in cells} == {50}
    assert len(cells) == 11  # supervised, three methods x three augmentations, votes


def test_a_cell_comes_back_from_its_line_of_results():
    cell = Cell("prompt", "votes + labels", 200, 250, "random", settings=("training.steps=3", "method.gamma=1"), seed=2)
    assert Cell.of(json.loads(json.dumps(cell.as_dict() | {"seconds": 3.0}))) == cell


def test_a_cell_is_named_for_people():
    cell = Cell("prompt", "votes + labels", None, 250, "random", pool=1000, settings=("training.steps=3",), seed=2)
    assert str(cell) == (
        "prompt, votes + labels, all labels, 250 votes (random), pool of 1000, training.steps=3, seed 2"
    )


@pytest.mark.parametrize("task", ["prompt", "response"])
def test_the_settings_of_every_cell_are_allowed(task: str):
    settings = Settings()
    for cell in cells_of("all", tasks=[task], seeds=[1], pools=POOLS):
        recipe = settings.recipe(cell)
        assert (recipe.task, recipe.seed, recipe.data.labels) == (task, 1, cell.labels)
        assert recipe.data.test is None
        assert recipe.method.name in (cell.row.split()[0], "supervised", "fixmatch")


def test_a_row_with_votes_reads_them_and_keeps_the_budget():
    recipe = Settings().recipe(Cell("prompt", "votes alone", 200, 250, "uncertain"))
    assert recipe.data.votes == "{task}_votes.jsonl"
    assert (recipe.augment.max_votes, recipe.augment.vote_choice) == (250, "uncertain")
    assert recipe.augment.fallback == "leave_out"
    assert (recipe.method.lambda_s, recipe.method.vote_trust) == (0, 0)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows.yml"
    file.write_text(
        "rows: {supervised: {method.name: supervised, training.steps: 10, training.average: 0.5}}\n"
        "tasks: {response: {training.steps: 20}}\n"
        "labels: {50: {training.steps: 30}, all: {training.steps: 40}}\n"
    )
    return file


@pytest.mark.parametrize(
    ("cell", "steps"),
    [
        (Cell("prompt", "supervised", 200), 10),
        (Cell("response", "supervised", 200), 20),
        (Cell("response", "supervised", 50), 30),
        (Cell("response", "supervised", None), 40),
        (Cell("response", "supervised", 50, settings=("training.steps=5",)), 5),
    ],
)
def test_what_is_more_particular_holds(rows: Path, cell: Cell, steps: int):
    training = Settings(rows=rows).recipe(cell).training
    assert (training.steps, training.average) == (steps, 0.5)


def test_the_fingerprint_tells_settings_apart_and_ignores_the_order_of_keys(rows: Path):
    cell = Cell("prompt", "supervised", 200)
    before = Settings(rows=rows).fingerprint(cell)
    assert Settings(rows=rows).fingerprint(Cell("prompt", "supervised", 200, seed=1)) != before
    text = rows.read_text()
    swapped = text.replace("training.steps: 10, training.average: 0.5", "training.average: 0.5, training.steps: 10")
    rows.write_text(swapped)
    assert swapped != text
    assert Settings(rows=rows).fingerprint(cell) == before
    rows.write_text(text.replace("steps: 10", "steps: 11"))
    assert Settings(rows=rows).fingerprint(cell) != before


def test_settings_that_are_not_allowed_are_refused():
    with pytest.raises(SettingsError, match=r"training\.step: unknown key; did you mean 'steps'"):
        Settings().recipe(Cell("prompt", "supervised", 200, settings=("training.step=5",)))
