"""The int8 form: as the weights judge, in every family; refused where it is not, and never of other weights."""

import json
import logging
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from railmatch.classifier import onnx_export
from railmatch.classifier.calibration import margins
from railmatch.classifier.errors import ModelError
from railmatch.classifier.families import final_layer
from railmatch.classifier.heads import folded
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier
from railmatch.classifier.onnx_export import export_int8
from railmatch.classifier.onnx_folder import ExportReport, read_report, weights_hash
from railmatch.classifier.onnx_fusing import fused
from railmatch.classifier.onnx_session import OnnxNetwork
from transformers import PreTrainedConfig

TEXTS = [Exchange(f"how do i {word} " * (1 + number)) for number, word in enumerate(["bake", "steal", "read", "walk"])]

MORE = [Exchange("bread " * 100), Exchange("")]


def saved(folder: Path, encoder: str, *, heads: int = 1) -> SafetyClassifier:
    """A classifier with a random head, scaled so that the probabilities of TEXTS lie around a half and differ."""
    torch.manual_seed(0)
    classifier = SafetyClassifier.from_encoder(encoder, "prompt", window=64, heads=heads)
    classifier.network.eval()
    head = final_layer(classifier.network)
    found = margins(classifier.predict_proba(TEXTS))
    with torch.no_grad():
        head.weight.div_(float(found.std()))
        head.bias.div_(float(found.std()))
        head.bias.view(-1, 2)[:, 0].add_(float(found.mean() / found.std()))
    classifier.save(folder)
    return classifier


def test_the_graph_is_the_network_in_every_family(encoder: str, tmp_path: Path) -> None:
    classifier = saved(tmp_path / "model", encoder)
    onnx_export._write_float32(folded(classifier.network), tmp_path / "exact.onnx")
    exact = OnnxNetwork(tmp_path / "exact.onnx")
    windows = [windows[0] for windows in classifier.encode([*TEXTS, *MORE])]
    found, expected = [exact.score(window) for window in windows], classifier.score_windows(windows)
    assert found == pytest.approx(expected, abs=0.005)
    assert np.std(expected) > 0.1  # else any number would do


def test_every_family_has_an_int8_form(encoder: str, tmp_path: Path) -> None:
    classifier = SafetyClassifier.from_encoder(encoder, "prompt", window=64)
    classifier.save(tmp_path)
    report = export_int8(classifier, tmp_path, [*TEXTS, *MORE])
    assert report.largest_difference < 0.01
    assert (report.examples, report.threshold) == (6, 0.5)
    assert report == read_report(tmp_path)


def test_it_judges_as_the_weights_do(tiny_encoder: Path, tmp_path: Path) -> None:
    classifier = saved(tmp_path, str(tiny_encoder))
    report = export_int8(classifier, tmp_path, TEXTS)
    network = OnnxNetwork(tmp_path / "onnx" / "model_int8.onnx")
    windows = [windows[0] for windows in classifier.encode([*TEXTS, *MORE])]
    assert [network.score(window) for window in windows] == pytest.approx(classifier.score_windows(windows), abs=0.05)
    assert report.kept
    assert report.sentence.startswith("int8 is served on CPUs: largest difference of a probability 0.0")


def test_matrix_products_are_int8_and_the_rest_is_not(tiny_encoder: Path, tmp_path: Path) -> None:
    classifier = saved(tmp_path, str(tiny_encoder))
    export_int8(classifier, tmp_path, TEXTS)
    graph = onnx.load(tmp_path / "onnx" / "model_int8.onnx").graph
    types = {entry.name: onnx.TensorProto.DataType.Name(entry.data_type) for entry in graph.initializer}
    products = [node for node in graph.node if node.op_type in ("MatMulInteger", "QAttention")]
    counts = Counter(node.op_type for node in products)
    assert counts == {
        "QAttention": 2,
        "MatMulInteger": 6,
    }  # attention, its output, both feed-forward layers; two layers
    assert {types[node.input[1]] for node in products} == {"INT8"}
    assert {types[name] for name in types if name.endswith("embeddings.weight")} == {"FLOAT"}


