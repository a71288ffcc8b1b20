"""Put token windows into padded batches without wasting much on padding."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from .inputs import Window


def batches_of_like_length(lengths: Sequence[int], most_tokens: int) -> Iterator[list[int]]:
    """Yield index lists of at most ``most_tokens`` tokens each, padding included, longest windows first.

    A window longer than ``most_tokens`` gets a batch of its own.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    start = 0
    while start < len(order):
        size = max(1, most_tokens // max(1, lengths[order[start]]))
        yield order[start : start + size]
        start += size


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
