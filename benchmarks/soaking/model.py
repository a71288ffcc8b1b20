"""The model that is soaked, and the scores of its texts from the scorer alone."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from railmatch.classifier.calibration import margins
from railmatch.classifier.engine.choose import choose_scorer
from railmatch.classifier.families import final_layer
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier
from railmatch.classifier.normalising import undo_exchange
from railmatch.classifier.onnx_export import export_int8
from serving_texts import Texts

WINDOW = 256


def made_model(folder: Path) -> Path:
    """Write MiniLM with a head that was never trained, in int8 too; its scores are spread, so that a mix-up shows."""
    torch.manual_seed(0)
    classifier = SafetyClassifier.from_encoder("minilm", "prompt", window=WINDOW)
    classifier.network.eval()
    texts = [Exchange(text) for text in Texts(classifier.tokenizer).mixed(32)]
    found = margins(classifier.predict_proba(texts))
    head = final_layer(classifier.network)
    with torch.no_grad():
        head.weight.div_(float(found.std()))
        head.bias.div_(float(found.std()))
        head.bias[0] += float(found.mean() / found.std())
    classifier.save(folder)
    export_int8(classifier, folder, texts)
    return folder


def scores_of(model: Path, texts: Sequence[str]) -> dict[str, float]:
    """Judge texts one by one and window by window, without an engine: as they are and with evasion undone."""
    classifier = SafetyClassifier.load(model, device="cpu")
    scorer = choose_scorer(classifier, model)

    def score(text: str) -> float:
        forms = {Exchange(text), undo_exchange(Exchange(text)).exchange}
        windows = [window for form in forms for window in classifier.encode([form])[0]]
        return max(scorer.score([window])[0] for window in windows)

    with ThreadPoolExecutor(scorer.forwards) as pool:
        return dict(zip(texts, pool.map(score, texts), strict=True))
