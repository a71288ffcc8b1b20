"""Seeds: with their categories, and both classes alike in a round."""

from pathlib import Path

import pytest
from railmatch.classifier.errors import DataError
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.adversarial.attack import Seed
from railmatch.ssl_train.adversarial.seeds import draw, load_seeds
from railmatch.ssl_train.recipe import FieldNames, FileSource
from small_training import write_rows


def test_categories_are_read_from_all_files_in_their_order(tmp_path: Path):
    write_rows(tmp_path / "a.jsonl", [{"id": "1", "prompt": "x", "label": "harmful", "topic": " car  theft "}])
    (tmp_path / "b.csv").write_text("id,text,label\n2,y,unharmful\n")
    sources = [str(tmp_path / "a.jsonl"), FileSource(file=str(tmp_path / "b.csv"), fields=FieldNames(prompt="text"))]
    assert load_seeds(sources, "topic", "prompt") == [
        Seed("1", Exchange("x"), 1, "car theft"), Seed("2", Exchange("y"), 0, ""),
    ]  # fmt: skip


def test_seeds_of_one_class_are_refused(tmp_path: Path):
    file = tmp_path / "seeds.jsonl"
    write_rows(file, [{"prompt": f"text {number}", "label": "harmful"} for number in range(3)])
    with pytest.raises(DataError) as error:
        load_seeds(str(file), "category", "prompt")
    assert str(error.value) == f"{file}: all 3 labels are 'harmful'; examples of both classes are needed"


def test_a_round_has_both_classes_alike():
    seeds = [Seed(str(number), Exchange(f"text {number}"), int(number < 3)) for number in range(10)]
    drawn = draw(seeds, None, "0 1")
    assert [seed.label for seed in drawn] == [1, 0, 1, 0, 1, 0]
    assert len({seed.id for seed in drawn}) == 6
    assert [seed.label for seed in draw(seeds, 5, "0 1")] == [1, 0, 1, 0]
    assert draw(list(reversed(seeds)), None, "0 1") == drawn
    assert draw(seeds, 4, "0 1") != draw(seeds, 4, "0 2") or draw(seeds, 4, "0 1") != draw(seeds, 4, "0 3")
