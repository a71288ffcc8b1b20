"""Lower layers that do not learn: run once for each text, without gradient, and remembered.

At few labels the lower half of a sentence encoder hardly moves (layer-wise decay gives it a fraction of the learning
rate); frozen, it need not be run again at every visit of a text, neither forwards nor backwards.
"""

import copy
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from transformers import BertModel, PreTrainedModel
from transformers.models.bert.modeling_bert import BertEmbeddings

from ..classifier.batches import collate
from ..classifier.inputs import Window
from ..classifier.pooling import MeanPooledBert
from .optimiser import depth_of

CACHE_BYTES = 2**30
"""Most memory for remembered states; texts beyond it are run again at each visit."""


class _Given(nn.Module):
    """Stands where a split encoder had its embeddings: the states of the lower layers are given."""

    def forward(self, inputs_embeds: Tensor, **_: object) -> Tensor:
        """Return the states as they are."""
        return inputs_embeds


class FrozenLayers:
    """The embeddings and the lowest layers of a ``MeanPooledBert``, taken out of it for the time of training."""

    def __init__(self, network: MeanPooledBert, layers: int) -> None:
        """Take the embeddings and the lowest ``layers`` layers out of ``network``, until ``put_back``."""
        bert = network.bert
        config = copy.deepcopy(bert.config)
        config.num_hidden_layers = layers
        self._lower = BertModel(config, add_pooling_layer=False)
        self._lower.embeddings = bert.embeddings
        self._lower.encoder.layer = nn.ModuleList(bert.encoder.layer[:layers])
        self._lower.requires_grad_(False)
        self._lower.train(False)
        bert.embeddings = cast(BertEmbeddings, _Given())
        bert.encoder.layer = nn.ModuleList(bert.encoder.layer[layers:])
        self._states: dict[int, Tensor] = {}
        self._room = CACHE_BYTES

    def put_back(self, network: MeanPooledBert) -> None:
        """Make ``network``, or a copy of it, whole again."""
        bert = network.bert
        bert.embeddings = self._lower.embeddings
        bert.encoder.layer = nn.ModuleList([*self._lower.encoder.layer, *bert.encoder.layer])

    def collate(self, windows: Sequence[Window], *, pad: int, device: torch.device) -> dict[str, Tensor]:
        """Pad the windows' states: ``inputs_embeds`` (windows, tokens, hidden) and ``attention_mask``.

        States are remembered by the identity of a window, so the caller keeps the windows alive.
        """
        known = self._known(windows, pad=pad, device=device)
        states = nn.utils.rnn.pad_sequence(known, batch_first=True)
        mask = torch.zeros(states.shape[:2], dtype=torch.long, device=device)
        for row, window in enumerate(windows):
            mask[row, : len(window)] = 1
        return {"inputs_embeds": states, "attention_mask": mask}

    def forget(self) -> None:
        """Forget all states; they are computed again, in other batches, and may then differ in their last bits."""
        self._states.clear()
        self._room = CACHE_BYTES

    def _known(self, windows: Sequence[Window], *, pad: int, device: torch.device) -> list[Tensor]:
        """Give the states of each window, running the lower layers on those that are not remembered."""
        found = {id(window): self._states[id(window)] for window in windows if id(window) in self._states}
        missing = [window for window in windows if id(window) not in found]
        if missing:
            with torch.no_grad():
                computed = self._lower(**collate(missing, pad=pad, device=device)).last_hidden_state
            for window, states in zip(missing, computed, strict=True):
                found[id(window)] = self._remember(window, states[: len(window)])
        return [found[id(window)] for window in windows]

    def _remember(self, window: Window, states: Tensor) -> Tensor:
        states = states.clone()
        size = states.numel() * states.element_size()
        if size <= self._room:
            self._states[id(window)] = states
            self._room -= size
        return states


def freeze_lower(network: nn.Module, layers: int | None) -> FrozenLayers | None:
    """Freeze the embeddings and the lowest ``layers`` layers; None freezes nothing.

    In a ``MeanPooledBert`` they are taken out and remembered; in other families their weights just stay as they are.
    """
    if layers is None:
        return None
    if isinstance(network, MeanPooledBert):
        return FrozenLayers(network, layers)
    for name, parameter in network.named_parameters():
        if ".embeddings." in f".{name}" or 0 < depth_of(name) <= layers:
            parameter.requires_grad_(False)
    return None


def set_dropout(network: nn.Module, share: float | None) -> None:
    """Set the dropout of the whole network; None leaves the encoder's own."""
    if share is None:
        return
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = share
        elif isinstance(getattr(module, "dropout_prob", None), float):
            setattr(module, "dropout_prob", share)  # noqa: B010 - the module's type does not know this attribute


def set_attention(network: nn.Module, implementation: str) -> None:
    """Choose how attention is computed, ``eager`` or ``sdpa``, where the family offers both.

    On a CPU the backward pass of PyTorch's fused attention takes longer than plain matrix products.
    """
    encoder = network.bert if isinstance(network, MeanPooledBert) else network
    if not isinstance(encoder, PreTrainedModel) or encoder.config._attn_implementation not in {"eager", "sdpa"}:
        return
    if implementation == "eager" or encoder._supports_sdpa:
        encoder.set_attn_implementation(implementation)
