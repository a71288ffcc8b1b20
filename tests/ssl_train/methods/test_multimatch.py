"""MultiMatch: its table row by row, its thresholds by hand, and all of it against loops written from the equations."""

import itertools
import math

import pytest
import torch
from railmatch.ssl_train.methods import MultiMatch, PseudoLabels, consistency_loss, supervised_loss
from torch import Tensor

SURE, UNSURE = 2.0, 0.5
"""Margins above and below the threshold of 1 that `judged` sets; positive for class 1, negative for class 0."""


def signed(*rows: tuple[float, ...]) -> Tensor:
    """Logits of texts (rows) and heads (columns) whose margin of class 1 is given."""
    margin = torch.tensor(rows)
    return torch.stack([torch.zeros_like(margin), margin], dim=-1)


def judged(own: int, *peers: float) -> tuple[int, float]:
    """Target and weight that the peers of head ``own``, with these margins, give it."""
    margins = list(peers)
    margins.insert(own, -9.0)  # whatever it thinks itself
    method = MultiMatch(1, heads=len(margins))
    method.thresholds.fill_(1.0)
    method.epoch.fill_(1)
    pseudo = method.pseudo_labels(signed(tuple(margins)), index=torch.tensor([0]), epoch=1)
    return int(pseudo.targets[0, own].argmax()), float(pseudo.weights[0, own])


@pytest.mark.parametrize("own", range(3))
@pytest.mark.parametrize(
    ("peers", "target", "weight"),
    [
        ((SURE, SURE), 1, 1.0),
        ((-SURE, -SURE), 0, 1.0),
        ((SURE, UNSURE), 1, 3.0),
        ((-SURE, -UNSURE), 0, 3.0),
        ((SURE, -UNSURE), 1, 3.0),
        ((UNSURE, -SURE), 0, 3.0),
        ((UNSURE, UNSURE), None, 0.0),
        ((-UNSURE, -UNSURE), None, 0.0),
        ((SURE, -SURE), None, 0.0),
        ((UNSURE, -UNSURE), None, 0.0),
    ],
)
def test_the_table_row_by_row(own: int, peers: tuple[float, float], target: int | None, weight: float):
    for order in (peers, peers[::-1]):
        found = judged(own, *order)
        assert found[1] == weight
        assert target is None or found[0] == target


@pytest.mark.parametrize(
    ("peers", "target", "weight"),
    [
        ((SURE, SURE, SURE, SURE), 1, 1.0),
        ((SURE, SURE, SURE, -SURE), 1, 1.0),
        ((-SURE, -SURE, -SURE, UNSURE), 0, 1.0),
        ((SURE, SURE, UNSURE, UNSURE), 1, 3.0),
        ((SURE, SURE, -SURE, -UNSURE), 1, 3.0),
        ((-SURE, UNSURE, UNSURE, UNSURE), 0, 3.0),
        ((SURE, SURE, -SURE, -SURE), None, 0.0),
        ((SURE, -SURE, -UNSURE, -UNSURE), None, 0.0),
        ((UNSURE, UNSURE, UNSURE, UNSURE), None, 0.0),
    ],
)
def test_five_heads_go_by_the_majority_of_the_confident(peers: tuple[float, ...], target: int | None, weight: float):
    for own, order in itertools.product(range(5), [peers, peers[::-1]]):
        found = judged(own, *order)
        assert found[1] == weight
        assert target is None or found[0] == target


def test_the_losses_by_hand():
    method = MultiMatch(1)
    method.thresholds.fill_(1.0)
    method.epoch.fill_(1)
    pseudo = method.pseudo_labels(signed((SURE, SURE, -UNSURE)), index=torch.tensor([0]), epoch=1)
    # peers of head 0: sure of 1, unsure of 0: 1 with weight 3; so for head 1; head 2: both sure of 1, weight 1
    strong = torch.tensor([[0.8, 0.6, 0.3]])
    strong = torch.stack([1 - strong, strong], dim=-1).log()
    expected = -(3 * math.log(0.8) + 3 * math.log(0.6) + math.log(0.3)) / 3
    assert consistency_loss(strong, pseudo).item() == pytest.approx(expected)
    labelled = supervised_loss(strong, torch.tensor([0]))
    assert labelled.item() == pytest.approx(-(math.log(0.2) + math.log(0.4) + math.log(0.7)))


