"""Which scorer a model gets on a CPU, and how loudly it is said."""

import shutil
from pathlib import Path

import pytest
import torch
from railmatch.classifier.engine.batching import Engine
from railmatch.classifier.engine.choose import choose_scorer
from railmatch.classifier.engine.onnx_scorer import OnnxScorer, available_cores
from railmatch.classifier.engine.scorer import TorchScorer
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier
from railmatch.classifier.onnx_export import export_int8

TEXTS = [Exchange(text) for text in ("how do i bake bread", "how do i make a weapon", "bread " * 600, "")]


@pytest.fixture(scope="module")
def exported(trigger_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with its int8 form."""
    folder = tmp_path_factory.mktemp("exported") / "prompt"
    shutil.copytree(trigger_models / "prompt", folder)
    assert export_int8(SafetyClassifier.load(folder, device="cpu"), folder, TEXTS).kept
    return folder


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(exported, tmp_path / "prompt"))


def test_an_int8_form_of_the_same_weights_is_served(exported: Path) -> None:
    classifier = SafetyClassifier.load(exported, device="cpu")
    scorer = choose_scorer(classifier, exported)
    assert isinstance(scorer, OnnxScorer)
    with Engine(classifier, scorer) as engine:
        engine.warm_up()
        found = [engine.submit(exchange).result(60) for exchange in TEXTS]
        assert engine.report["dtype"] == "int8"
        assert engine.report["runtime"].startswith("onnxruntime ")
        assert engine.report["forwards"] == available_cores()
        assert engine.counts.windows == engine.counts.batches
        assert engine.counts.padding == 0
    assert [judgement.score for judgement in found] == pytest.approx(classifier.predict_proba(TEXTS).tolist(), abs=0.01)
    assert [judgement.windows for judgement in found] == [1, 1, 2, 1]


def test_without_an_int8_form_float32_is_served(trigger_models: Path, caplog: pytest.LogCaptureFixture) -> None:
    at = trigger_models / "prompt"
    with caplog.at_level("INFO", logger="railmatch"):
        scorer = choose_scorer(SafetyClassifier.load(at, device="cpu"), at)
    assert isinstance(scorer, TorchScorer)
    advice = f"there is no int8 form of the model, which is faster; make one: railmatch export {at}"
    assert scorer.report["not_int8"] == advice
    (record,) = [record for record in caplog.records if "float32 is served" in record.message]
    assert (record.levelname, record.message) == ("INFO", f"{at}: float32 is served: {advice}")


def served_instead(folder: Path, caplog: pytest.LogCaptureFixture) -> str:
    """Choose, see that it is PyTorch and that a warning says why, and give the reason."""
    scorer = choose_scorer(SafetyClassifier.load(folder, device="cpu"), folder)
    assert isinstance(scorer, TorchScorer)
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert record.message == f"{folder}: float32 is served: {scorer.report['not_int8']}"
    return scorer.report["not_int8"]


def test_an_int8_form_of_other_weights_is_not_served(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    classifier = SafetyClassifier.load(folder, device="cpu")
    with torch.no_grad():
        classifier.network.classifier.bias.add_(1.0)
    classifier.save(folder.parent / "other")
    shutil.copy(folder.parent / "other" / "model.safetensors", folder / "model.safetensors")
    reason = f"the int8 form was made from other weights; make it anew: railmatch export {folder}"
    assert served_instead(folder, caplog) == reason


def test_an_int8_form_that_judges_otherwise_here_is_not_served(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    classifier = SafetyClassifier.load(folder, device="cpu")
    with torch.no_grad():
        classifier.network.classifier.bias.add_(torch.tensor([0.0, 30.0]))  # finds everything harmful
    other = folder.parent / "other"
    classifier.save(other)
    export_int8(classifier, other, TEXTS)
    shutil.copy(other / "onnx" / "model_int8.onnx", folder / "onnx" / "model_int8.onnx")
    assert served_instead(folder, caplog) == "on this machine it gives 1.0000 where the weights give 0.0000"


def test_an_int8_form_that_is_missing_is_not_served(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "onnx" / "model_int8.onnx").unlink()
    assert "cannot be loaded" in served_instead(folder, caplog)


def test_a_refused_int8_form_is_not_served(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    report = folder / "onnx" / "int8.json"
    report.write_text(report.read_text().replace('"kept": true', '"kept": false'))
    assert served_instead(folder, caplog).startswith("int8 is not served, float32 is: largest difference")
