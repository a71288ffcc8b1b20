"""What differs between families of encoders: the head's place, segments or none, how long an input may be."""

from typing import cast

from torch import Tensor, nn
from transformers import PreTrainedConfig
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from .errors import ModelError

_USUAL_POSITIONS = 512
"""Longest input, in tokens, of an encoder that names none."""


def config_of(network: nn.Module) -> PreTrainedConfig:
    """Give the configuration of a network, or of the network that a distributed wrapper holds."""
    return cast(PreTrainedConfig, getattr(network, "module", network).config)


def final_layer(network: nn.Module) -> nn.Linear:
    """Find the last linear layer of a sequence-classification network, whose outputs are the logits.

    Raises:
        ModelError: the family keeps its head elsewhere, as decoders do.
    """
    head = getattr(network, "classifier", None)
    if not isinstance(head, nn.Linear):
        head = getattr(head, "out_proj", None)
    if not isinstance(head, nn.Linear):
        raise ModelError(
            f"{type(network).__name__} has no linear layer named classifier; choose an encoder such as BERT, RoBERTa, "
            "DeBERTa-v3 or ModernBERT"
        )
    return head


def run_network(network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Run a network of any family on a collated batch; gives logits of shape (windows, heads x 2).

    Segments go only to families that have any.
    """
    if getattr(config_of(network), "type_vocab_size", 0) < 2:
        batch = {name: value for name, value in batch.items() if name != "token_type_ids"}
    output = network(**batch)
    return output if isinstance(output, Tensor) else cast(Tensor, output.logits)


def longest_input(network: nn.Module, tokenizer: PreTrainedTokenizerBase) -> int:
    """Count the tokens, special tokens included, that an encoder takes at once.

    RoBERTa and its relatives number their positions from the padding index on, so that many fewer are left.
    """
    positions = getattr(config_of(network), "max_position_embeddings", None) or _USUAL_POSITIONS
    for name, module in network.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            reserved = 0 if module.padding_idx is None else module.padding_idx + 1
            positions = module.num_embeddings - reserved
    return int(min(positions, tokenizer.model_max_length))
