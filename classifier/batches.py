"""Put token windows into padded batches without wasting much on padding."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .inputs import Window

SPARE_TOKENS = 128
"""Padding, in tokens, that costs about as much as one more forward pass on a CPU: less is not worth a batch."""

PADDING_SHARE = 0.1
"""Largest share of padding in a batch that has more than ``SPARE_TOKENS`` of it."""


def batches_of_like_length(lengths: Sequence[int], most_tokens: int) -> Iterator[list[int]]:
    """Yield index lists of at most ``most_tokens`` tokens each, padding included, longest windows first.

    A window longer than ``most_tokens`` gets a batch of its own.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    for run in runs_of_like_length([lengths[index] for index in order], most_tokens):
        yield order[run]


def runs_of_like_length(lengths: Sequence[int], most_tokens: int) -> Iterator[slice]:
    """Yield slices of neighbouring windows, in their order, whose batches waste as little on padding."""
    first = longest = tokens = 0
    for index, length in enumerate(lengths):
        size = max(longest, length) * (index + 1 - first)
        padding = size - tokens - length
        if index > first and (size > most_tokens or padding > max(SPARE_TOKENS, PADDING_SHARE * size)):
            yield slice(first, index)
            first, longest, tokens = index, 0, 0
        longest, tokens = max(longest, length), tokens + length
    if lengths:
        yield slice(first, len(lengths))


def collate(windows: Sequence[Window], *, pad: int, device: torch.device | None = None) -> dict[str, Tensor]:
    """Pad windows on the right to the longest: ids, mask and segments, each int64 of shape (windows, tokens)."""
    longest = max(len(window) for window in windows)
    ids = torch.full((len(windows), longest), pad, dtype=torch.long)
    mask = torch.zeros((len(windows), longest), dtype=torch.long)
    segments = torch.zeros((len(windows), longest), dtype=torch.long)
    for row, window in enumerate(windows):
        ids[row, : len(window)] = torch.tensor(window.input_ids)
        mask[row, : len(window)] = 1
        segments[row, : len(window)] = torch.tensor(window.token_type_ids)
    batch = {"input_ids": ids, "attention_mask": mask, "token_type_ids": segments}
    return {name: value.to(device) for name, value in batch.items()}
