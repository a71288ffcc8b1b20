"""SafetyClassifier: harmful probabilities, and saving and loading them as an ordinary Hugging Face checkpoint."""

import copy
import json
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from .. import __version__
from .backbone import load_backbone, quiet_transformers
from .batches import batches_of_like_length, collate
from .calibration import ThresholdReport
from .errors import ModelError
from .inputs import Exchange, Window, WindowEncoder
from .pooling import MeanPooledBert
from .storage import folder_replaced_atomically, write_text_atomically
from .tasks import LABELS, Task

SETTINGS_FILE = "railmatch.json"
_CHUNK = 512
"""How many exchanges are tokenised at a time, so that memory does not grow with the data set."""

Device = Literal["auto", "cpu", "cuda"]
_log = logging.getLogger(__name__)


class ModelSettings(BaseModel):
    """``railmatch.json``: what the checkpoint itself cannot say.

    ``window`` is in tokens; ``threshold`` is compared with the harmful probability: at or above it, block. A threshold
    above 1 blocks nothing: calibration gives it where harmless texts share the highest score.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    task: Task
    window: int = Field(ge=8)
    pooling: Literal["mean", "native"]
    threshold: float = Field(default=0.5, ge=0)
    calibration: dict[str, Any] | None = None
    training: dict[str, Any] | None = None
    railmatch: str = ""
    created: str = ""


class SafetyClassifier:
    """A network with its tokenizer, task, window and threshold."""

    def __init__(self, network: nn.Module, tokenizer: PreTrainedTokenizerBase, settings: ModelSettings) -> None:
        """Wrap a network that maps ids, mask and segments to logits of shape (batch, heads x 2)."""
        self.network = network
        self.tokenizer = tokenizer
        self.settings = settings
        self.encode = WindowEncoder(tokenizer, settings.task, settings.window)

    @classmethod
    def from_encoder(cls, encoder: str, task: Task, *, window: int, heads: int = 1) -> Self:
        """Put an untrained head of ``heads`` x 2 logits on an encoder; windows are no longer than the encoder allows.

        Raises:
            ModelError: the encoder cannot be loaded.
        """
        network, tokenizer = load_backbone(encoder, heads=heads)
        pooling: Literal["mean", "native"] = "mean" if isinstance(network, MeanPooledBert) else "native"
        longest = min(window, _longest_input(network, tokenizer))
        return cls(network, tokenizer, ModelSettings(task=task, window=longest, pooling=pooling))

    @classmethod
    def load(cls, folder: str | Path, *, device: Device = "auto") -> Self:
        """Load a saved classifier; ``auto`` takes the GPU when there is one.

        Raises:
            ModelError: the folder is missing, is not a RailMatch model, its head was never trained, or CUDA was asked
                for and is not there.
        """
        folder = Path(folder)
        settings = _read_settings(folder)
        with quiet_transformers():
            try:
                network, report = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
                tokenizer = AutoTokenizer.from_pretrained(folder)
            except (OSError, ValueError, RuntimeError) as error:
                raise ModelError(f"{folder}: the weights cannot be loaded: {str(error).splitlines()[0]}") from error
        if report["missing_keys"]:
            missing = ", ".join(sorted(report["missing_keys"])[:3])
            raise ModelError(f"{folder}: weights are missing ({missing}): its head was never trained; train it again")
        if settings.pooling == "mean":
            network = MeanPooledBert.from_ordinary(network)
        classifier = cls(network.eval(), tokenizer, settings)
        return classifier.to(device)

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
        """Give the harmful probability of each window, in one padded forward pass."""
        with torch.inference_mode():
            logits = self.logits(windows).float()
        scores: list[float] = harmful_probability(logits).tolist()
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
                highest[owner[index]] = max(highest[owner[index]], score)
        return highest

    def calibrated(self, temperature: float, report: ThresholdReport | None, training: dict[str, Any]) -> Self:
        """Divide the logits by a temperature, inside the head's weights, and store the threshold and how it was found."""
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
        settings = self.settings.model_copy(update=stamp)
        with folder_replaced_atomically(folder) as temporary, quiet_transformers():
            ordinary = self.ordinary()
            ordinary.save_pretrained(temporary)
            self.tokenizer.save_pretrained(temporary)
            write_text_atomically(temporary / SETTINGS_FILE, settings.model_dump_json(indent=2) + "\n")

    def ordinary(self) -> nn.Module:
        """Give the network as the ordinary sequence-classification class, with one head, in float32 on the CPU."""
        network = folded(self.network)
        if isinstance(network, MeanPooledBert):
            return network.to_ordinary()
        network.config.id2label = dict(enumerate(LABELS))
        network.config.label2id = {label: index for index, label in enumerate(LABELS)}
        return network


def harmful_probability(logits: Tensor) -> Tensor:
    """Give the harmful probability, shape (batch,), of logits (batch, heads x 2): the mean of the heads' logits counts."""
    heads = logits.unflatten(-1, (-1, len(LABELS)))
    return heads.mean(dim=-2).softmax(dim=-1)[..., 1]


def folded(network: nn.Module) -> nn.Module:
    """Copy a network to float32 on the CPU with its heads averaged into one."""
    single = copy.deepcopy(network).float().cpu().eval()
    head = final_layer(single)
    weight = head.weight.detach().unflatten(0, (-1, len(LABELS))).mean(dim=0)
    bias = head.bias.detach().unflatten(0, (-1, len(LABELS))).mean(dim=0)
    head.weight, head.bias = nn.Parameter(weight), nn.Parameter(bias)
    head.out_features = len(LABELS)
    return single


def final_layer(network: nn.Module) -> nn.Linear:
    """Find the last linear layer of a sequence-classification network, whose outputs are the logits.

    Raises:
        ModelError: the family keeps its head elsewhere.
    """
    head = network.get_submodule("classifier") if hasattr(network, "classifier") else None
    if not isinstance(head, nn.Linear) and head is not None:
        head = getattr(head, "out_proj", None)
    if not isinstance(head, nn.Linear):
        raise ModelError(f"{type(network).__name__} has no linear layer named classifier; choose another encoder")
    return head


def run_network(network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Run a network of any family on a collated batch and give its logits; segments go only to families that have any."""
    if getattr(getattr(network, "module", network).config, "type_vocab_size", 0) < 2:
        batch = {name: value for name, value in batch.items() if name != "token_type_ids"}
    output = network(**batch)
    return output if isinstance(output, Tensor) else output.logits


def choose_device(device: Device) -> torch.device:
    """Resolve ``auto`` to the GPU when there is one.

    Raises:
        ModelError: ``cuda`` was asked for and is not there.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise ModelError("device is 'cuda', but no CUDA device is available; set device to 'auto' or 'cpu'")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def _longest_input(network: nn.Module, tokenizer: PreTrainedTokenizerBase) -> int:
    config = network.config
    positions = getattr(config, "max_position_embeddings", 512)
    reserved = (config.pad_token_id or 0) + 1 if config.model_type in {"roberta", "xlm-roberta", "camembert"} else 0
    return int(min(positions - reserved, tokenizer.model_max_length))




def _read_settings(folder: Path) -> ModelSettings:
    if not folder.is_dir():
        raise ModelError(f"{folder} is not a folder; train a model first: railmatch train RECIPE --out {folder}")
    file = folder / SETTINGS_FILE
    if not file.is_file():
        raise ModelError(f"{folder} is not a RailMatch model: it holds no {SETTINGS_FILE}")
    try:
        return ModelSettings.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, ValidationError) as error:
        raise ModelError(f"{file} cannot be read: {str(error).splitlines()[0]}; train the model again") from error
