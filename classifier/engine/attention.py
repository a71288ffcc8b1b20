"""Which attention kernel runs: what is configured may differ from what PyTorch takes for the shapes at hand."""

from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend

from ..families import config_of


def attention_kernel(network: nn.Module, *, columns: int) -> str:
    """Name the attention of a network for windows of ``columns`` tokens, such as ``sdpa: EFFICIENT_ATTENTION``.

    With padding PyTorch needs a mask, which some of its kernels do not take, so both cases are named.
    """
    config = config_of(network)
    implementation = str(getattr(config, "_attn_implementation", None) or "eager")
    choose = getattr(torch, "_fused_sdp_choice", None)  # private, but nothing public tells
    if implementation != "sdpa" or choose is None:
        return implementation
    weight = next(network.parameters())
    heads = config.num_attention_heads
    states = torch.empty(2, heads, columns, config.hidden_size // heads, device=weight.device, dtype=weight.dtype)
    mask = torch.zeros(2, 1, columns, columns, device=weight.device, dtype=weight.dtype)

    def kernel(**options: Any) -> str:
        return SDPBackend(choose(states, states, states, **options)).name

    return f"sdpa: {kernel(attn_mask=mask)} with padding, {kernel()} without"
