"""Mean pooling: hand-worked means, and the same logits in the ordinary form."""

import pytest
import torch
from railmatch.classifier.batches import collate
from railmatch.classifier.errors import ModelError
from railmatch.classifier.inputs import Window
from railmatch.classifier.pooling import MeanPooledBert
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    RobertaConfig,
    RobertaForSequenceClassification,
)


@pytest.fixture
def network() -> MeanPooledBert:
    torch.manual_seed(0)
    config = BertConfig(vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64)
    network = MeanPooledBert(BertModel(config, add_pooling_layer=False), 2).eval()
    torch.nn.init.normal_(network.classifier.weight)
    torch.nn.init.normal_(network.classifier.bias)
    return network


@pytest.fixture
def batch() -> dict[str, torch.Tensor]:
    windows = [Window(list(range(start, start + count)), [0] * count) for start, count in ((1, 40), (7, 5), (30, 1))]
    return collate(windows, pad=0)


def test_features_are_the_normalised_mean_of_unmasked_tokens():
    # the mean of (4, 0) and (0, 2) is (2, 1); normalised to mean 0 and deviation 1 it is (1, -1), whatever the third
    # token holds. The first token counts 1/4096 beside the mean, which changes no sign, and normalising takes it out.
    states = torch.tensor([[[4.0, 0.0], [0.0, 2.0], [-100.0, 500.0]]])
    features = MeanPooledBert.pool(states, torch.tensor([[1, 1, 0]]))
    assert features.tolist() == [[pytest.approx(1, abs=1e-3), pytest.approx(-1, abs=1e-3)]]


def test_masked_tokens_change_nothing_at_all():
    states = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    other = states.clone()
    other[0, 3:] = 1e4
    assert torch.equal(MeanPooledBert.pool(states, mask), MeanPooledBert.pool(other, mask))


def test_the_ordinary_form_gives_the_same_logits(network, batch):
    with torch.no_grad():
        ours, theirs = network(**batch), network.to_ordinary()(**batch).logits
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-5)
    assert ours.abs().max() > 1  # so that this is strict
    torch.testing.assert_close(ours.softmax(-1), theirs.softmax(-1), rtol=0, atol=1e-5)


def test_the_ordinary_form_reads_tokens_other_than_the_first(network):
    windows = [Window([1, 2, 3, 4], [0] * 4), Window([1, 2, 3, 5], [0] * 4)]
    with torch.no_grad():
        first, second = network.to_ordinary()(**collate(windows, pad=0)).logits
    assert (first - second).abs().max() > 0.01


def test_there_and_back_is_the_same_network(network):
    back = MeanPooledBert.from_ordinary(network.to_ordinary())
    assert back.config.num_hidden_layers == 2
    before, after = network.state_dict(), back.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)  # _SLOPE is a power of two: nothing is lost


def test_several_heads_go_there_and_back(network):
    heads = MeanPooledBert(network.bert, 6)
    assert MeanPooledBert.from_ordinary(heads.to_ordinary()).classifier.out_features == 6


def test_the_network_itself_is_left_alone(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.to_ordinary()
    assert network.config.num_hidden_layers == 2
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_every_parameter_of_the_encoder_gets_a_gradient(network, batch):
    network(**batch).sum().backward()
    unused = {name for name, parameter in network.named_parameters() if parameter.grad is None}
    assert unused == set()


CHANGED = (
    "the model's last layer no longer computes the mean, because another tool has trained or replaced it; "
    "set pooling to 'native' in railmatch.json to judge with the weights as they are"
)


@pytest.mark.parametrize(
    "changed",
    [
        "bert.pooler.dense.weight",
        "bert.encoder.layer.2.attention.self.query.weight",
        "bert.encoder.layer.2.output.LayerNorm.bias",
    ],
)
def test_a_checkpoint_trained_further_by_another_tool_is_refused(network, changed):
    ordinary = network.to_ordinary()
    with torch.no_grad():
        ordinary.get_parameter(changed).add_(0.001)
    with pytest.raises(ModelError) as refused:
        MeanPooledBert.from_ordinary(ordinary)
    assert str(refused.value) == CHANGED


def test_another_class_is_refused(network):
    sizes = {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    for other in (
        BertForSequenceClassification(BertConfig(**sizes, intermediate_size=16)),
        RobertaForSequenceClassification(RobertaConfig(**sizes, intermediate_size=16)),
    ):
        with pytest.raises(ModelError, match="no longer computes the mean"):
            MeanPooledBert.from_ordinary(other)