@pytest.mark.parametrize("heads", [1, 2, 4, -3])
def test_the_number_of_heads_is_odd_and_at_least_three(heads: int):
    with pytest.raises(ValueError, match=f"an odd number of heads, 3 or more, not {heads}"):
        MultiMatch(1, heads=heads)


def visited(*epochs: Tensor) -> MultiMatch:
    """A method that saw the whole pool once for each of these logits, and then began another epoch."""
    method = MultiMatch(len(epochs[0]))
    method.thresholds.fill_(9.0)  # what is left of an earlier epoch must not stay
    index = torch.arange(len(epochs[0]))
    for weak in epochs:
        method.pseudo_labels(weak, index=index, epoch=0)
    method.pseudo_labels(epochs[-1][:1], index=index[:1], epoch=1)
    return method


def test_thresholds_by_hand():
    method = visited(signed((-1.0, 1.0, 2.0), (-1.0, 2.0, 4.0), (-1.0, 3.0, 6.0), (1.0, -1.0, -3.0)))
    # The peers of head 0 agree on class 1 in three texts: 1, 2, 2, 3, 4, 6, whose 5th percentile lies a quarter of
    # the way from 1 to 2; and on class 0 in the last: 1, 3, a twentieth of the way. The other heads' peers never agree.
    expected = [[0.997 * 1.1, 0.997 * 1.25], [0.0, 0.0], [0.0, 0.0]]
    torch.testing.assert_close(method.thresholds, torch.tensor(expected))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_class_on_which_nobody_agrees_has_threshold_zero_and_the_other_its_own(sign: float):
    method = visited(signed((2.0, 2.0, 2.0), (4.0, 4.0, 4.0)) * sign)
    # 2, 2, 4, 4: the 5th percentile lies between the first two
    expected = [0.0, 1.994] if sign > 0 else [1.994, 0.0]
    torch.testing.assert_close(method.thresholds, torch.tensor([expected] * 3))


def test_thresholds_are_never_negative():
    # all heads last said class 1, but their averages still speak for class 0
    method = visited(signed((-8.0, -8.0, -8.0)), signed((1.0, 1.0, 1.0)))
    assert (method.margins.average[..., 1] < 0).all()
    assert method.thresholds.tolist() == [[0.0, 0.0]] * 3


def test_texts_that_were_never_judged_count_for_no_threshold():
    method = MultiMatch(50)
    weak = signed((2.0, 2.0, 2.0))
    method.pseudo_labels(weak, index=torch.tensor([7]), epoch=0)
    method.pseudo_labels(weak, index=torch.tensor([7]), epoch=1)
    torch.testing.assert_close(method.thresholds, torch.tensor([[0.0, 1.994]] * 3))


def test_thresholds_are_found_once_an_epoch():
    method = visited(signed((2.0, 2.0, 2.0)))
    before = method.thresholds.clone()
    for _ in range(3):
        method.pseudo_labels(signed((9.0, 9.0, 9.0)), index=torch.tensor([0]), epoch=1)
    assert torch.equal(method.thresholds, before)
    method.pseudo_labels(signed((9.0, 9.0, 9.0)), index=torch.tensor([0]), epoch=2)
    assert (method.thresholds[:, 1] > before[:, 1]).all()


def test_the_first_epoch_has_no_unlabelled_loss():
    method = MultiMatch(2)
    weak = signed((5.0, 5.0, 5.0), (-5.0, -5.0, -5.0))
    assert method.pseudo_labels(weak, index=torch.tensor([0, 1]), epoch=0).weights.tolist() == [[0.0] * 3] * 2
    assert method.pseudo_labels(weak, index=torch.tensor([0, 1]), epoch=1).weights.tolist() == [[1.0] * 3] * 2


