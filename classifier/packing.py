"""Windows one behind the other in one row of tokens, without padding: how a BERT runs on a CPU in training.

The texts of a step differ in length, and in padded batches about a fifth of the tokens is padding. All of a layer but
its attention treats each token by itself, so it runs on the whole row at once; attention runs on groups of windows of
like lengths, and only there anything is padded.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import BertModel
from transformers.models.bert.modeling_bert import BertLayer, BertSelfAttention

from .batches import runs_of_like_length
from .inputs import Window

GROUP_TOKENS = 4096
"""Most tokens, padding included, of a group whose attention is computed at once."""

ROUND_TOKENS = 64
"""Rows have a multiple of so many tokens: for each length it meets, the library of matrix products makes a plan."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Neighbouring windows whose attention is computed at once.

    tokens: how many they have together. windows, longest: of the padded form. real: where the tokens lie in the padded
    form, int64 (tokens,); None where nothing is padded. mask: 0 for tokens and -inf for padding, (windows, 1, 1,
    longest), or None.
    """

    tokens: int
    windows: int
    longest: int
    real: Tensor | None
    mask: Tensor | None

    @classmethod
    def of(cls, lengths: Tensor) -> Self:
        """Group neighbouring windows of some lengths, int64 (windows,)."""
        windows, longest, tokens = len(lengths), int(lengths.max()), int(lengths.sum())
        if windows * longest == tokens:
            return cls(tokens, windows, longest, None, None)
        there = torch.arange(longest, device=lengths.device) < lengths[:, None]
        mask = torch.zeros(there.shape, device=lengths.device).masked_fill(~there, float("-inf"))
        return cls(tokens, windows, longest, there.flatten().nonzero().flatten(), mask[:, None, None])

    def pad(self, row: Tensor) -> Tensor:
        """Give (tokens, width) the padded form (windows, longest, width)."""
        if self.real is not None:
            padded = row.new_zeros(self.windows * self.longest, row.shape[1])
            row = padded.index_copy(0, self.real, row)
        return row.view(self.windows, self.longest, -1)

    def unpad(self, padded: Tensor) -> Tensor:
        """Take (windows, longest, width) back to (tokens, width)."""
        row = padded.reshape(self.windows * self.longest, -1)
        return row if self.real is None else row.index_select(0, self.real)


class Packing:
    """Where the windows lie in the row: ``lengths`` are their tokens, int64 (windows,) on the row's device.

    Attention costs least where windows of like lengths are neighbours.
    """

    def __init__(self, lengths: Tensor) -> None:
        """Plan the groups."""
        self.lengths = lengths
        self.starts = lengths.cumsum(0) - lengths
        self._groups = [_Group.of(lengths[run]) for run in runs_of_like_length(lengths.tolist(), GROUP_TOKENS)]

    def positions(self) -> Tensor:
        """Give each token's position in its window, int64 (tokens,)."""
        row = torch.arange(int(self.lengths.sum()), device=self.lengths.device)
        return row - self.starts.repeat_interleave(self.lengths)

    def mean(self, row: Tensor) -> Tensor:
        """Average (tokens, width) over the tokens of each window: (windows, width)."""
        window = torch.arange(len(self.lengths), device=row.device).repeat_interleave(self.lengths)
        total = row.new_zeros(len(self.lengths), row.shape[1]).index_add(0, window, row)
        return total / self.lengths[:, None]

    def attend(self, attention: BertSelfAttention, row: Tensor) -> Tensor:
        """Compute a layer's self-attention of (tokens, hidden), each window for itself."""
        heads, width = attention.num_attention_heads, attention.attention_head_size
        projections = attention.query, attention.key, attention.value
        weight = torch.cat([projection.weight for projection in projections])
        bias = torch.cat([projection.bias for projection in projections])
        sizes = [group.tokens for group in self._groups]
        projected = torch.split(F.linear(row, weight, bias), sizes)
        context = []
        for group, tokens in zip(self._groups, projected, strict=True):
            shape = group.windows, group.longest, 3, heads, width
            query, key, value = group.pad(tokens).view(shape).permute(2, 0, 3, 1, 4)
            scores = query @ key.transpose(-1, -2) * width**-0.5
            if group.mask is not None:
                scores = scores + group.mask
            shares = attention.dropout(scores.softmax(dim=-1, dtype=torch.float32).to(value.dtype))
            context.append(group.unpad((shares @ value).transpose(1, 2)))
        return torch.cat(context)


def rows_of_like_length(lengths: Sequence[int], most_tokens: int) -> Iterator[list[int]]:
    """Yield index lists of at most ``most_tokens`` tokens each, longest windows first; a longer window goes alone."""
    row: list[int] = []
    tokens = 0
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if row and tokens + lengths[index] > most_tokens:
            yield row
            row, tokens = [], 0
        row.append(index)
        tokens += lengths[index]
    if row:
        yield row


def pack(windows: Sequence[Window], *, device: torch.device | None = None) -> dict[str, Tensor]:
    """Put windows one behind the other: ids and segments, int64 (tokens,), and ``lengths``, int64 (windows,)."""
    ids = [token for window in windows for token in window.input_ids]
    segments = [segment for window in windows for segment in window.token_type_ids]
    lengths = [len(window) for window in windows]
    row = {"input_ids": ids, "token_type_ids": segments, "lengths": lengths}
    return {name: torch.tensor(values, device=device) for name, values in row.items()}


def filled_up(lengths: Tensor, inputs: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Add a window of nothing, unless the row's tokens are a multiple of ``ROUND_TOKENS`` already."""
    spare = -int(lengths.sum()) % ROUND_TOKENS
    if not spare:
        return lengths, dict(inputs)
    filled = {name: torch.cat([values, values.new_zeros(spare, *values.shape[1:])]) for name, values in inputs.items()}
    return torch.cat([lengths, lengths.new_tensor([spare])]), filled


def run_packed(bert: BertModel, packing: Packing, **inputs: Tensor) -> Tensor:
    """Compute the token states, (tokens, hidden), from BERT's inputs, each with a first dimension of (tokens,)."""
    given = {name: values[None] for name, values in inputs.items()}
    row: Tensor = bert.embeddings(position_ids=packing.positions()[None], **given)[0]
    for layer in cast(Sequence[BertLayer], bert.encoder.layer):
        attended = layer.attention.output(packing.attend(cast(BertSelfAttention, layer.attention.self), row), row)
        row = layer.output(layer.intermediate(attended), attended)
    return row