def test_where_fusing_changes_the_scores_the_graph_stays_as_it_is(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(file: Path, config: PreTrainedConfig) -> onnx.ModelProto:
        model = fused(file, config)
        model.graph.node.remove(next(node for node in model.graph.node if node.op_type == "Attention"))
        return model

    monkeypatch.setattr(onnx_export, "fused", broken)
    report = export_int8(saved(tmp_path, str(tiny_encoder)), tmp_path, TEXTS)
    graph = onnx.load(tmp_path / "onnx" / "model_int8.onnx").graph
    assert report.kept
    assert Counter(node.op_type for node in graph.node)["MatMulInteger"] == 12


def test_several_heads_become_their_mean(tiny_encoder: Path, tmp_path: Path) -> None:
    classifier = saved(tmp_path, str(tiny_encoder), heads=3)
    export_int8(classifier, tmp_path, TEXTS)
    network = OnnxNetwork(tmp_path / "onnx" / "model_int8.onnx")
    windows = [windows[0] for windows in classifier.encode(TEXTS)]
    assert [network.score(window) for window in windows] == pytest.approx(classifier.score_windows(windows), abs=0.05)


def test_the_classifier_stays_as_it_is(tiny_encoder: Path, tmp_path: Path) -> None:
    classifier = saved(tmp_path, str(tiny_encoder))
    before = {name: value.clone() for name, value in classifier.network.state_dict().items()}
    attention = classifier.network.config._attn_implementation
    export_int8(classifier, tmp_path, TEXTS)
    assert {name: torch.equal(value, before[name]) for name, value in classifier.network.state_dict().items()} == {
        name: True for name in before
    }
    assert classifier.network.config._attn_implementation == attention
    assert weights_hash(tmp_path) == read_report(tmp_path).weights


def test_over_the_tolerance_it_is_refused(
    tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    classifier = saved(tmp_path, str(tiny_encoder))
    monkeypatch.setattr(onnx_export, "LARGEST_DIFFERENCE", 1e-9)
    report = export_int8(classifier, tmp_path, TEXTS)
    assert not report.kept
    assert report.reason == "it judges otherwise than the weights (allowed are 1e-09 and 5% of the decisions)"
    assert report.largest_difference > 1e-9
    assert sorted(file.name for file in (tmp_path / "onnx").iterdir()) == ["int8.json"]
    assert "int8 is not served, float32 is: largest difference of a probability 0.0" in caplog.text


def test_flipped_decisions_are_counted_at_the_models_threshold(tiny_encoder: Path, tmp_path: Path) -> None:
    classifier = saved(tmp_path, str(tiny_encoder))
    exact = classifier.predict_proba(TEXTS)
    stated = ExportReport(kept=False, weights="0", examples=4, threshold=float(exact[1]))
    report = onnx_export._compared(exact, exact - np.array([0, 1e-6, 0, 0]), stated)
    assert (report.flipped, report.kept) == (1, False)  # one of four is more than a twentieth
    assert report.largest_difference == pytest.approx(1e-6)
    assert report.mean_difference == pytest.approx(2.5e-7)
    assert report.sentence.endswith(f"1 of 4 decisions flipped at threshold {exact[1]:.4f}")


def test_a_score_that_is_no_number_is_refused() -> None:
    stated = ExportReport(kept=False, weights="0", examples=2, threshold=0.5)
    assert not onnx_export._compared(np.array([0.1, 0.2]), np.array([0.1, np.nan]), stated).kept


def test_a_network_that_cannot_be_exported_is_refused_with_the_reason(tiny_encoder: Path, tmp_path: Path) -> None:
    class Odd(torch.nn.Module):
        """Sorts by a value that no exporter can write down."""

        def __init__(self, network: torch.nn.Module) -> None:
            super().__init__()
            self.network, self.config, self.classifier = network, network.config, network.classifier

        def forward(self, **inputs: torch.Tensor) -> torch.Tensor:
            return torch.linalg.eigvals(self.network(**inputs)[:, :, None] * torch.eye(2)).real

    classifier = saved(tmp_path, str(tiny_encoder))
    classifier.network = Odd(classifier.network)
    report = export_int8(classifier, tmp_path, TEXTS)
    assert not report.kept
    assert report.reason.startswith("the network cannot be exported: ")
    assert report.sentence == f"int8 is not served, float32 is: {report.reason}"
    assert not (tmp_path / "onnx" / "model_int8.onnx").exists()


def test_nothing_to_check_on_is_an_error(tiny_encoder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="check_on is empty"):
        export_int8(saved(tmp_path, str(tiny_encoder)), tmp_path, [])


def test_the_quantiser_leaves_logging_alone(tiny_encoder: Path, tmp_path: Path) -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.filters[:], root.level)
    export_int8(saved(tmp_path, str(tiny_encoder)), tmp_path, TEXTS)
    assert (root.handlers, root.filters, root.level) == before


def test_a_damaged_report_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "int8.json").write_text(json.dumps({"kept": "yes"}))
    with pytest.raises(ModelError, match=r"int8.json cannot be read; make it anew: railmatch export "):
        read_report(tmp_path)


def test_a_folder_without_report_or_weights(tmp_path: Path) -> None:
    assert read_report(tmp_path) is None
    with pytest.raises(ModelError, match=r"holds no weights \(\*.safetensors\); train the model again"):
        weights_hash(tmp_path)


def test_a_file_that_is_no_network_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "model_int8.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelError, match=r"model_int8\.onnx cannot be loaded: "):
        OnnxNetwork(tmp_path / "model_int8.onnx")


def test_a_report_says_what_came_out() -> None:
    report = ExportReport(kept=False, reason="too large", weights="0", examples=3, threshold=0.5)
    assert report.sentence == "int8 is not served, float32 is: too large"