def test_one_peer_at_least_must_pass_its_own_confidence_mask():
    method = MultiMatch(1)
    method.epoch.fill_(1)
    method.confidence.confidence.copy_(torch.tensor([1.0, 1.0, 0.5]))
    method.confidence.distribution.copy_(torch.tensor([[0.5, 0.5]] * 3))
    # only head 2 passes: it opens the gate for heads 0 and 1, and nobody does for itself
    pseudo = method.pseudo_labels(signed((3.0, 3.0, 3.0)), index=torch.tensor([0]), epoch=1)
    assert pseudo.weights.tolist() == [[1.0, 1.0, 0.0]]


def test_each_heads_averages_advance_once_a_step():
    method = MultiMatch(1)
    weak = signed((3.0, 3.0, 3.0))
    method.pseudo_labels(weak, index=torch.tensor([0]), epoch=0)
    confidence = 1 / (1 + math.exp(-3.0))
    assert method.confidence.confidence.tolist() == pytest.approx([0.999 * 0.5 + 0.001 * confidence] * 3)


def random_steps(heads: int, seed: int, *, pool: int = 30, epochs: int = 4):
    """Logits in which heads and epochs agree more often than not, with the texts' positions and epochs."""
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(pool, 1, 2, generator=generator, dtype=torch.float64)
    for epoch in range(epochs):
        for index in torch.randperm(pool, generator=generator).split(10):
            own = torch.randn(10, heads, 2, generator=generator, dtype=torch.float64)
            yield 2 * common[index] + own, index, epoch


class SlowMultiMatch:
    """The equations, one text and one head after the other."""

    def __init__(self, pool_size: int, heads: int) -> None:
        self.heads = range(heads)
        self.margin = [[[0.0, 0.0] for _ in self.heads] for _ in range(pool_size)]
        self.visits = [0] * pool_size
        self.label: list[list[int] | None] = [None] * pool_size
        self.gamma = [[0.0, 0.0] for _ in self.heads]
        self.t = [0.5 for _ in self.heads]
        self.p = [[0.5, 0.5] for _ in self.heads]

    def peers(self, head: int) -> list[int]:
        return [peer for peer in self.heads if peer != head]

    def begin_epoch(self) -> None:
        for head, c in itertools.product(self.heads, (0, 1)):
            margins = []
            for text, labels in enumerate(self.label):
                said = [] if labels is None else [peer for peer in self.peers(head) if labels[peer] == c]
                if 2 * len(said) > len(self.peers(head)):
                    margins += [self.margin[text][peer][c] for peer in said]
            self.gamma[head][c] = max(0.0, percentile(margins, 0.05)) if margins else 0.0

    def step(self, weak: list[list[list[float]]], index: list[int]) -> list[list[tuple[int | None, float]]]:
        passes = self.advance_masks(weak)
        found = []
        for row, text in enumerate(index):
            share = 0.997 / (1 + self.visits[text])
            for head, c in itertools.product(self.heads, (0, 1)):
                margin = weak[row][head][c] - weak[row][head][1 - c]
                self.margin[text][head][c] = margin * share + self.margin[text][head][c] * (1 - share)
            self.visits[text] += 1
            self.label[text] = [0 if z[0] >= z[1] else 1 for z in weak[row]]
            found.append([self.target(text, head, passes[row]) for head in self.heads])
        return found

    def advance_masks(self, weak: list[list[list[float]]]) -> list[list[bool]]:
        harmful = [[1 / (1 + math.exp(z[0] - z[1])) for z in heads] for heads in weak]
        passes = [[False for _ in self.heads] for _ in weak]
        for head in self.heads:
            q = [[1 - row[head], row[head]] for row in harmful]
            self.t[head] = 0.999 * self.t[head] + 0.001 * sum(map(max, q)) / len(q)
            self.p[head] = [0.999 * self.p[head][c] + 0.001 * sum(row[c] for row in q) / len(q) for c in (0, 1)]
            for number, row in enumerate(q):
                c = row.index(max(row))
                passes[number][head] = row[c] >= self.t[head] * self.p[head][c] / max(self.p[head])
        return passes

    def target(self, text: int, head: int, passes: list[bool]) -> tuple[int | None, float]:
        labels = self.label[text]
        assert labels is not None
        peers = self.peers(head)
        sure = [peer for peer in peers if self.margin[text][peer][labels[peer]] >= self.gamma[head][labels[peer]]]
        if not any(passes[peer] for peer in peers):
            return None, 0.0
        if len(peers) == 2:
            first, second = (labels[peer] for peer in peers)
            if first == second and len(sure) == 2:
                return first, 1.0
            return (labels[sure[0]], 3.0) if len(sure) == 1 else (None, 0.0)
        votes = [sum(labels[peer] == c for peer in sure) for c in (0, 1)]
        if votes[0] == votes[1]:
            return None, 0.0
        return votes.index(max(votes)), 1.0 if 2 * max(votes) > len(peers) else 3.0


