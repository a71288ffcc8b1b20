"""Mean pooling for BERT, and the same thing written as an ordinary ``BertForSequenceClassification``.

Small sentence encoders such as MiniLM were made for mean pooling, and at few labels the pooling decides. But the
ordinary class reads the first token through a tanh pooler. The mean can be written in the ordinary layers: one more
BERT layer whose queries and keys are zero (so that attention is uniform over the unmasked tokens), whose values are
the identity and whose attention output is a large multiple of it, and a pooler that is a small multiple of the
identity. ``MeanPooledBert`` computes exactly that function for the first token alone, which costs next to nothing, and
``to_ordinary`` / ``from_ordinary`` translate the weights between the two forms.
"""

import copy
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import BertForSequenceClassification, BertModel

from .tasks import LABELS

_GAIN = 2.0**12
"""Multiple of the mean in the added layer's attention output: the first token's own state counts 1/4096 beside it."""

_SLOPE = 2.0**-6
"""Multiple of the identity in the pooler: so small that tanh is nearly straight, large enough for half precision."""


class MeanPooledBert(nn.Module):
    """BERT with a linear head on the layer-normalised mean of the unmasked token states."""

    def __init__(self, bert: BertModel, outputs: int) -> None:
        """Put a fresh head with ``outputs`` logits on an encoder without pooling layer."""
        super().__init__()
        self.bert = bert
        self.config = bert.config
        self.dropout = nn.Dropout(bert.config.hidden_dropout_prob)
        self.classifier = nn.Linear(bert.config.hidden_size, outputs)
        nn.init.normal_(self.classifier.weight, std=bert.config.initializer_range)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        """Compute logits of shape (batch, outputs) from ids, mask and segments, each of shape (batch, tokens)."""
        states = self.bert(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state
        logits: Tensor = self.classifier(self.dropout(self.pool(states, attention_mask)))
        return logits

    @staticmethod
    def pool(states: Tensor, attention_mask: Tensor) -> Tensor:
        """Pool token states (batch, tokens, hidden) to features (batch, hidden), as the ordinary form does."""
        mask = attention_mask.unsqueeze(-1).to(states.dtype)
        mean = (states * mask).sum(dim=1) / mask.sum(dim=1)
        normalised = F.layer_norm(mean.float() + states[:, 0].float() / _GAIN, mean.shape[-1:])
        return torch.tanh(_SLOPE * normalised) / _SLOPE

    def to_ordinary(self) -> BertForSequenceClassification:
        """Write the network as an ordinary two-class model with one layer more and the same probabilities."""
        config = copy.deepcopy(self.config)
        config.num_hidden_layers += 1
        config.id2label = dict(enumerate(LABELS))
        config.label2id = {label: index for index, label in enumerate(LABELS)}
        ordinary = BertForSequenceClassification(config)
        ordinary.bert.embeddings.load_state_dict(self.bert.embeddings.state_dict())
        layers = ordinary.bert.encoder.layer
        for target, source in zip(layers, self.bert.encoder.layer, strict=False):
            target.load_state_dict(source.state_dict())
        with torch.no_grad():
            _write_mean(layers[-1])
            pooler = ordinary.bert.pooler.dense
            pooler.weight.copy_(_SLOPE * torch.eye(config.hidden_size))
            pooler.bias.zero_()
            ordinary.classifier.weight.copy_(self.classifier.weight / _SLOPE)
            ordinary.classifier.bias.copy_(self.classifier.bias)
        return ordinary.eval()

    @classmethod
    def from_ordinary(cls, ordinary: BertForSequenceClassification) -> Self:
        """Read back what ``to_ordinary`` wrote; the added layer is left out again."""
        config = copy.deepcopy(ordinary.config)
        config.num_hidden_layers -= 1
        bert = BertModel(config, add_pooling_layer=False)
        bert.embeddings.load_state_dict(ordinary.bert.embeddings.state_dict())
        for target, source in zip(bert.encoder.layer, ordinary.bert.encoder.layer, strict=False):
            target.load_state_dict(source.state_dict())
        network = cls(bert, ordinary.classifier.out_features)
        with torch.no_grad():
            network.classifier.weight.copy_(ordinary.classifier.weight * _SLOPE)
            network.classifier.bias.copy_(ordinary.classifier.bias)
        return network


def _write_mean(layer: nn.Module) -> None:
    """Make a BERT layer compute the layer-normalised mean of its inputs' unmasked tokens at every position."""
    size = layer.attention.self.query.in_features
    for linear in (module for module in layer.modules() if isinstance(module, nn.Linear)):
        linear.weight.zero_()
        linear.bias.zero_()
    layer.attention.self.value.weight.copy_(torch.eye(size))
    layer.attention.output.dense.weight.copy_(_GAIN * torch.eye(size))
    for norm in (module for module in layer.modules() if isinstance(module, nn.LayerNorm)):
        nn.init.ones_(norm.weight)
        nn.init.zeros_(norm.bias)
