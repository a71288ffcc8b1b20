"""Seeds with their categories, and rows that cannot be seeds."""

import json
from pathlib import Path
from typing import Any

import pytest
from railmatch.classifier.errors import DataError
from railmatch.ssl_train.recipe import FieldNames
from railmatch.ssl_train.synthesis.recipe import SeedSettings
from railmatch.ssl_train.synthesis.seeds import load_seeds

ROWS: list[dict[str, Any]] = [
    {"id": "a", "text": "Pick a lock.", "y": 1, "topic": "theft  of\nthings", "response": "no"},
    {"text": "Buy a lock.", "y": 0, "topic": "theft of things"},
]


def settings(folder: Path, rows: list[dict[str, Any]]) -> SeedSettings:
    (folder / "seeds.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return SeedSettings(file="seeds.jsonl", category="topic", fields=FieldNames(prompt="text", label="y"))


def test_seeds_bring_their_id_label_and_category_and_no_response(tmp_path: Path):
    first, second = load_seeds(settings(tmp_path, ROWS), tmp_path)
    assert (first.id, first.seed, first.label, first.exchange) == ("a", "a", 1, ("Pick a lock.", None))
    assert first.category == second.category == "theft of things"
    assert second.id == second.seed != ""
    assert first.lineage == ()


@pytest.mark.parametrize("category", [None, "", 3])
def test_a_seed_without_a_category(category: object, tmp_path: Path):
    with pytest.raises(DataError) as error:
        load_seeds(settings(tmp_path, [ROWS[0], ROWS[1] | {"topic": category}]), tmp_path)
    assert str(error.value) == (
        f"{tmp_path / 'seeds.jsonl'}, row 2: the field 'topic' must name the seed's category; fill it in, or name "
        "another field in seeds.category"
    )