def percentile(values: list[float], share: float) -> float:
    values = sorted(values)
    position = share * (len(values) - 1)
    below = int(position)
    above = min(below + 1, len(values) - 1)
    return values[below] + (position - below) * (values[above] - values[below])


@pytest.mark.parametrize(("heads", "seed"), [(3, 0), (3, 1), (3, 2), (5, 0), (7, 1)])
def test_equals_loops_written_from_the_equations(heads: int, seed: int):
    fast, slow = MultiMatch(30, heads=heads).double(), SlowMultiMatch(30, heads)
    # thresholds of the masks that some predictions miss from the first step on
    fast.confidence.confidence.fill_(0.7)
    slow.t = [0.7 for _ in slow.heads]
    latest, seen, highest = 0, [], 0.0
    for weak, index, epoch in random_steps(heads, seed):
        if epoch > latest:
            slow.begin_epoch()
            latest = epoch
        expected = slow.step(weak.tolist(), index.tolist())
        pseudo = fast.pseudo_labels(weak, index=index, epoch=epoch)
        torch.testing.assert_close(fast.thresholds, torch.tensor(slow.gamma, dtype=torch.float64))
        for row, head in itertools.product(range(len(index)), slow.heads):
            target, weight = expected[row][head]
            assert pseudo.weights[row, head] == (weight if epoch else 0.0)
            assert target is None or pseudo.targets[row, head].tolist() == [1.0 - target, float(target)]
            seen.append((target, weight))
        highest = max(highest, float(fast.thresholds.max()))
    assert {(0, 1.0), (1, 1.0), (0, 3.0), (1, 3.0), (None, 0.0)} == set(seen)
    assert highest > 0


def last(method: MultiMatch, steps: list[tuple[Tensor, Tensor, int]]) -> PseudoLabels:
    return [method.pseudo_labels(weak, index=index, epoch=epoch) for weak, index, epoch in steps][-1]


def test_the_state_survives_a_checkpoint():
    steps = [(weak.float(), index, epoch) for weak, index, epoch in random_steps(3, 0)]
    method, restored = MultiMatch(30), MultiMatch(30)
    last(method, steps[:7])
    restored.load_state_dict(method.state_dict())
    first, second = last(method, steps[7:]), last(restored, steps[7:])
    assert torch.equal(first.targets, second.targets)
    assert torch.equal(first.weights, second.weights)
    assert torch.equal(method.thresholds, restored.thresholds)
    fresh = MultiMatch(30)
    last(fresh, steps[7:])
    assert not torch.equal(method.thresholds, fresh.thresholds)


def test_no_gradient_reaches_the_weak_view_and_nothing_kept_is_no_loss():
    method = MultiMatch(2)
    weak, strong = signed((2.0, 2.0, 2.0), (-2.0, -2.0, -2.0)).requires_grad_(), torch.randn(2, 3, 2).requires_grad_()
    first = consistency_loss(strong, method.pseudo_labels(weak, index=torch.tensor([0, 1]), epoch=0))
    first.backward()
    assert first.item() == 0
    assert strong.grad is not None
    assert strong.grad.abs().sum() == 0
    later = consistency_loss(strong, method.pseudo_labels(weak, index=torch.tensor([0, 1]), epoch=1))
    later.backward()
    assert strong.grad.abs().sum() > 0
    assert weak.grad is None
