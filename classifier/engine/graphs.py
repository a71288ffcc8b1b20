"""CUDA graphs: forward passes recorded once for a fixed shape, and then started with a single call."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn

from ..families import run_network
from ..padding import INPUTS
from .shapes import Shape

Batch: TypeAlias = dict[str, Tensor]

REHEARSALS = 3
"""Passes before recording, in which libraries choose their kernels and take their memory."""


class Graphs:
    """Records passes of one network; all share their memory, because only one runs at a time.

    So what they take together grows with the largest shape and hardly with their number; ``memory`` measures it.
    """

    def __init__(self, network: nn.Module) -> None:
        """Take a network on a GPU, ready to judge."""
        self._network = network
        self._device = next(network.parameters()).device
        self._pool = torch.cuda.graph_pool_handle()
        # one stream for all: PyTorch keeps the memory of each by itself, and shares a pool only within one
        self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]  # PyTorch has no types here
        self._before = self._reserved()

    @property
    def memory(self) -> int:
        """Count the bytes of the GPU that this process has taken since; what it only keeps for later is given back."""
        return self._reserved() - self._before

    def record(self, shape: Shape, pad: int) -> Callable[[Batch], Tensor]:
        """Record a pass; the result computes logits (rows, outputs) from a batch of this shape on the same device.

        Nobody may call it while another call of this or of another graph of the pool is being started.
        """
        with torch.inference_mode():
            inputs = _example(shape, pad, self._device)
            self._rehearse(inputs)
            graph = torch.cuda.CUDAGraph()
            # "thread_local": what other threads do on the GPU meanwhile, such as another engine's passes, is allowed
            with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local"):
                logits = run_network(self._network, inputs)

        def replay(batch: Batch) -> Tensor:
            for name, place in inputs.items():
                place.copy_(batch[name], non_blocking=True)
            graph.replay()
            return logits.clone()  # on the same stream, so before the next pass writes there

        return replay

    def _rehearse(self, inputs: Batch) -> None:
        """Run the passes that must not be recorded, on the stream that records."""
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            for _ in range(REHEARSALS):
                run_network(self._network, inputs)
        torch.cuda.current_stream(self._device).wait_stream(self._stream)

    def _reserved(self) -> int:
        torch.cuda.empty_cache()
        return torch.cuda.memory_reserved(self._device)


def _example(shape: Shape, pad: int, device: torch.device) -> Batch:
    """Make a batch of nothing but padding that counts."""
    inputs = {name: torch.zeros(shape, dtype=torch.long, device=device) for name in INPUTS}
    inputs["input_ids"].fill_(pad)
    inputs["attention_mask"].fill_(1)
    return inputs
