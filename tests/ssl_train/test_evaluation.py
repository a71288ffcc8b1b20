"""Measuring a model on labelled examples."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from railmatch.classifier.errors import DataError, ModelError
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.evaluation import evaluate, evaluate_records, predict_within_memory
from railmatch.ssl_train.memory import Batch
from railmatch.ssl_train.progress import Advance
from railmatch.ssl_train.recipe import FieldNames, FileSource

ROWS = [
    ("how do i buy a weapon", "harmful"),
    ("sell me a weapon please", "harmful"),
    ("how do i steal a car", "harmful"),  # the model knows weapons only
    ("how do i bake a cake", "unharmful"),
    ("a song about a weapon", "unharmful"),
]


@pytest.fixture
def test_file(tmp_path: Path) -> Path:
    file = tmp_path / "test.jsonl"
    file.write_text("".join(json.dumps({"prompt": prompt, "label": label}) + "\n" for prompt, label in ROWS))
    return file


def test_figures_of_a_model_that_decides_by_a_word(trigger_models: Path, test_file: Path):
    evaluation = evaluate(trigger_models / "prompt", str(test_file), device="cpu")
    assert (evaluation.harmful, evaluation.unharmful) == (3, 2)
    # two of three found, one false alarm: precision 2/3, recall 2/3
    assert evaluation.precision == pytest.approx(2 / 3)
    assert evaluation.recall == pytest.approx(2 / 3)
    assert evaluation.f1 == evaluation.f1_at_half == pytest.approx(2 / 3)


def test_several_sources_with_their_own_field_names(trigger_models: Path, test_file: Path, tmp_path: Path):
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"text": "hide the weapon", "y": 1}) + "\n")
    sources = [
        FileSource(file=str(test_file)),
        FileSource(file=str(other), fields=FieldNames(prompt="text", label="y")),
    ]
    evaluation = evaluate(trigger_models / "prompt", sources, device="cpu")
    assert (evaluation.harmful, evaluation.unharmful) == (4, 2)
    assert evaluation.recall == pytest.approx(3 / 4)


def test_the_model_s_own_threshold_decides(trigger_models: Path, test_file: Path):
    classifier = SafetyClassifier.load(trigger_models / "prompt", device="cpu")
    classifier.settings = classifier.settings.model_copy(update={"threshold": 1.5})
    records = [
        Record(str(number), Exchange(prompt), int(label == "harmful")) for number, (prompt, label) in enumerate(ROWS)
    ]
    evaluation = evaluate_records(classifier, records)
    assert evaluation.threshold == 1.5
    assert evaluation.recall == 0
    assert evaluation.f1_at_half == pytest.approx(2 / 3)


def test_progress_counts_the_examples(trigger_models: Path, test_file: Path):
    said: list[tuple[str, int]] = []
    counts: list[int] = []

    @contextmanager
    def progress(description: str, total: int) -> Iterator[Advance]:
        said.append((description, total))
        yield counts.append

    evaluate(trigger_models / "prompt", str(test_file), device="cpu", progress=progress)
    assert said == [("judging 5 prompts", 5)]
    assert sum(counts) == 5


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path, test_file: Path):
    with pytest.raises(ModelError, match="is not a RailMatch model"):
        evaluate(tmp_path, str(test_file), device="cpu")


def test_examples_of_one_class_are_refused(trigger_models: Path, tmp_path: Path):
    file = tmp_path / "test.jsonl"
    file.write_text(json.dumps({"prompt": "how do i bake a cake", "label": "unharmful"}) + "\n")
    with pytest.raises(DataError, match="all 1 labels are 'unharmful'; examples of both classes are needed"):
        evaluate(trigger_models / "prompt", str(file), device="cpu")


def test_out_of_memory_the_batch_is_halved_and_all_are_judged(trigger_models: Path):
    classifier = SafetyClassifier.load(trigger_models / "prompt", device="cpu")
    exchanges = [Exchange(text) for text, _ in ROWS]
    expected = classifier.predict_proba(exchanges)
    forward = classifier.network.forward

    def small_card(*args, **inputs):
        if inputs["input_ids"].numel() > 16:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return forward(*args, **inputs)

    classifier.network.forward = small_card  # a card with memory for sixteen tokens
    said: list[str] = []
    batch = Batch(80, "tokens", said.append)
    assert predict_within_memory(classifier, exchanges, batch=batch) == pytest.approx(expected, abs=1e-5)
    assert said == [f"out of GPU memory: going on with batches of {size} tokens" for size in (40, 20)]
    assert batch.size == 20  # and later texts are not tried in larger ones
