"""RailMatch's side of benchmarks/step_time.py: a FixMatch step on the texts of a file, served as rounds.py asks.

python railmatch_fixmatch_step.py TEXTS RECIPE, where RECIPE is the settings of ``training`` as JSON.
"""

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch
from flops import Layers, step_flops
from railmatch.classifier.families import config_of
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.loop.passes import use_bf16
from railmatch.ssl_train.loop.trainer import Trainer
from railmatch.ssl_train.loop.views import Views
from railmatch.ssl_train.methods import FixMatch
from railmatch.ssl_train.recipe import TrainingSettings
from rounds import serve

EVERY_VIEW = 0.5
"""Threshold that the more likely of two classes always reaches: every strong view counts, the most a step can cost."""


def main(texts: Path, training: str) -> None:
    """Prepare a training and serve its steps."""
    content = json.loads(texts.read_text(encoding="utf-8"))
    settings = TrainingSettings.model_validate_json(training)
    torch.manual_seed(0)
    classifier = SafetyClassifier.from_encoder(content["encoder"], "prompt", window=settings.max_length)
    views = _views(classifier, content)
    trainer = Trainer(classifier, views, FixMatch(EVERY_VIEW), settings)
    config = config_of(classifier.network)
    trained = config.num_hidden_layers - (settings.frozen_layers or 0)
    layers = Layers(trained, config.hidden_size, config.intermediate_size)
    flops = [_flops(layers, views, *batch) for batch in content["steps"]]
    precision = "bf16" if use_bf16(settings.precision, trainer.accelerator.device) else "fp32"
    serve(trainer._step, gflop=sum(flops) / len(flops) / 1e9, precision=precision)


def _views(classifier: SafetyClassifier, content: dict[str, Any]) -> Views:
    labelled = [Record(str(n), Exchange(text), label) for n, (text, label) in enumerate(content["labelled"])]
    pool = [Record(str(n), Exchange(text)) for n, (text, *_) in enumerate(content["pool"])]
    rewrites = {str(n): [Exchange(text) for text in strong] for n, (_, *strong) in enumerate(content["pool"])}
    return Views.of(classifier.encode, labelled, pool, rewrites)


def _flops(layers: Layers, views: Views, labelled: list[int], pool: list[int]) -> float:
    """Count a step's operations; of a text's strong views the first stands for the one that is drawn."""
    learnt = [*(views.labelled[at] for at in labelled), *(views.strong[at][0] for at in pool)]
    return step_flops(layers, (len(views.weak[at]) for at in pool), map(len, learnt))


if __name__ == "__main__":
    with redirect_stdout(sys.stderr):
        main(Path(sys.argv[1]), sys.argv[2])
