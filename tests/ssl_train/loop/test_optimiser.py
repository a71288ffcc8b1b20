"""Learning rates by layer, what is decayed, and the schedule."""

from pathlib import Path

import pytest
import torch
from railmatch.classifier.backbone import load_backbone
from railmatch.ssl_train.loop.optimiser import depth_of, make_optimiser, schedule
from railmatch.ssl_train.recipe import TrainingSettings
from torch import nn

SETTINGS = TrainingSettings(learning_rate=0.8, head_learning_rate=3.0, layer_decay=0.5, weight_decay=0.01, steps=16)


def groups_by_name(network: nn.Module, settings: TrainingSettings) -> dict[str, tuple[float, float]]:
    """Learning rate before the schedule and weight decay of every parameter that is trained."""
    optimiser, _ = make_optimiser(network, settings)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    return {
        names[id(parameter)]: (group["initial_lr"], group["weight_decay"])
        for group in optimiser.param_groups
        for parameter in group["params"]
    }


@pytest.fixture
def network(tiny_encoder: Path) -> nn.Module:
    return load_backbone(str(tiny_encoder))[0]


@pytest.mark.parametrize(
    ("beginning", "rate"),
    [
        ("classifier.", 3.0),  # the head has its own
        ("bert.encoder.layer.1.", 0.4),  # 0.8 x 0.5
        ("bert.encoder.layer.0.", 0.2),  # 0.8 x 0.5 x 0.5
        ("bert.embeddings.", 0.1),  # 0.8 x 0.5 x 0.5 x 0.5
    ],
)
def test_each_layer_learns_slower_than_the_one_above(network: nn.Module, beginning: str, rate: float):
    found = {name: group[0] for name, group in groups_by_name(network, SETTINGS).items() if name.startswith(beginning)}
    assert found
    assert found == pytest.approx(dict.fromkeys(found, rate))


def test_every_parameter_is_in_one_group(network: nn.Module):
    optimiser, _ = make_optimiser(network, SETTINGS)
    grouped = [id(parameter) for group in optimiser.param_groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(id(parameter) for parameter in network.parameters())


def test_the_head_learns_at_the_common_rate_when_it_has_none_of_its_own(network: nn.Module):
    settings = SETTINGS.model_copy(update={"head_learning_rate": None})
    assert groups_by_name(network, settings)["classifier.weight"][0] == 0.8


def test_matrices_are_decayed_and_biases_and_norms_are_not(network: nn.Module):
    found = groups_by_name(network, SETTINGS)
    for name, parameter in network.named_parameters():
        vector = name.endswith(".bias") or "LayerNorm" in name
        assert vector == (parameter.ndim < 2)
        assert found[name][1] == (0.0 if vector else 0.01)


def test_weights_that_need_no_gradient_are_left_alone(network: nn.Module):
    network.bert.embeddings.requires_grad_(False)
    found = groups_by_name(network, SETTINGS)
    assert not any(name.startswith("bert.embeddings.") for name in found)
    assert found["bert.encoder.layer.0.output.dense.weight"][0] == pytest.approx(0.2)  # as with trained embeddings


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        ("bert.embeddings.word_embeddings.weight", 0),
        ("bert.encoder.layer.0.output.dense.weight", 1),
        ("roberta.encoder.layer.11.attention.self.query.bias", 12),
        ("model.layers.21.mlp.Wi.weight", 22),  # ModernBERT
        ("distilbert.transformer.layer.5.ffn.lin1.weight", 6),
        ("deberta.encoder.rel_embeddings.weight", 0),
        ("classifier.weight", 0),
    ],
)
def test_depth_is_read_off_the_names_of_every_family(name: str, depth: int):
    assert depth_of(name) == depth


class Named(nn.Module):
    """One scalar weight a dotted name, to see which rate a family's names get."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        for name in names:
            *path, leaf = name.split(".")
            module: nn.Module = self
            for part in path:
                if not hasattr(module, part):
                    module.add_module(part, nn.Module())
                module = getattr(module, part)
            module.register_parameter(leaf, nn.Parameter(torch.zeros(1)))


def test_names_of_other_families():
    rates = {
        "deberta.embeddings.word_embeddings.weight": 0.2,
        "deberta.encoder.rel_embeddings.weight": 0.2,  # serves every layer, the lowest too
        "deberta.encoder.layer.0.output.dense.weight": 0.4,
        "pooler.dense.weight": 3.0,
        "pre_classifier.weight": 3.0,
        "head.dense.weight": 3.0,
        "model.final_norm.weight": 0.8,  # above the layers
    }
    found = groups_by_name(Named(list(rates)), SETTINGS)
    assert {name: group[0] for name, group in found.items()} == pytest.approx(rates)


@pytest.mark.parametrize(
    ("step", "factor"),
    [
        (0, 0.25),  # warm-up: quarters
        (3, 1.0),
        (4, 1.0),  # cos(0)
        (10, 0.773010),  # half of the rest: cos(7 pi / 32)
        (16, 0.195090),  # the end: cos(7 pi / 16)
    ],
)
def test_schedule(step: int, factor: float):
    settings = TrainingSettings(steps=16, warmup_steps=4)
    assert schedule(step, settings) == pytest.approx(factor, abs=1e-6)


def test_the_optimiser_follows_the_schedule(network: nn.Module):
    settings = SETTINGS.model_copy(update={"warmup_steps": 4})
    optimiser, scheduler = make_optimiser(network, settings)
    head = next(group for group in optimiser.param_groups if group["initial_lr"] == 3.0)
    seen = []
    for _ in range(4):
        seen.append(head["lr"])
        optimiser.step()
        scheduler.step()
    assert seen == [0.75, 1.5, 2.25, 3.0]


def test_a_warm_up_longer_than_the_run_is_cut_off_by_its_end():
    settings = TrainingSettings(steps=3, warmup_steps=10)
    assert [schedule(step, settings) for step in range(3)] == [0.1, 0.2, 0.3]
