"""Stored rewrites: those of an endpoint and back-translations side by side."""

from pathlib import Path

import pytest
from railmatch.classifier.errors import ModelError
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.calls import make_calls
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.data.training_texts import TrainingTexts
from railmatch.ssl_train.recipe import Recipe
from railmatch.ssl_train.stored_rewrites import collect_stored
from railmatch.ssl_train.strong_texts import gather_strong_texts
from translators import write_translator

POOL = [Record("x", Exchange("bake a cake")), Record("y", Exchange("steal a cake"))]
RECORDED = {"x": [Exchange("how do i bake cakes")]}


@pytest.fixture
def recipe(tmp_path: Path):
    forward = write_translator(tmp_path / "there", {"bake": "back", "steal": "stiehl", "a": "ein", "cake": "kuchen"})
    backward = write_translator(tmp_path / "back", {"back": "make", "stiehl": "steal", "ein": "a", "kuchen": "cake"})

    def recipe(*strategies: str, **augment) -> Recipe:
        models = {"forward": str(forward), "backward": str(backward)}
        content = {
            "task": "prompt",
            "data": {"labelled": "l.jsonl", "unlabelled": "u.jsonl"},
            "augment": {"strategy": list(strategies), "cache": str(tmp_path / "c.sqlite"), "backtranslation": models},
            "training": {"device": "cpu"},
        }
        content["augment"] |= augment
        return Recipe.model_validate(content)

    return recipe


def test_both_kinds_of_rewrites_and_their_counts_are_put_together(recipe):
    """The recorded rewrite is the paraphrase, though back-translation is named first."""
    texts = TrainingTexts([], POOL, RECORDED, {})
    found = collect_stored(recipe("backtranslation", "paraphrase"), texts)
    assert found.rewrites == {"x": [Exchange("how do i bake cakes"), Exchange("make a cake")]}
    expected = {"kept": 2, "unchanged": 1, "missing": 1, "recorded": 1, "from_cache": 0, "asked": 0}
    assert {name: found.counts[name] for name in expected} == expected


def test_back_translation_alone_needs_neither_endpoint_nor_recorded_rewrites(recipe):
    found = collect_stored(recipe("backtranslation"), TrainingTexts([], POOL, {}, {}))
    assert found.rewrites == {"x": [Exchange("make a cake")]}
    assert (found.counts["kept"], found.counts["unchanged"], found.counts["missing"]) == (1, 1, 0)


def test_training_and_the_augment_command_use_them(recipe):
    texts = TrainingTexts([], POOL, {}, {})
    assert make_calls(recipe("backtranslation"), texts).rewrites.counts["from_cache"] == 0
    strong = gather_strong_texts(recipe("identity", "backtranslation"), texts)
    assert strong.rewrites == {
        "x": [Exchange("make a cake"), POOL[0].exchange],
        "y": [POOL[1].exchange],
    }
    assert (strong.counts["from_cache"], strong.counts["identity"]) == (2, 2)


def test_models_are_not_loaded_for_other_strategies(recipe):
    nowhere = {"forward": "/nowhere", "backward": "/nowhere"}
    texts = TrainingTexts([], POOL, RECORDED, {})
    assert collect_stored(recipe("paraphrase", backtranslation=nowhere), texts).counts["kept"] == 1
    with pytest.raises(ModelError, match="'/nowhere' is not a folder"):
        collect_stored(recipe("backtranslation", backtranslation=nowhere), texts)
