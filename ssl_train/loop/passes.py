"""Forward passes in training: windows in batches of like lengths, in the precision that is faster.

On a CPU a ``MeanPooledBert`` runs without padding.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

import torch
from torch import Tensor, nn

from ...classifier.batches import batches_of_like_length, collate
from ...classifier.inputs import Window
from ...classifier.model import run_network
from ...classifier.packing import pack, rows_of_like_length
from ..memory import Batch
from .frozen import FrozenLayers

CPU_BATCH_TOKENS = 1024
"""Most tokens of one forward pass on a CPU, padding included: few, since its caches are small."""

PACKED_TOKENS = 2048
"""Most tokens of one forward pass without padding, which is how a ``MeanPooledBert`` runs on a CPU."""

GPU_BATCH_TOKENS = 65536
"""Most tokens of one forward pass on a GPU, padding included."""

Result = TypeVar("Result")


class Passes:
    """Runs windows through a network and its copies, on one device."""

    def __init__(
        self,
        device: torch.device,
        *,
        pad: int,
        heads: int,
        bf16: bool,
        frozen: FrozenLayers | None = None,
        packed: bool = False,
    ) -> None:
        """Take the device, the padding token, the heads, whether to use bfloat16, and layers that were taken out.

        ``packed`` runs the windows of a pass one behind the other, for networks that take ``lengths``.
        """
        self.device = device
        self._heads = heads
        self._pad = pad
        self.bf16 = bf16
        self._frozen = frozen
        self._packed = packed
        cpu_tokens = PACKED_TOKENS if packed else CPU_BATCH_TOKENS
        self._batch = Batch(cpu_tokens if device.type == "cpu" else GPU_BATCH_TOKENS, "tokens")

    def within_memory(self, work: Callable[[], Result]) -> Result:
        """Do ``work``, which runs batches, again with smaller ones where the GPU's memory is out.

        Raises:
            ModelError: memory does not suffice for the smallest batch.
        """
        return self._batch.run(lambda size: work())

    def batches(self, windows: Sequence[Window]) -> Iterator[list[int]]:
        """Group the positions of windows of like lengths, as many as a pass takes."""
        group = rows_of_like_length if self._packed else batches_of_like_length
        return group([len(window) for window in windows], self._batch.size)

    def logits(self, network: nn.Module, windows: Sequence[Window]) -> Tensor:
        """Run one pass; logits are float32 of shape (windows, heads, classes)."""
        logits = run_network(network, self._put_together(windows))
        return logits.float().reshape(len(windows), self._heads, -1)

    def _put_together(self, windows: Sequence[Window]) -> dict[str, Tensor]:
        """Make the network's inputs of windows, or of what the frozen layers make of them."""
        if self._packed:
            if self._frozen:
                return self._frozen.pack(windows, pad=self._pad, device=self.device)
            return pack(windows, device=self.device)
        put_together = self._frozen.collate if self._frozen else collate
        return put_together(windows, pad=self._pad, device=self.device)

    def judge(self, network: nn.Module, windows: Sequence[Window]) -> Tensor:
        """Compute logits of shape (windows, heads, classes) in the windows' order, without gradient or dropout."""
        network.eval()
        logits: list[Tensor] = []
        order: list[int] = []
        with torch.no_grad(), self.autocast():
            for positions in self.batches(windows):
                logits.append(self.logits(network, [windows[position] for position in positions]))
                order += positions
        return torch.cat(logits)[torch.tensor(order, device=self.device).argsort()]

    def autocast(self) -> AbstractContextManager[object]:
        """Compute the block's matrix products in bfloat16, where that was chosen."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)


def use_bf16(precision: str, device: torch.device) -> bool:
    """Say whether to train in bfloat16: ``auto`` does where the hardware multiplies bfloat16 faster than float32."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
