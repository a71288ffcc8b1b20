"""Frozen lower layers: the same function, remembered states, and a network that is whole again afterwards."""

import pytest
import torch
from railmatch.classifier.backbone import load_backbone
from railmatch.classifier.batches import collate
from railmatch.classifier.inputs import Exchange, WindowEncoder
from railmatch.ssl_train.loop import frozen as frozen
from railmatch.ssl_train.loop.frozen import RememberedStates, freeze_lower, set_dropout

CPU = torch.device("cpu")
WIDTH = 32
"""Of the tiny encoder's states."""


@pytest.fixture
def parts(tiny_encoder):
    torch.manual_seed(0)
    network, tokenizer = load_backbone(str(tiny_encoder))
    encode = WindowEncoder(tokenizer, "prompt", 64)
    texts = ["how do i bake bread", "tell me", "write a long letter to my neighbour about the party"]
    windows = [group[0] for group in encode([Exchange(text) for text in texts])]
    return network.eval(), windows, tokenizer.pad_token_id


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_a_split_network_computes_what_the_whole_one_does(parts, layers):
    network, windows, pad = parts
    whole = network(**collate(windows, pad=pad))
    lower = freeze_lower(network, layers, RememberedStates(windows, WIDTH))
    split = network(**lower.collate(windows, pad=pad, device=CPU))
    again = network(**lower.collate(windows[::-1], pad=pad, device=CPU)).flip(0)
    assert torch.allclose(split, whole, atol=1e-6)
    assert torch.allclose(again, whole, atol=1e-6)


def test_put_back_makes_the_network_whole(parts):
    network, _windows, _pad = parts
    before = {name: value.clone() for name, value in network.state_dict().items()}
    freeze_lower(network, 1, RememberedStates([], WIDTH)).put_back(network)
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_frozen_layers_are_neither_trained_nor_run_twice(parts, monkeypatch):
    network, windows, pad = parts
    lower = freeze_lower(network, 1, RememberedStates(windows, WIDTH))
    passes = []
    lower._lower.register_forward_hook(lambda *_: passes.append(1))
    for _ in range(3):
        network(**lower.collate(windows, pad=pad, device=CPU)).sum().backward()
    assert len(passes) == 1
    assert all(parameter.grad is None for parameter in lower._lower.parameters())
    assert all(parameter.grad is not None for name, parameter in network.named_parameters() if "layer.0" in name)


def test_without_room_states_are_computed_again(parts, monkeypatch):
    network, windows, pad = parts
    monkeypatch.setattr(frozen, "CACHE_BYTES", 0)
    lower = freeze_lower(network, 1, RememberedStates(windows, WIDTH))
    passes = []
    lower._lower.register_forward_hook(lambda _module, _inputs, output: passes.append(len(output.last_hidden_state)))
    first = network(**lower.collate(windows, pad=pad, device=CPU))
    assert torch.allclose(network(**lower.collate(windows, pad=pad, device=CPU)), first)
    assert passes == [3, 3]


def test_a_state_does_not_depend_on_what_a_step_sees(parts):
    """The batch is planned from all windows, so that a resumed run, which sees other windows first, has the same."""
    network, windows, pad = parts
    lower = freeze_lower(network, 1, RememberedStates(windows, WIDTH))
    ran = []
    lower._lower.register_forward_hook(lambda _module, _inputs, output: ran.append(len(output.last_hidden_state)))
    lower.collate(windows[1:2], pad=pad, device=CPU)
    lower.collate(windows, pad=pad, device=CPU)
    assert ran == [3]


def test_the_longest_windows_are_remembered_where_there_is_room_for_some(parts, monkeypatch):
    """There is room for as many tokens as the long text has, and every batch holds one text."""
    _network, windows, _pad = parts
    monkeypatch.setattr(frozen, "CACHE_BYTES", len(windows[2]) * WIDTH * 4)
    monkeypatch.setattr(frozen, "BATCH_TOKENS", 1)
    states = RememberedStates(windows, WIDTH)
    ran = []

    def run(some):
        ran.append([windows.index(window) for window in some])
        return [torch.zeros(len(window), WIDTH) for window in some]

    for _ in range(2):
        assert [len(row) for row in states.get(windows, run)] == [len(window) for window in windows]
    assert ran == [[2], [0, 1], [0, 1]]


def test_none_freezes_nothing(parts):
    network, _, _ = parts
    assert freeze_lower(network, None, RememberedStates([], WIDTH)) is None
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_dropout_is_set_everywhere(parts):
    network, windows, pad = parts
    set_dropout(network, 0.0)
    network.train()
    batch = collate(windows, pad=pad)
    assert torch.equal(network(**batch), network(**batch))
