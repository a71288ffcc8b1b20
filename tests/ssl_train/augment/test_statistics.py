"""What a cache is said to hold, counted by hand."""

from pathlib import Path

import pytest
from railmatch.classifier.errors import DataError
from railmatch.ssl_train.augment.cache import Answer, Cache, Key, text_hash
from railmatch.ssl_train.augment.statistics import Example, read_statistics

TEMPLATE = "prompt/paraphrase@0123456789abcdef"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A cache with three paid answers to a template, one of them to a text that is not stored, and a recorded one."""
    path = tmp_path / "cache.sqlite"
    answers = {"a": Answer("kept", "b", 10, 2), "c": Answer("refused", "no", 10, 1), "z": Answer("kept", "y", 10, 3)}
    with Cache(path) as cache:
        assert cache.remember(["a", "c", "a"]) == 3
        for text, answer in answers.items():
            cache.settle(Key(text_hash(text), TEMPLATE, "some-model", "temperature=0.7"), answer, 0.5)
        cache.put(Key(text_hash("a"), "prompt/paraphrase", "recorded", ""), Answer("kept", "bb", similarity=0.75))
    return path


def test_every_template_and_model_has_a_line(path: Path):
    found = read_statistics(path)
    assert [(line.template, line.model, line.counts, line.answers) for line in found.asked] == [
        ("prompt/paraphrase", "recorded", {"kept": 1}, 1),
        (TEMPLATE, "some-model", {"kept": 2, "refused": 1}, 3),
    ]
    assert (found.asked[1].input_tokens, found.asked[1].output_tokens) == (30, 6)


def test_what_was_paid_is_that_of_the_model(path: Path):
    assert {model: tuple(spent) for model, spent in read_statistics(path).spent.items()} == {
        "some-model": (3, 30, 6, 1.5)
    }


def test_examples_stand_beside_their_texts(path: Path):
    assert read_statistics(path).examples == [
        Example("prompt/paraphrase", "kept", "a", "bb", 0.75),
        Example(TEMPLATE, "kept", "a", "b", None),
        Example(TEMPLATE, "refused", "c", "no", None),
    ]
    assert read_statistics(path, examples=0).examples == []


def test_all_of_it_goes_into_json(path: Path):
    found = read_statistics(path, examples=1).as_dict()
    assert found["asked"][1] == {
        "template": TEMPLATE,
        "model": "some-model",
        "answers": 3,
        "kept": 2,
        "refused": 1,
        "input_tokens": 30,
        "output_tokens": 6,
    }
    assert found["spent"]["some-model"] == {"calls": 3, "input_tokens": 30, "output_tokens": 6, "cost": 1.5}
    assert found["examples"][0] == {
        "template": "prompt/paraphrase",
        "status": "kept",
        "text": "a",
        "answer": "bb",
        "similarity": 0.75,
    }


def test_a_missing_cache_is_not_made(tmp_path: Path):
    path = tmp_path / "none.sqlite"
    with pytest.raises(DataError) as caught:
        read_statistics(path)
    assert str(caught.value) == f"cache {path}: no such file; name the one of augment.cache in the recipe"
    assert not path.exists()
