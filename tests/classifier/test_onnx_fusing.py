"""Fusing changes no result, and makes one operator of each attention."""

from pathlib import Path

import onnx
import pytest
from railmatch.classifier import onnx_export
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier
from railmatch.classifier.onnx_fusing import fused
from railmatch.classifier.onnx_session import OnnxNetwork

TEXTS = [Exchange("how do i bake bread"), Exchange("walk " * 40), Exchange("")]


def written(encoder: str, folder: Path) -> tuple[SafetyClassifier, Path]:
    classifier = SafetyClassifier.from_encoder(encoder, "prompt", window=32)
    classifier.network.eval()
    onnx_export._write_float32(classifier.network, folder / "float32.onnx")
    return classifier, folder / "float32.onnx"


def test_the_scores_of_every_family_stay(encoder: str, tmp_path: Path) -> None:
    classifier, file = written(encoder, tmp_path)
    onnx.save(fused(file, classifier.network.config), tmp_path / "fused.onnx")
    windows = [window for windows in classifier.encode(TEXTS) for window in windows]
    before, after = OnnxNetwork(file), OnnxNetwork(tmp_path / "fused.onnx")
    assert [after.score(window) for window in windows] == pytest.approx(
        [before.score(window) for window in windows], abs=1e-5
    )


def test_attention_is_one_operator(tiny_encoder: Path, tmp_path: Path) -> None:
    classifier, file = written(str(tiny_encoder), tmp_path)
    graph = fused(file, classifier.network.config).graph
    operators = [node.op_type for node in graph.node]
    assert operators.count("Attention") == classifier.network.config.num_hidden_layers
    assert "Softmax" not in operators
