"""Distribution alignment: its numbers by hand, and an imbalance of 50:1 that collapses to one class without it."""

from math import log

import pytest
import torch
from railmatch.ssl_train.methods import (
    Aligned,
    FixMatch,
    Method,
    MultiMatch,
    PseudoLabels,
    VirtualClassMarginMatch,
    consistency_loss,
    supervised_loss,
)
from torch import Tensor, nn


class Watched(FixMatch):
    """Remembers the logits that it is given."""

    seen: Tensor

    def pseudo_labels(self, weak: Tensor, *, index: Tensor, epoch: int) -> PseudoLabels:
        self.seen = weak
        return super().pseudo_labels(weak, index=index, epoch=epoch)


def logits(*harmful: float) -> Tensor:
    """One head's logits of these harmful probabilities, shape (texts, 1, 2)."""
    return torch.tensor([[[log(1 - p), log(p)]] for p in harmful])


def aligned_to(method: Aligned, weak: Tensor) -> Tensor:
    """The harmful probabilities that the method inside is given, shape (texts, heads)."""
    method.pseudo_labels(weak, index=torch.arange(len(weak)), epoch=0)
    return method.method.seen[..., :2].softmax(dim=-1)[..., 1]


def test_predictions_are_multiplied_by_wanted_over_found_shares():
    found = aligned_to(Aligned(Watched(0.9), harmful=0.2), logits(0.75, 0.25))
    # found shares 1/2 and 1/2, wanted 0.8 and 0.2: factors 1.6 and 0.4; 0.4 : 0.3 and 1.2 : 0.1
    assert found.flatten().tolist() == pytest.approx([0.3 / 0.7, 0.1 / 1.3])


def test_thresholds_are_compared_with_aligned_predictions():
    method = Aligned(FixMatch(0.6), harmful=0.2)
    pseudo = method.pseudo_labels(logits(0.75, 0.25), index=torch.arange(2), epoch=0)
    assert pseudo.targets[:, 0].tolist() == [[1.0, 0.0], [1.0, 0.0]]  # 0.75 has become 3/7, 0.25 has become 1/13
    assert pseudo.weights.flatten().tolist() == [0.0, 1.0]


def test_shares_that_are_right_change_nothing():
    weak = logits(0.1, 0.2, 0.6)
    torch.testing.assert_close(
        aligned_to(Aligned(Watched(0.9), harmful=0.3), weak)[:, 0], torch.tensor([0.1, 0.2, 0.6])
    )


def test_the_found_share_is_the_mean_of_the_last_steps():
    method = Aligned(Watched(0.9), harmful=0.5, steps=2)
    for harmful, average in ((0.75, 0.75), (0.25, 0.5), (0.5, 0.375)):
        odds = harmful / (1 - harmful) * (1 - average) / average
        assert aligned_to(method, logits(harmful)).item() == pytest.approx(odds / (1 + odds))


def test_heads_are_aligned_apart():
    weak = torch.cat([logits(0.75), logits(0.5)], dim=1)
    method = Aligned(Watched(0.9), harmful=0.2)
    method.recent = torch.zeros(128, 2, 2)  # FixMatch has one head; its rule serves any number
    assert aligned_to(method, weak).flatten().tolist() == pytest.approx([0.2, 0.2])


def test_a_class_that_only_training_knows_keeps_its_place_beside_the_others():
    method = Aligned(Watched(0.9), harmful=0.2)
    method.classes = 3
    weak = torch.tensor([[[0.0, 2.0, 1.5]]])
    aligned_to(method, weak)
    seen = method.method.seen.flatten()
    assert seen[2] == 1.5
    assert seen[:2].mean().item() == pytest.approx(1.0)
    assert seen[:2].softmax(dim=-1)[1].item() == pytest.approx(0.2)


@pytest.mark.parametrize("harmful", [0.0, 1.0])
def test_labels_of_one_class_give_numbers_all_the_same(harmful: float):
    found = aligned_to(Aligned(Watched(0.9), harmful=harmful), torch.tensor([[[-500.0, 500.0]], [[500.0, -500.0]]]))
    assert torch.isfinite(found).all()


def test_no_gradient_reaches_the_weak_view():
    weak = logits(0.9, 0.2).requires_grad_()
    pseudo = Aligned(FixMatch(0.5), harmful=0.5).pseudo_labels(weak, index=torch.arange(2), epoch=0)
    assert not pseudo.targets.requires_grad
    assert not pseudo.weights.requires_grad


@pytest.mark.parametrize(
    "make",
    [lambda: FixMatch(0.6), lambda: VirtualClassMarginMatch(20, 0.6), lambda: MultiMatch(20)],
    ids=["fixmatch", "marginmatch", "multimatch"],
)
def test_every_method_can_be_aligned_and_its_state_survives_a_checkpoint(make):
    inner: Method = make()
    method, restored = Aligned(inner, harmful=0.3), Aligned(make(), harmful=0.3)
    assert (method.heads, method.classes) == (inner.heads, inner.classes)
    generator = torch.Generator().manual_seed(0)
    steps = [torch.randn(20, inner.heads, inner.classes, generator=generator) for _ in range(4)]
    for epoch, weak in enumerate(steps[:3]):
        method.pseudo_labels(weak, index=torch.arange(20), epoch=epoch)
    restored.load_state_dict(method.state_dict())
    first, second = (part.pseudo_labels(steps[3], index=torch.arange(20), epoch=3) for part in (method, restored))
    assert torch.equal(first.targets, second.targets)
    assert torch.equal(first.weights, second.weights)
    assert first.weights.sum() > 0
    assert torch.equal(method.recent, restored.recent)


def trained_on_imbalance(method: Method, seed: int) -> tuple[float, float]:
    """Train a linear network on 51 + 1 labels and a pool of 500 + 10 texts, whose strong views are very noisy.

    Returns the share of harmful texts that it finds among 500 new ones, and the harmful pseudo-labels that counted in
    the last pass over the pool.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(unharmful: int, harmful: int) -> tuple[Tensor, Tensor]:
        labels = torch.tensor([0] * unharmful + [1] * harmful)
        return torch.randn(len(labels), 4, generator=generator) + 3 * (labels[:, None] - 0.5), labels

    (labelled, labels), (pool, _), (unseen, _) = draw(51, 1), draw(500, 10), draw(0, 500)
    torch.manual_seed(seed)
    network = nn.Linear(4, 2)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.05)
    order, counted = torch.randperm(510, generator=generator), []
    for step in range(200):
        index = order.roll(102 * step)[:102]
        pseudo = method.pseudo_labels(network(pool[index])[:, None].detach(), index=index, epoch=step // 5)
        strong = network(pool[index] + 1.8 * torch.randn(102, 4, generator=generator))[:, None]
        loss = supervised_loss(network(labelled)[:, None], labels) / 52 + 10 * consistency_loss(strong, pseudo) / 102
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        counted.append(float((pseudo.weights * pseudo.targets[..., 1]).sum()))
    return float((network(unseen).argmax(dim=-1) == 1).float().mean()), sum(counted[-5:])


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_an_imbalance_of_fifty_to_one_does_not_collapse_to_one_class(seed: int):
    """Noise blurs the few harmful texts into the many others, and without alignment the few are given up."""
    found, harmful_targets = trained_on_imbalance(FixMatch(0.7), seed)
    assert found < 0.01
    assert harmful_targets == 0
    found, harmful_targets = trained_on_imbalance(Aligned(FixMatch(0.7), harmful=1 / 51, steps=5), seed)
    assert found > 0.1
    assert harmful_targets >= 1
