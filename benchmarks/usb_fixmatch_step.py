"""The side of semilearn 0.3.2 (USB, arXiv:2208.07204) in benchmarks/step_time.py, served as rounds.py asks.

Its interpreter is one of its own, on a CPU made by

    pip install torch==2.13.0 transformers tensorboard scikit-learn scipy matplotlib scikit-image
    pip install progress ruamel.yaml tqdm
    pip install --no-deps semilearn==0.3.2 torchvision==0.28.0 timm

with a torch and a torchvision for the CPU. What the text part of semilearn imports and never uses is stood in for:
wandb, aim, torchaudio, and torchvision's compiled operations where they do not fit torch.

The step is semilearn's own: its algorithm, hooks, optimiser and schedule, in float32 (it offers half precision on a GPU
only). Its tokenising in the collator is not timed, since its loader can do that in other processes.
"""

import importlib.machinery
import json
import sys
import types
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import torch
from rounds import serve


def stand_in() -> None:
    """Let semilearn import and run on a machine without a GPU."""
    for name in ("wandb", "aim", "torchaudio"):
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        module.__version__ = "0"
        sys.modules.setdefault(name, module)
    register = torch.library.register_fake

    def register_if_known(operation: Any, *settings: Any, **more: Any) -> Any:
        def decorate(function: Any) -> Any:
            try:
                return register(operation, *settings, **more)(function)
            except RuntimeError:
                return function

        return decorate

    torch.library.register_fake = register_if_known
    import torchvision  # noqa: F401 - must be imported while the stand-in is there

    torch.library.register_fake = register
    torch.Tensor.cuda = lambda tensor, *_, **__: tensor


def settings(batch: int, ratio: int, steps: int, training: dict[str, Any]) -> dict[str, Any]:
    """Give semilearn the same step: batches, optimiser and rates of RailMatch's side, no averaging, no evaluation."""
    return {
        "algorithm": "fixmatch", "net": "bert_base_uncased", "net_from_name": False, "use_pretrain": False,
        "dataset": "none", "num_classes": 2, "num_labels": 200, "batch_size": batch, "eval_batch_size": batch,
        "uratio": ratio, "epoch": 1, "num_train_iter": steps, "num_eval_iter": steps, "num_log_iter": steps,
        "num_warmup_iter": 1, "optim": "AdamW", "lr": training["learning_rate"],
        "weight_decay": training["weight_decay"], "layer_decay": training["layer_decay"],
        "clip_grad": training["clip_norm"], "ema_m": 0.0, "hard_label": True, "T": 0.5,
        "p_cutoff": 0.95, "ulb_loss_ratio": 1.0, "use_cat": False,
        "amp": False, "max_length": training["max_length"], "gpu": 0, "world_size": 1, "rank": 0, "distributed": False,
        "save_name": "step_time", "save_dir": ".", "seed": 0, "use_wandb": False, "use_aim": False,
    }  # fmt: skip


def main(texts: Path, training: dict[str, Any]) -> None:
    """Prepare a training and serve its steps."""
    stand_in()
    from semilearn import get_algorithm, get_config
    from semilearn.datasets.collactors.nlp_collactor import DataCollatorWithPadding
    from semilearn.datasets.nlp_datasets.datasetbase import BasicDataset
    from semilearn.nets.bert.bert import ClassificationBert
    from transformers import AutoTokenizer, BertModel

    content = json.loads(texts.read_text(encoding="utf-8"))

    class LocalBert(ClassificationBert):
        """semilearn's classifier at the width of any BERT; its own fixes BERT base's."""

        def __init__(self, num_classes: int = 2, **_: object) -> None:
            torch.nn.Module.__init__(self)
            self.bert = BertModel.from_pretrained(content["encoder"])
            self.num_features = width = self.bert.config.hidden_size
            self.dropout = torch.nn.Dropout(0.1)
            self.classifier = torch.nn.Sequential(
                torch.nn.Linear(width, width), torch.nn.GELU(), torch.nn.Linear(width, num_classes)
            )

    steps = content["steps"]
    batch, unlabelled = len(steps[0][0]), len(steps[0][1])
    chosen = settings(batch, unlabelled // batch, len(steps), training)
    config = get_config(chosen)
    for name, value in chosen.items():  # get_config drops what it does not know
        setattr(config, name, value)
    algorithm = get_algorithm(config, LocalBert, tb_log=None, logger=None)
    algorithm.model.train()
    labels = [label for _, label in content["labelled"]]
    labelled = BasicDataset("fixmatch", content["labelled"], labels, 2)
    pool = BasicDataset("fixmatch", content["pool"], None, 2, True)
    tokenizer = AutoTokenizer.from_pretrained(content["encoder"])
    collate = DataCollatorWithPadding(tokenizer, max_length=training["max_length"])

    def prepare(number: int) -> dict[str, Any]:
        some, more = steps[number % len(steps)]
        return {**collate([labelled[at] for at in some]), **collate([pool[at] for at in more])}

    def step(batch: dict[str, Any]) -> None:
        algorithm.out_dict, algorithm.log_dict = algorithm.train_step(**algorithm.process_batch(**batch))
        algorithm.hooks_dict["ParamUpdateHook"].after_train_step(algorithm)
        algorithm.it += 1

    serve(step, prepare)


if __name__ == "__main__":
    with redirect_stdout(sys.stderr):
        main(Path(sys.argv[1]), json.loads(sys.argv[2]))
