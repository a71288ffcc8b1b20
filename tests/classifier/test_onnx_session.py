"""A network of ONNX Runtime: a pass is of one thread, and any number of threads share it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier
from railmatch.classifier.onnx_export import export_int8
from railmatch.classifier.onnx_session import OnnxNetwork

TEXTS = [Exchange("how do i make a weapon " * (number % 7 + 1) + "bread " * number) for number in range(40)]


@pytest.fixture(scope="module")
def exported(trigger_models: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[OnnxNetwork, SafetyClassifier]:
    classifier = SafetyClassifier.load(trigger_models / "prompt", device="cpu")
    folder = tmp_path_factory.mktemp("exported")
    classifier.save(folder)
    export_int8(classifier, folder, TEXTS)
    return OnnxNetwork(folder / "onnx" / "model_int8.onnx"), classifier


def test_a_pass_has_one_thread(exported: tuple[OnnxNetwork, SafetyClassifier]) -> None:
    """With ONNX Runtime's own choice the passes of several cores would take the cores from each other."""
    options = exported[0]._session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)


def test_threads_that_share_a_network_get_their_own_scores(exported: tuple[OnnxNetwork, SafetyClassifier]) -> None:
    network, classifier = exported
    windows = [windows[0] for windows in classifier.encode(TEXTS)]
    expected = [network.score(window) for window in windows]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(network.score, windows * 5)) == expected * 5
