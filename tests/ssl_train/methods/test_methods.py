"""The methods that a recipe can name: each trains from files to an ordinary model folder."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier
from railmatch.ssl_train.methods import (
    Aligned,
    FixMatch,
    MarginMatch,
    MultiMatch,
    VirtualClassMarginMatch,
    make_method,
)
from railmatch.ssl_train.recipe import MethodSettings, Recipe
from railmatch.ssl_train.run import train
from transformers import AutoModelForSequenceClassification

SUBJECTS = ["bread", "soup", "cake", "a letter", "a poem", "a plan", "a report", "a song"]


def prompt(number: int) -> str:
    harmful = number % 2
    return f"{'how do i steal' if harmful else 'please help me make'} {SUBJECTS[number // 2 % 8]} {number}"


def write(file: Path, records: Sequence[dict[str, object]]) -> str:
    file.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return str(file)


def recipe(folder: Path, encoder: Path, method: dict[str, object]) -> Recipe:
    pool = [{"id": f"p{number}", "prompt": prompt(number)} for number in range(16, 32)]
    rewrites = [{"id": record["id"], "rewrites": [f"tell me: {record['prompt']}"]} for record in pool]
    labelled = [{"id": f"l{number}", "prompt": prompt(number), "label": number % 2} for number in range(16)]
    return Recipe.model_validate(
        {
            "task": "prompt",
            "encoder": str(encoder),
            "data": {
                "labelled": write(folder / "labelled.jsonl", labelled),
                "unlabelled": write(folder / "pool.jsonl", pool),
                "rewrites": write(folder / "rewrites.jsonl", rewrites),
            },
            "augment": {"strategy": ["paraphrase"], "cache": str(folder / "cache.sqlite")},
            "method": method,
            "training": {
                "steps": 40,
                "labelled_batch": 8,
                "unlabelled_batch": 8,
                "learning_rate": 2e-3,
                "max_length": 32,
                "device": "cpu",
                "precision": "fp32",
            },
            "calibration": {"folds": 0},
        }
    )


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({"name": "fixmatch"}, FixMatch),
        ({"name": "marginmatch"}, VirtualClassMarginMatch),
        ({"name": "marginmatch", "gamma": 0.0}, MarginMatch),
        ({"name": "multimatch"}, MultiMatch),
    ],
)
def test_a_recipe_names_its_method(settings: dict[str, object], kind: type):
    assert type(make_method(MethodSettings.model_validate(settings), 10)) is kind


@pytest.mark.parametrize(("prior", "harmful"), [(None, 0.25), (0.1, 0.1)])
def test_alignment_is_to_the_labels_shares_or_to_a_known_one(prior: float | None, harmful: float):
    settings = MethodSettings(name="multimatch", alignment=True, class_prior=prior)
    method = make_method(settings, 10, harmful=0.25)
    assert isinstance(method, Aligned)
    assert isinstance(method.method, MultiMatch)
    assert method.shares.tolist() == pytest.approx([1 - harmful, harmful])


def test_supervised_training_has_no_method():
    assert make_method(MethodSettings(name="supervised"), 0) is None
    assert make_method(MethodSettings(name="supervised", alignment=True), 0) is None


def test_settings_reach_the_method():
    marginmatch = make_method(MethodSettings(name="marginmatch", threshold=0.7, gamma=0.25), 10)
    assert isinstance(marginmatch, MarginMatch)
    assert (marginmatch.gamma, marginmatch.confidence.threshold) == (0.25, 0.7)
    virtual = make_method(MethodSettings(name="marginmatch", threshold=0.7), 10, seed=5)
    assert isinstance(virtual, VirtualClassMarginMatch)
    assert (virtual.seed, virtual.confidence.threshold) == (5, 0.7)
    multimatch = make_method(MethodSettings(name="multimatch", heads=5), 10)
    assert isinstance(multimatch, MultiMatch)
    assert (multimatch.heads, multimatch.labels.shape) == (5, (10, 5))


@pytest.mark.parametrize(
    "method",
    [
        {"name": "marginmatch", "threshold": 0.6},
        {"name": "marginmatch", "threshold": 0.6, "gamma": 0.0},
        {"name": "marginmatch", "threshold": 0.6, "alignment": True},
        {"name": "multimatch", "heads": 3},
        {"name": "multimatch", "heads": 5},
    ],
    ids=str,
)
def test_trains_and_saves_an_ordinary_model(method: dict[str, object], tiny_encoder: Path, tmp_path: Path):
    result = train(recipe(tmp_path, tiny_encoder, method), tmp_path / "model")
    history = result.report["history"]
    assert max(history["kept"]) > 0
    assert max(history["unsupervised"]) > 0
    ordinary = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    assert ordinary.config.num_labels == 2
    assert ordinary.config.id2label == {0: "unharmful", 1: "harmful"}
    exchanges = [Exchange(prompt(number)) for number in range(32, 48)]
    scores = SafetyClassifier.load(tmp_path / "model", device="cpu").predict_proba(exchanges)
    # `result.model` still has its heads
    np.testing.assert_allclose(scores, result.model.predict_proba(exchanges), atol=1e-6)
    assert float(((scores >= 0.5) == [number % 2 for number in range(32, 48)]).mean()) > 0.8
    assert torch.isfinite(torch.tensor(history["supervised"])).all()
