"""Mean pooling for BERT, and the same thing written as an ordinary ``BertForSequenceClassification``.

Small sentence encoders such as MiniLM were made for mean pooling, and at few labels the pooling decides. But the
ordinary class reads the first token through a tanh pooler. The mean can be written in the ordinary layers: one more
BERT layer whose queries and keys are zero (so that attention is uniform over the unmasked tokens), whose values are
the identity and whose attention output is a large multiple of it, and a pooler that is a small multiple of the
identity. ``MeanPooledBert`` computes exactly that function for the first token alone, which costs next to nothing, and
``to_ordinary`` / ``from_ordinary`` translate the weights between the two forms.
"""

import copy
from typing import Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import BertForSequenceClassification, BertModel, PreTrainedModel
from transformers.models.bert.modeling_bert import BertLayer

from .errors import ModelError
from .packing import Packing, filled_up, run_packed

_GAIN = 2.0**12
"""Multiple of the mean in the added layer's attention output: the first token's own state counts 1/4096 beside it."""

_SLOPE = 2.0**-6
"""Multiple of the identity in the pooler: so small that tanh is nearly straight, large enough for half precision."""

_EPSILON = 1e-12
"""BERT's own, in place of 1e-5, which would change a probability by more than rounding does."""


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

    def forward(
        self, attention_mask: Tensor | None = None, *, lengths: Tensor | None = None, **inputs: Tensor
    ) -> Tensor:
        """Compute logits of shape (batch, outputs) from BERT's inputs, each of shape (batch, tokens).

        With ``lengths``, int64 (batch,), the windows lie one behind the other without padding: inputs are (tokens,).
        """
        if lengths is not None:
            windows = len(lengths)
            lengths, inputs = filled_up(lengths, inputs)
            packing = Packing(lengths)
            row = run_packed(self.bert, packing, **inputs)
            features = self._features(packing.mean(row.float()), row[packing.starts])[:windows]
        else:
            states = self.bert(attention_mask=attention_mask, **inputs).last_hidden_state
            features = self.pool(states, cast(Tensor, attention_mask))
        logits: Tensor = self.classifier(self.dropout(features))
        return logits

    @classmethod
    def pool(cls, states: Tensor, attention_mask: Tensor) -> Tensor:
        """Pool token states (batch, tokens, hidden) to features (batch, hidden), as the ordinary form does."""
        exact = states.float()  # half precision rounds a sum of hundreds of tokens coarsely
        mask = attention_mask.unsqueeze(-1).to(exact.dtype)
        mean = (exact * mask).sum(dim=1) / mask.sum(dim=1)
        return cls._features(mean, states[:, 0])

    @staticmethod
    def _features(mean: Tensor, first: Tensor) -> Tensor:
        """Normalise the tokens' mean, in float32, beside which the first token's state counts a little."""
        width = int(mean.shape[-1])  # int, for a traced graph cannot take the width from an input
        normalised = F.layer_norm(mean + first.float() / _GAIN, (width,), eps=_EPSILON)
        return (torch.tanh(_SLOPE * normalised) / _SLOPE).to(first.dtype)

    def to_ordinary(self) -> BertForSequenceClassification:
        """Write the network as an ordinary model with one layer more and the same logits."""
        config = copy.deepcopy(self.config)
        config.num_hidden_layers += 1
        config.num_labels = self.classifier.out_features
        ordinary = BertForSequenceClassification(config)
        ordinary.bert.embeddings.load_state_dict(self.bert.embeddings.state_dict())
        layers = ordinary.bert.encoder.layer
        for target, source in zip(layers, self.bert.encoder.layer, strict=False):
            target.load_state_dict(source.state_dict())
        with torch.no_grad():
            _write_mean(cast(BertLayer, layers[-1]), _pooler(ordinary))
            ordinary.classifier.weight.copy_(self.classifier.weight / _SLOPE)
            ordinary.classifier.bias.copy_(self.classifier.bias)
        ordinary.train(False)
        return ordinary

    @classmethod
    def from_ordinary(cls, ordinary: PreTrainedModel) -> Self:
        """Read back what ``to_ordinary`` wrote; the added layer is left out again.

        Raises:
            ModelError: the last layer and the pooler do not compute the mean: another tool has trained them further.
        """
        if not isinstance(ordinary, BertForSequenceClassification) or not _computes_mean(ordinary):
            raise ModelError(
                "the model's last layer no longer computes the mean, because another tool has trained or replaced it; "
                "set pooling to 'native' in railmatch.json to judge with the weights as they are"
            )
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


def _pooler(ordinary: BertForSequenceClassification) -> nn.Linear:
    return cast(nn.Linear, ordinary.get_submodule("bert.pooler.dense"))


def _write_mean(layer: BertLayer, pooler: nn.Linear) -> None:
    """Make a BERT layer and the pooler compute the layer-normalised mean of the unmasked tokens, times ``_SLOPE``."""
    for linear in (module for module in layer.modules() if isinstance(module, nn.Linear)):
        linear.weight.zero_()
        linear.bias.zero_()
    identity = torch.eye(pooler.in_features)
    layer.attention.self.value.weight.copy_(identity)
    layer.attention.output.dense.weight.copy_(_GAIN * identity)
    for norm in (module for module in layer.modules() if isinstance(module, nn.LayerNorm)):
        nn.init.ones_(norm.weight)
        nn.init.zeros_(norm.bias)
    pooler.weight.copy_(_SLOPE * identity)
    pooler.bias.zero_()


def _computes_mean(ordinary: BertForSequenceClassification) -> bool:
    """Say whether the last layer and the pooler are as ``_write_mean`` leaves them."""
    layer, pooler = ordinary.bert.encoder.layer[-1], _pooler(ordinary)
    written_layer, written_pooler = copy.deepcopy(layer), copy.deepcopy(pooler)
    with torch.no_grad():
        _write_mean(cast(BertLayer, written_layer), written_pooler)
    found = [*layer.parameters(), *pooler.parameters()]
    wanted = [*written_layer.parameters(), *written_pooler.parameters()]
    return all(torch.equal(*pair) for pair in zip(found, wanted, strict=True))
