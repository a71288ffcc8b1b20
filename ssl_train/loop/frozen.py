"""Lower layers that do not learn: run once for each text, without gradient, and remembered.

At few labels the lower half of a sentence encoder hardly moves (layer-wise decay gives it a fraction of the learning
rate); frozen, it need not be run again at every visit of a text, neither forwards nor backwards.

The last bits of a state depend on the batch it was computed in. So the batches are made of all texts beforehand, and
not of those that a step happens to see: a run that was stopped and goes on, and another fold, have the very same.
"""

import copy
from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from transformers import BertModel, PreTrainedModel
from transformers.models.bert.modeling_bert import BertEmbeddings

from ...classifier.batches import batches_of_like_length, collate
from ...classifier.inputs import Window
from ...classifier.pooling import MeanPooledBert
from .optimiser import depth_of

CACHE_BYTES = 2**30
"""Most memory for remembered states; of the texts the shortest are left out, and run again at each visit."""

BATCH_TOKENS = 1024
"""Most tokens, padding included, of a batch whose states are computed to be remembered."""


class _Given(nn.Module):
    """Stands where a split encoder had its embeddings: the states of the lower layers are given."""

    def forward(self, inputs_embeds: Tensor, **_: object) -> Tensor:
        """Return the states as they are."""
        return inputs_embeds


class RememberedStates:
    """What the frozen layers of one encoder give for some windows; trainings of the same encoder may share it."""

    def __init__(self, windows: Sequence[Window], width: int) -> None:
        """Plan the batches of all windows that a training may see; a token's state has ``width`` float32 numbers.

        States are remembered by the identity of a window, so the windows are kept alive.
        """
        self._windows = list({id(window): window for window in windows}.values())
        self._width = width
        self._batch: dict[int, list[Window]] = {}
        self._place: dict[int, slice] = {}
        self._known: set[int] = set()
        self._memory = torch.empty(0)
        self._plan(CACHE_BYTES // (4 * width))

    def _plan(self, room: int) -> None:
        """Give each window its batch and its place in the memory, which has room for so many tokens."""
        tokens = 0
        for rows in batches_of_like_length([len(window) for window in self._windows], BATCH_TOKENS):
            batch = [self._windows[row] for row in rows]
            if tokens + sum(map(len, batch)) > room:
                break
            for window in batch:
                self._batch[id(window)] = batch
                self._place[id(window)] = slice(tokens, tokens := tokens + len(window))
        self._tokens = tokens

    def get(self, windows: Sequence[Window], run: Callable[[Sequence[Window]], Sequence[Tensor]]) -> list[Tensor]:
        """Give the states of each window, (tokens, width); ``run`` computes those that are not remembered."""
        for window in windows:
            if id(window) in self._place and id(window) not in self._known:
                self._remember(self._batch[id(window)], run)
        unplanned = [window for window in windows if id(window) not in self._place]
        found = {id(each): states for each, states in zip(unplanned, run(unplanned), strict=True)} if unplanned else {}
        return [
            found[id(window)] if id(window) in found else self._memory[self._place[id(window)]] for window in windows
        ]

    def _remember(self, batch: Sequence[Window], run: Callable[[Sequence[Window]], Sequence[Tensor]]) -> None:
        """Compute the states of a batch and copy them to their places."""
        for window, states in zip(batch, run(batch), strict=True):
            if not self._known:
                # one block from the beginning: thousands of small ones that stay would tear the heap to pieces
                self._memory = states.new_empty(self._tokens, self._width)
            self._memory[self._place[id(window)]] = states
            self._known.add(id(window))


class FrozenLayers:
    """The embeddings and the lowest layers of a ``MeanPooledBert``, taken out of it for the time of training."""

    def __init__(self, network: MeanPooledBert, layers: int, remembered: RememberedStates) -> None:
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
        self._remembered = remembered

    def put_back(self, network: MeanPooledBert) -> None:
        """Make ``network``, or a copy of it, whole again."""
        bert = network.bert
        bert.embeddings = self._lower.embeddings
        bert.encoder.layer = nn.ModuleList([*self._lower.encoder.layer, *bert.encoder.layer])

    def collate(self, windows: Sequence[Window], *, pad: int, device: torch.device) -> dict[str, Tensor]:
        """Pad the windows' states: ``inputs_embeds`` (windows, tokens, hidden) and ``attention_mask``."""
        states = nn.utils.rnn.pad_sequence(self._states(windows, pad, device), batch_first=True)
        mask = torch.zeros(states.shape[:2], dtype=torch.long, device=device)
        for row, window in enumerate(windows):
            mask[row, : len(window)] = 1
        return {"inputs_embeds": states, "attention_mask": mask}

    def pack(self, windows: Sequence[Window], *, pad: int, device: torch.device) -> dict[str, Tensor]:
        """Put the windows' states one behind the other: ``inputs_embeds`` (tokens, hidden) and ``lengths``."""
        lengths = torch.tensor([len(window) for window in windows], device=device)
        return {"inputs_embeds": torch.cat(self._states(windows, pad, device)), "lengths": lengths}

    def _states(self, windows: Sequence[Window], pad: int, device: torch.device) -> list[Tensor]:
        """Give what the frozen layers make of each window, (tokens, hidden)."""

        def run(some: Sequence[Window]) -> list[Tensor]:
            with torch.no_grad():
                states = self._lower(**collate(some, pad=pad, device=device)).last_hidden_state
            return [row[: len(window)] for window, row in zip(some, states, strict=True)]

        return self._remembered.get(windows, run)


def freeze_lower(network: nn.Module, layers: int | None, remembered: RememberedStates) -> FrozenLayers | None:
    """Freeze the embeddings and the lowest ``layers`` layers; None freezes nothing.

    In a ``MeanPooledBert`` they are taken out and their states remembered; in other families their weights just stay as
    they are.
    """
    if layers is None:
        return None
    if isinstance(network, MeanPooledBert):
        return FrozenLayers(network, layers, remembered)
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
