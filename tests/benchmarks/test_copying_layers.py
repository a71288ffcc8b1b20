"""The layers that copy: a head that looks back is found, what it sees can be read, and a repeated text goes on."""

import pytest
import torch
from paraphrasing.copying_layers import Codes, Sight, head_before, least_squares, write_before, write_match
from torch import Tensor
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertLayer

WIDTH, HEADS, VOCABULARY, PLACES = 64, 2, 40, 16


def layer() -> BertLayer:
    config = BertConfig(
        hidden_size=WIDTH, num_attention_heads=HEADS, intermediate_size=32, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, is_decoder=True, attn_implementation="eager",
    )  # fmt: skip
    return BertLayer(config, layer_idx=0).train(False)


def run(network: BertLayer, states: Tensor) -> Tensor:
    mask = torch.full((len(states), len(states)), -1e9).triu(1)[None, None]
    with torch.inference_mode():
        return network(states[None], attention_mask=mask)[0].view(-1, WIDTH)


@pytest.fixture(autouse=True)
def chance() -> None:
    torch.manual_seed(0)


@pytest.fixture
def embeddings() -> Tensor:
    """A vector for each token in the first 32 dimensions."""
    return torch.cat([torch.randn(VOCABULARY, 32), torch.zeros(VOCABULARY, 32)], dim=1)


def codes(embeddings: Tensor) -> Codes:
    return Codes.of(embeddings, torch.arange(VOCABULARY), WIDTH // HEADS, first=0, separator=1)


def test_least_squares_finds_the_layer_that_there_is():
    states = torch.randn(200, 8)
    weight, bias = torch.randn(3, 8), torch.randn(3)
    found = least_squares(states, states @ weight.T + bias)
    assert torch.allclose(found[0], weight, atol=1e-2)
    assert torch.allclose(found[1], bias, atol=1e-2)


def test_the_first_token_is_asked_for_after_the_separator(embeddings: Tensor):
    known = codes(embeddings)
    assert torch.equal(known.asked(torch.tensor([5, 1])), known.table[[5, 0]])
    assert torch.allclose(known.table.norm(dim=1), torch.ones(VOCABULARY))


def looks_back(head: int) -> BertLayer:
    """A layer of which one head looks at the place before, by a one-hot place in the dimensions 32 to 48."""
    network = layer()
    attention = network.attention.self
    size = WIDTH // HEADS
    with torch.no_grad():
        for place in range(PLACES):
            attention.key.weight[head * size + place, 32 + place] = 20.0
        for place in range(1, PLACES):
            attention.query.weight[head * size + place - 1, 32 + place] = 20.0
    return network


@pytest.mark.parametrize("head", [0, 1])
def test_the_token_before_can_be_read_behind_the_first_layer(embeddings: Tensor, head: int):
    tokens = torch.randint(2, VOCABULARY, (100, PLACES))
    states = embeddings[tokens].clone()
    states[:, range(PLACES), range(32, 32 + PLACES)] = 3.0
    sight = Sight(states[:, 1:].flatten(0, 1), tokens[:, 1:].flatten(), tokens[:, :-1].flatten())
    model, written = looks_back(head), layer()
    mask = torch.full((PLACES, PLACES), -torch.inf).triu(1)
    assert head_before(model, states[0], mask, HEADS) == head

    write_before(written, model, HEADS, codes(embeddings), sight)
    behind = torch.cat([run(written, each)[1:] for each in states])
    weight, bias = least_squares(behind, codes(embeddings).table[sight.before])
    read = (behind @ weight.T + bias) @ codes(embeddings).table.T
    assert (read.argmax(dim=1) == sight.before).float().mean() > 0.95
    blind, shift = least_squares(sight.states, codes(embeddings).table[sight.before])
    guessed = (sight.states @ blind.T + shift) @ codes(embeddings).table.T
    assert (guessed.argmax(dim=1) == sight.before).float().mean() < 0.5


def test_a_text_that_is_repeated_goes_on_as_before(embeddings: Tensor):
    known = codes(embeddings)
    shown = torch.randint(0, VOCABULARY, (800, 2))
    states = torch.cat([embeddings[shown[:, 0], :32], known.table[shown[:, 1]]], dim=1)
    written = layer()
    write_match(written, HEADS, known, embeddings, Sight(states, shown[:, 0], shown[:, 1]))

    text = torch.tensor([0, 5, 9, 3, 7, 2, 1, 5, 9, 3, 7, 2])  # [first] five tokens [separator] and the five again
    before = torch.tensor([4, *text[:-1].tolist()])
    found = run(written, torch.cat([embeddings[text, :32], known.table[before]], dim=1))
    told = (found @ embeddings.T / embeddings.norm(dim=1)).argmax(dim=1)
    assert told[6:].tolist() == [5, 9, 3, 7, 2, 1]
