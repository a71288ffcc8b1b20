"""Two BERT layers, written and not trained, by which a causal decoder goes on from a text with the same text again.

A small decoder takes long to find out how to copy: one head must look at the token before, and another, above it, for
the place where the current token is the one before ("induction heads", Olsson et al. 2022, arXiv:2209.11895). Both can
be written in closed form, because the first layer of a BERT encoder has a head that looks at the token before (in
MiniLM: 100% of its attention), and because tokens can be read off the states of lower layers by least squares:

1. ``write_before`` takes that head's queries and keys, and adds a code of the token before in the directions in which
   states of this layer vary least. It comes first; the encoder's lower layers follow.
2. ``write_match`` asks with a code of the current token for the code of the token before, and adds the embedding of
   what it finds, which the output layer, the same embeddings, reads.

Their feed-forward parts give nothing until they are trained. Everything stays an ordinary BERT layer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CODE = 6.0
"""How long the code of the token before is, beside states of length 10."""

SHARPNESS = 40.0
"""What a query gives for the right key, in logits."""

FOUND = 30.0
"""How much the embedding of what was found is longer than the embedding."""

RIDGE = 1e-4


@dataclass(frozen=True)
class Codes:
    """What tokens are known by: a row of ``table`` each, unit vectors as wide as a head."""

    table: Tensor
    first: int
    separator: int

    @classmethod
    def of(cls, embeddings: Tensor, tokens: Tensor, width: int, first: int, separator: int) -> "Codes":
        """Whiten the embeddings of ``tokens`` (n,), as often as they occur, and keep the main directions."""
        mean = embeddings[tokens].mean(dim=0)
        _, sizes, directions = torch.linalg.svd(embeddings[tokens] - mean, full_matrices=False)
        whitened = (embeddings - mean) @ (directions[:width].T / sizes[:width].clamp(min=1e-6))
        return cls(F.normalize(whitened, dim=1), first, separator)

    def asked(self, tokens: Tensor) -> Tensor:
        """Give the codes asked for after tokens: after the separator it is what comes after the first token."""
        return self.table[torch.where(tokens == self.separator, self.first, tokens)]


@dataclass(frozen=True)
class Sight:
    """Tokens, the ones before them, and the states that a layer sees in their place, all of them a row each."""

    states: Tensor
    tokens: Tensor
    before: Tensor


@torch.no_grad()
def look(bert: nn.Module, rows: Sequence[Sequence[int]], layer: int, shifted: int) -> Sight:
    """Run texts twice over through the layers below ``layer``, beginning at positions up to ``shifted``."""
    states, tokens, before = [], [], []
    for number, row in enumerate(rows):
        ids = torch.tensor([*row, *row[1:]])
        places = torch.arange(len(ids)) + number % shifted
        seen = bert(ids[None], position_ids=places[None], output_hidden_states=True).hidden_states[layer]
        states.append(seen[0, 1:])
        tokens.append(ids[1:])
        before.append(ids[:-1])
    return Sight(torch.cat(states), torch.cat(tokens), torch.cat(before))


def least_squares(states: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Give the weight (wanted, states) and the bias of the linear layer that reads ``wanted`` off the states best."""
    rows = F.pad(states, (0, 1), value=1.0).double()
    gram = rows.T @ rows + RIDGE * len(rows) * torch.eye(rows.shape[1], dtype=torch.double)
    found = torch.linalg.solve(gram, rows.T @ wanted.double()).float()
    return found[:-1].T, found[-1]


def head_before(layer: nn.Module, states: Tensor, mask: Tensor, heads: int) -> int:
    """Find the head of a layer that looks most at the token before, on the states (tokens, width) of one text."""
    attention = layer.attention.self
    query, key = (
        part(states).view(len(states), heads, -1).transpose(0, 1) for part in (attention.query, attention.key)
    )
    weights = (query @ key.transpose(1, 2) / query.shape[-1] ** 0.5 + mask).softmax(dim=-1)
    return int(weights.diagonal(offset=-1, dim1=1, dim2=2).mean(dim=1).argmax())


@torch.no_grad()
def write_before(layer: nn.Module, model: nn.Module, heads: int, codes: Codes, sight: Sight) -> None:
    """Write the first layer, with the queries and keys of a head of the layer ``model`` that sees the same states."""
    some = sight.states[:64]
    size = some.shape[1] // heads
    mask = torch.full((len(some), len(some)), -torch.inf).triu(1)
    found = head_before(model, some, mask, heads) * size
    for part in ("query", "key"):
        ours, theirs = getattr(layer.attention.self, part), getattr(model.attention.self, part)
        ours.weight[:size] = theirs.weight[found : found + size]
        ours.bias[:size] = theirs.bias[found : found + size]
    value = layer.attention.self.value
    value.weight[:size], value.bias[:size] = least_squares(sight.states, codes.table[sight.tokens])
    _, directions = torch.linalg.eigh(torch.cov(sight.states.T))  # the least first: along ones, a norm leaves nothing
    layer.attention.output.dense.weight.zero_()
    layer.attention.output.dense.weight[:, :size] = directions[:, 1 : size + 1] * CODE
    _only_attention(layer, scale=float(sight.states.std(dim=1).mean()), shift=float(sight.states.mean()))


@torch.no_grad()
def write_match(layer: nn.Module, heads: int, codes: Codes, embeddings: Tensor, sight: Sight) -> None:
    """Write the last layer."""
    attention = layer.attention.self
    scale = (SHARPNESS * codes.table.shape[1] ** 0.5) ** 0.5
    wanted = {"query": codes.asked(sight.tokens), "key": codes.table[sight.before]}
    for part, code in wanted.items():
        weight, bias = least_squares(sight.states, code)
        getattr(attention, part).weight.copy_(weight.repeat(heads, 1) * scale)
        getattr(attention, part).bias.copy_(bias.repeat(heads) * scale)
    found = embeddings[sight.tokens]
    weight, bias = least_squares(sight.states, found - found.mean(dim=0))
    attention.value.weight.copy_(weight)
    attention.value.bias.copy_(bias)
    layer.attention.output.dense.weight.copy_(torch.eye(len(weight)) * FOUND)
    _only_attention(layer, scale=1.0, shift=0.0)


def _only_attention(layer: nn.Module, *, scale: float, shift: float) -> None:
    """Let the feed-forward part give nothing, and norms leave states of this scale and shift as they are."""
    layer.attention.output.dense.bias.zero_()
    layer.output.dense.weight.zero_()
    layer.output.dense.bias.zero_()
    for norm in (layer.attention.output.LayerNorm, layer.output.LayerNorm):
        norm.weight.fill_(scale)
        norm.bias.fill_(shift)
