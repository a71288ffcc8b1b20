"""SafetyClassifier: the harmful probability of prompts or responses."""

import logging
import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from .. import __version__
from .backbone import load_backbone
from .batches import batches_of_like_length, collate
from .calibration import ThresholdReport
from .device import Device, choose_device
from .errors import ModelError
from .families import final_layer, longest_input, run_network
from .heads import harmful_probability, renew
from .inputs import Exchange, Window, WindowEncoder
from .model_folder import SETTINGS_FILE, ModelSettings, ordinary_form, read_network, read_settings, write_model
from .pooling import MeanPooledBert
from .tasks import LABELS, Task

__all__ = ["SETTINGS_FILE", "Device", "ModelSettings", "SafetyClassifier", "choose_device", "run_network"]

_CHUNK = 512
"""How many exchanges are tokenised at a time, so that memory does not grow with the data set."""

_log = logging.getLogger(__name__)


class SafetyClassifier:
    """A network with its tokenizer, task, window and threshold; any number of threads may judge with one."""

    def __init__(self, network: nn.Module, tokenizer: PreTrainedTokenizerBase, settings: ModelSettings) -> None:
        """Wrap a network that maps ids, mask and segments to logits of shape (batch, heads x 2).

        Raises:
            SettingsError: the window has no room for text.
        """
        self.network = network
        self.tokenizer = tokenizer
        self.settings = settings
        self.encode = WindowEncoder(tokenizer, settings.task, settings.window)
        self.encode([Exchange("", "")])  # a tokenizer changes its modes on its first call, which no two threads may do

    @classmethod
    def from_encoder(cls, encoder: str, task: Task, *, window: int, heads: int = 1, classes: int = len(LABELS)) -> Self:
        """Put ``heads`` untrained heads on an encoder; windows are no longer than the encoder allows.

        Some methods train heads of more ``classes`` than two; ``heads.keep_labels`` must then be called before judging.
        Where ``encoder`` is the folder of a trained classifier, it is begun with that one's weights, and with its head,
        too, if one head of two classes is wanted.

        Raises:
            ModelError: the encoder cannot be loaded, or judges another task.
            SettingsError: the window has no room for text.
        """
        if (Path(encoder) / SETTINGS_FILE).is_file():
            network, tokenizer = _read_trained(Path(encoder), task, heads * classes)
        else:
            network, tokenizer = load_backbone(encoder, heads=heads, classes=classes)
        pooling: Literal["mean", "native"] = "mean" if isinstance(network, MeanPooledBert) else "native"
        longest = min(window, longest_input(network, tokenizer))
        return cls(network, tokenizer, ModelSettings(task=task, window=longest, pooling=pooling))

    @classmethod
    def load(cls, folder: str | Path, *, device: Device = "auto") -> Self:
        """Load a saved classifier; ``auto`` takes the GPU when there is one.

        Raises:
            ModelError: the folder is missing, is not a RailMatch model, its head was never trained, or CUDA was asked
                for and is not there. SettingsError: the window has no room for text.
        """
        choose_device(device)
        settings = read_settings(Path(folder))
        network, tokenizer = read_network(Path(folder), settings)
        return cls(network, tokenizer, settings).to(device)

    def to(self, device: Device) -> Self:
        """Move to a device for judging: bfloat16 on a GPU, float32 on the CPU; the log says which.

        Raises:
            ModelError: CUDA was asked for and is not there.
        """
        target = choose_device(device)
        dtype = torch.bfloat16 if target.type == "cuda" else torch.float32
        self.network.to(device=target, dtype=dtype)
        _log.info("%s classifier on %s in %s", self.task, target, dtype)
        return self

    @property
    def task(self) -> Task:
        """Say what is judged: prompts or responses."""
        return self.settings.task

    @property
    def threshold(self) -> float:
        """Give the harmful probability from which a text is blocked."""
        return self.settings.threshold

    @property
    def device(self) -> torch.device:
        """Say where the network is."""
        return next(self.network.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Say in which precision the network judges."""
        return next(self.network.parameters()).dtype

    def score_windows(self, windows: Sequence[Window]) -> list[float]:
        """Give the harmful probability of each window in one padded forward pass; NaN where the weights are damaged."""
        if not windows:
            return []
        with torch.inference_mode():
            scores: list[float] = harmful_probability(self.logits(windows).float()).tolist()
        return scores

    def logits(self, windows: Sequence[Window]) -> Tensor:
        """Run one padded forward pass over windows; logits have shape (windows, heads x 2)."""
        return run_network(self.network, collate(windows, pad=self.tokenizer.pad_token_id or 0, device=self.device))

    def predict_proba(
        self,
        exchanges: Sequence[Exchange],
        *,
        batch_tokens: int = 8192,
        advance: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        """Judge many exchanges in batches of like lengths.

        Args:
            exchanges: what to judge.
            batch_tokens: most tokens, padding included, of one forward pass.
            advance: called with the number of exchanges that were judged since the last call.

        Returns:
            The harmful probability of each exchange, float64 of shape (exchanges,); its highest window counts.

        Raises:
            ModelError: the model's weights are damaged. ValueError: a response is to be judged and is missing.
        """
        self.network.eval()
        scores: list[float] = []
        for start in range(0, len(exchanges), _CHUNK):
            chunk = exchanges[start : start + _CHUNK]
            scores += self._judge(self.encode(chunk), batch_tokens)
            if advance:
                advance(len(chunk))
        return np.array(scores)

    def _judge(self, encoded: Sequence[Sequence[Window]], batch_tokens: int) -> list[float]:
        """Give the highest probability among each exchange's windows."""
        windows = [window for group in encoded for window in group]
        owner = [number for number, group in enumerate(encoded) for _ in group]
        highest = [0.0] * len(encoded)
        for indices in batches_of_like_length([len(window) for window in windows], batch_tokens):
            for index, score in zip(indices, self.score_windows([windows[index] for index in indices]), strict=True):
                if math.isnan(score):  # which max() below would take for harmless
                    raise ModelError("the model gave no number: its weights are damaged; train it again")
                highest[owner[index]] = max(highest[owner[index]], score)
        return highest

    def calibrated(self, temperature: float, report: ThresholdReport | None, training: dict[str, Any]) -> Self:
        """Divide the head's weights, and so the logits, by a temperature; store the threshold and how it was found."""
        head = final_layer(self.network)
        with torch.no_grad():
            head.weight.div_(temperature)
            head.bias.div_(temperature)
        found = {} if report is None else {"threshold": report.threshold}
        calibration = None if report is None else {"temperature": temperature, **report.as_dict()}
        self.settings = self.settings.model_copy(update={**found, "calibration": calibration, "training": training})
        return self

    def save(self, folder: Path) -> None:
        """Write an ordinary Hugging Face checkpoint and ``railmatch.json``; an older folder is replaced as a whole.

        Several heads are folded into one by averaging the last layer's weights, which averages the logits exactly.

        Raises:
            OSError: the disk is full or the folder cannot be written; an older folder is then untouched.
        """
        stamp = {"railmatch": __version__, "created": datetime.now(UTC).isoformat(timespec="seconds")}
        write_model(folder, self.network, self.tokenizer, self.settings.model_copy(update=stamp))

    def ordinary(self) -> PreTrainedModel:
        """Copy the network into its ordinary sequence-classification class, with one head, in float32 on the CPU."""
        return ordinary_form(self.network)


def _read_trained(folder: Path, task: Task, outputs: int) -> tuple[nn.Module, PreTrainedTokenizerBase]:
    """Load a trained classifier to train it on; its head is renewed where another number of outputs is wanted."""
    settings = read_settings(folder)
    if settings.task != task:
        raise ModelError(
            f"encoder {str(folder)!r} is a classifier of {settings.task}s, which does not learn to judge {task}s; name "
            f"one of {task}s, or an encoder"
        )
    network, tokenizer = read_network(folder, settings)
    if outputs != len(LABELS):
        renew(network, outputs)
    return network, tokenizer
