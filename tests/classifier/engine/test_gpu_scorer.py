"""The scorer of GPUs: what can be seen without one, and with one whether recorded passes are the ordinary ones."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from railmatch.classifier.engine import gpu_scorer
from railmatch.classifier.engine.batching import Engine
from railmatch.classifier.engine.gpu_scorer import GpuScorer
from railmatch.classifier.engine.graphs import Batch, Graphs
from railmatch.classifier.engine.shapes import Shape, fixed_shape
from railmatch.classifier.families import run_network
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier

TEXTS = [Exchange(f"{number} bread " * (1 + number % 13)) for number in range(60)]
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.fixture
def classifier(tiny_encoder: Path) -> SafetyClassifier:
    classifier = SafetyClassifier.from_encoder(str(tiny_encoder), "prompt", window=48)
    classifier.network.eval()
    return classifier


class PlainPasses:
    """Stands in for recording: passes of the fixed shapes that are run anew; each is said to take a byte."""

    def __init__(self, network: torch.nn.Module) -> None:
        self.network = network
        self.shapes: list[Shape] = []
        self.memory = 0

    def record(self, shape: Shape, pad: int) -> Callable[[Batch], torch.Tensor]:
        self.memory += 1

        def replay(batch: Batch) -> torch.Tensor:
            self.shapes.append(shape)
            assert all(value.shape == shape for value in batch.values())
            return run_network(self.network, batch)

        return replay


def test_small_batches_in_fixed_shapes_are_judged_as_they_are(
    classifier: SafetyClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_scorer, "Graphs", PlainPasses)
    scorer = GpuScorer(classifier)
    scorer.warm_up()
    assert scorer.report["cuda_graphs"] == "12 shapes"  # 1, 2, 4 and 8 rows of 16, 32 and 48 tokens
    windows = [window for windows in classifier.encode(TEXTS) for window in windows]
    for rows in (1, 2, 3, 5, 8, 9, 30):
        found = scorer.score(windows[:rows])
        assert found == pytest.approx(classifier.score_windows(windows[:rows]), abs=1e-5)


def test_it_says_loudly_that_there_are_no_recorded_passes(
    classifier: SafetyClassifier, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(PlainPasses):
        def record(self, shape: Shape, pad: int) -> Callable[[Batch], torch.Tensor]:
            raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(gpu_scorer, "Graphs", Broken)
    with Engine(classifier, GpuScorer(classifier)) as engine:
        engine.warm_up()
        assert engine.report["cuda_graphs"] == "none: operation not permitted when stream is capturing"
        score = engine.submit(TEXTS[0]).result(60).score
    assert score == pytest.approx(classifier.predict_proba(TEXTS[:1])[0], abs=1e-5)
    assert "small batches run without CUDA graphs, which is slower: operation not permitted" in caplog.text


def test_recorded_passes_that_judge_otherwise_are_dropped(
    classifier: SafetyClassifier, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Wrong(PlainPasses):
        def record(self, shape: Shape, pad: int) -> Callable[[Batch], torch.Tensor]:
            return lambda batch: torch.full((shape.rows, 2), float("nan"))

    monkeypatch.setattr(gpu_scorer, "Graphs", Wrong)
    scorer = GpuScorer(classifier)
    scorer.warm_up()
    assert scorer.report["cuda_graphs"] == "none: a recorded pass gave probabilities that differ by nan"
    (windows,) = classifier.encode(TEXTS[:1])
    assert scorer.score(windows) == pytest.approx(classifier.score_windows(windows), abs=1e-5)


@pytest.mark.parametrize(
    ("bounds", "report"),
    [
        ({"recording_seconds": 0.0}, "1 of 12 shapes: recording took 0 s"),
        ({"recording_bytes": 5}, "5 of 12 shapes: they take 5 bytes of the GPU's memory"),
        ({"recording_bytes": 12}, "12 shapes"),
    ],
)
def test_recording_has_an_end(
    classifier: SafetyClassifier,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    bounds: dict[str, float],
    report: str,
) -> None:
    monkeypatch.setattr(gpu_scorer, "Graphs", PlainPasses)
    scorer = GpuScorer(classifier, **bounds)
    scorer.warm_up()
    assert scorer.report["cuda_graphs"] == report
    assert ("larger batches run without CUDA graphs" in caplog.text) == (" of " in report)
    windows = [window for windows in classifier.encode(TEXTS) for window in windows]
    for rows in (1, 8, 30):
        assert scorer.score(windows[:rows]) == pytest.approx(classifier.score_windows(windows[:rows]), abs=1e-5)


def test_under_load_a_tenth_is_padding_at_most(classifier: SafetyClassifier) -> None:
    with Engine(classifier, GpuScorer(classifier, record=False), max_batch=16) as engine:
        futures = [engine.submit(exchange) for exchange in TEXTS]
        scores = [future.result(60).score for future in futures]
        assert engine.counts.padding_share <= 0.1
        assert engine.counts.batches < engine.counts.windows  # else there is nothing to pad
        assert (engine.report["max_padding"], engine.report["forwards"]) == (0.1, 2)
    assert scores == pytest.approx(classifier.predict_proba(TEXTS).tolist(), abs=1e-5)


@GPU
def test_a_recorded_pass_is_the_ordinary_one(classifier: SafetyClassifier) -> None:
    classifier.to("cuda")
    graphs = Graphs(classifier.network)
    windows = [windows[0] for windows in classifier.encode(TEXTS[:8])]
    shape = fixed_shape(8, max(map(len, windows)), 48)
    replay = graphs.record(shape, 0)
    scorer = GpuScorer(classifier, record=False)
    with torch.inference_mode():
        batch = scorer._batch(windows, shape)
        assert torch.allclose(replay(batch), run_network(classifier.network, batch), atol=0.02)
    graphs.record(shape, 0)
    assert 0 < graphs.memory < 2**28


@GPU
def test_on_a_gpu_the_engine_judges_in_bfloat16(classifier: SafetyClassifier) -> None:
    expected = classifier.predict_proba(TEXTS)
    classifier.to("cuda")
    with Engine(classifier, GpuScorer(classifier)) as engine:
        engine.warm_up()
        scores = [future.result(60).score for future in [engine.submit(exchange) for exchange in TEXTS]]
        assert engine.report["dtype"] == "bfloat16"
        assert engine.report["cuda_graphs"] == "12 shapes"
    assert scores == pytest.approx(expected.tolist(), abs=0.02)
