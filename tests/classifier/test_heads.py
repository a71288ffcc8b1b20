"""Heads: hand-worked probabilities, and folding that leaves the network alone."""

import pytest
import torch
from railmatch.classifier.errors import ModelError
from railmatch.classifier.families import final_layer
from railmatch.classifier.heads import folded, harmful_probability, keep_labels
from railmatch.classifier.model import SafetyClassifier


def test_the_harmful_probability_is_that_of_the_mean_logits():
    # one head: softmax(0, ln 3) = (1/4, 3/4); two heads (0, 0), (0, 2 ln 3) have the same mean
    ln3 = torch.log(torch.tensor(3.0)).item()
    assert harmful_probability(torch.tensor([[0.0, ln3]])).tolist() == pytest.approx([0.75])
    two = torch.tensor([[0.0, 0.0, 0.0, 2 * ln3], [0.0, 0.0, 0.0, 0.0]])
    assert harmful_probability(two).tolist() == pytest.approx([0.75, 0.5])


def test_folding_averages_weights_and_leaves_the_network_alone(encoder):
    network = SafetyClassifier.from_encoder(encoder, "prompt", window=64, heads=3).network
    head = final_layer(network)
    weight = head.weight.detach().clone()
    single = final_layer(folded(network))
    assert single.weight.shape == (2, head.in_features)
    torch.testing.assert_close(single.weight[1], (weight[1] + weight[3] + weight[5]) / 3)
    assert single.out_features == 2
    assert torch.equal(head.weight, weight)


def test_classes_that_only_training_knows_are_dropped_from_every_head(encoder):
    network = SafetyClassifier.from_encoder(encoder, "prompt", window=64, heads=2, classes=3).network
    head = final_layer(network)
    weight, bias = torch.arange(6 * head.in_features).reshape(6, -1).float(), torch.arange(6.0)
    head.weight, head.bias = torch.nn.Parameter(weight), torch.nn.Parameter(bias)
    keep_labels(network, heads=2)
    assert head.bias.tolist() == [0, 1, 3, 4]
    assert torch.equal(head.weight, weight[[0, 1, 3, 4]])
    assert head.out_features == 4
    assert final_layer(folded(network)).bias.tolist() == [1.5, 2.5]


def test_two_classes_stay_as_they_are(encoder):
    network = SafetyClassifier.from_encoder(encoder, "prompt", window=64, heads=3).network
    before = final_layer(network).weight.clone()
    keep_labels(network, heads=3)
    assert torch.equal(final_layer(network).weight, before)


def test_a_network_without_a_classifier_is_refused():
    with pytest.raises(ModelError) as refused:
        folded(torch.nn.Linear(2, 2))
    assert str(refused.value) == (
        "Linear has no linear layer named classifier; choose an encoder such as BERT, RoBERTa, DeBERTa-v3 or ModernBERT"
    )
