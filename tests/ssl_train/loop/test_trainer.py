"""The training loop: what a step's gradient is, what reaches which view, and that a run can be stopped and repeated."""

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from railmatch.classifier.batches import collate
from railmatch.classifier.errors import ModelError, SettingsError
from railmatch.classifier.families import final_layer
from railmatch.classifier.inputs import Exchange
from railmatch.classifier.model import SafetyClassifier
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.loop import passes as passes
from railmatch.ssl_train.loop.checkpoint import Checkpoint
from railmatch.ssl_train.loop.strong_views import StrongViews
from railmatch.ssl_train.loop.trainer import Trainer
from railmatch.ssl_train.loop.views import Views
from railmatch.ssl_train.methods import FixMatch, Method, MultiMatch, PseudoLabels, VirtualClassMarginMatch
from railmatch.ssl_train.recipe import TrainingSettings
from railmatch.ssl_train.voting.teacher import VoteTeacher
from small_training import rewrite, text
from torch import Tensor, nn

SETTINGS = TrainingSettings(
    steps=6,
    labelled_batch=4,
    unlabelled_batch=6,
    learning_rate=1e-3,
    device="cpu",
    precision="fp32",
    checkpoint_every=2,
)

Build = Callable[..., Trainer]


@pytest.fixture
def build(tiny_encoder: Path) -> Build:
    """Make a trainer on 8 labelled texts and a pool of 10 with a rewrite each; keywords go to settings or trainer."""

    def make(method: Method | None = None, *, rewritten: bool = True, pool: int = 10, **more: Any) -> Trainer:
        torch.manual_seed(0)
        shape = {"heads": method.heads, "classes": method.classes} if method else {}
        classifier = SafetyClassifier.from_encoder(str(tiny_encoder), "prompt", window=32, **shape)
        changed = {key: more.pop(key) for key in list(more) if key in TrainingSettings.model_fields}
        return Trainer(classifier, make_views(classifier, rewritten, pool), method, settings(**changed), **more)

    return make


def settings(**changed: Any) -> TrainingSettings:
    return TrainingSettings.model_validate(SETTINGS.model_dump() | changed)


def make_views(classifier: SafetyClassifier, rewritten: bool, pool: int) -> Views:
    labelled = [Record(f"l{n}", Exchange(text(n % 2, n)), n % 2) for n in range(8)]
    texts = [Record(f"u{n}", Exchange(text(n % 2, n + 10))) for n in range(pool)]
    rewrites = {f"u{n}": [Exchange(rewrite(n % 2, n + 10))] for n in range(pool)} if rewritten else {}
    return Views.of(classifier.encode, labelled, texts, rewrites)


def gradients(trainer: Trainer) -> dict[str, Tensor]:
    named = trainer.network.named_parameters()
    found = {name: parameter.grad.clone() for name, parameter in named if parameter.grad is not None}
    trainer.optimiser.zero_grad(set_to_none=True)
    return found


def weights(trainer: Trainer) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in trainer.classifier.network.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def strong_views(trainer: Trainer, weights_of: list[float]) -> StrongViews:
    """All the pool's rewrites with harmful targets of these weights."""
    count = len(weights_of)
    targets = torch.tensor([[[0.0, 1.0]]]).repeat(count, 1, 1)
    pseudo = PseudoLabels(targets, torch.tensor(weights_of)[:, None])
    return StrongViews([views[0] for views in trainer.views.strong[:count]], pseudo, judged=count, kept=1.0)


# The gradient of a step


def test_the_gradient_added_up_over_batches_is_that_of_one_padded_batch(build: Build, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(passes, "PACKED_TOKENS", 40)  # two or three texts a pass
    trainer = build(FixMatch(0.9), dropout=0.0, lambda_u=0.5)
    strong = strong_views(trainer, [1.0, 2.0, 0.0])
    labelled = trainer.views.labelled[:4]
    windows = [*labelled, *strong.windows]
    assert len({len(window) for window in windows}) > 1
    assert len(list(trainer._passes.batches(windows))) > 2

    losses = trainer._accumulate(labelled, trainer.views.labels[:4], strong)
    found = gradients(trainer)

    logits = trainer.network(**collate(windows, pad=0)).log_softmax(dim=-1)
    rows = torch.arange(4)
    supervised = -logits[rows, trainer.views.labels[:4]].sum() / 4
    unsupervised = -(1.0 * logits[4, 1] + 2.0 * logits[5, 1]) / 3
    (supervised + 0.5 * unsupervised).backward()
    expected = gradients(trainer)

    assert losses == pytest.approx((supervised.item(), unsupervised.item()), rel=1e-5)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)


def test_leaving_out_strong_views_of_weight_zero_changes_no_gradient(build: Build):
    trainer = build(FixMatch(0.9), dropout=0.0)
    every = strong_views(trainer, [1.0, 0.0, 0.0, 1.0])
    assert every.pseudo is not None
    few = StrongViews(
        [every.windows[0], every.windows[3]],
        PseudoLabels(every.pseudo.targets[[0, 3]], every.pseudo.weights[[0, 3]]),
        judged=4,
        kept=0.5,
    )
    found = []
    for strong in (every, few):
        losses = trainer._accumulate(trainer.views.labelled[:4], trainer.views.labels[:4], strong)
        found.append((losses, gradients(trainer)))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    for name, gradient in found[0][1].items():
        torch.testing.assert_close(found[1][1][name], gradient, rtol=1e-4, atol=1e-6)


def test_the_unlabelled_loss_has_its_weight(build: Build):
    """With weight 0 the gradient is that of the labelled texts alone."""
    one, other = build(FixMatch(0.9), dropout=0.0, lambda_u=0.0), build(None, dropout=0.0)
    one._accumulate(one.views.labelled[:4], one.views.labels[:4], strong_views(one, [1.0, 1.0]))
    none = StrongViews([], None, judged=0, kept=0.0)
    other._accumulate(other.views.labelled[:4], other.views.labels[:4], none)
    expected = gradients(other)
    for name, gradient in gradients(one).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-6)


def test_the_labelled_loss_has_its_weight(build: Build):
    """With weight 0 the gradient is that of the strong views alone, though the labelled loss is still told."""
    one, other = build(FixMatch(0.9), dropout=0.0, lambda_s=0.0), build(FixMatch(0.9), dropout=0.0)
    strong = strong_views(one, [1.0, 1.0])
    supervised, _ = one._accumulate(one.views.labelled[:4], one.views.labels[:4], strong)
    other._accumulate([], other.views.labels[:0], strong)
    expected = gradients(other)
    assert supervised > 0
    for name, gradient in gradients(one).items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-4, atol=1e-6)


class Watched(FixMatch):
    """Notes the logits that it is given and the pseudo-labels that it makes of them."""

    def __init__(self, threshold: float) -> None:
        super().__init__(threshold)
        self.seen: list[tuple[Tensor, Tensor, PseudoLabels]] = []

    def pseudo_labels(self, weak: Tensor, *, index: Tensor, epoch: int) -> PseudoLabels:
        pseudo = super().pseudo_labels(weak, index=index, epoch=epoch)
        self.seen.append((weak, index, pseudo))
        return pseudo


def test_no_gradient_reaches_the_weak_view(build: Build):
    method = Watched(0.0)
    build(method)._strong_views(0)
    ((weak, _, pseudo),) = method.seen
    assert weak.shape == (6, 1, 2)
    assert not weak.requires_grad
    assert not pseudo.targets.requires_grad


def test_weak_views_are_judged_by_the_averaged_network(build: Build):
    method = Watched(0.0)
    trainer = build(method, average=0.9, learning_rate=1e-2)
    for step in range(3):
        trainer._step(step)
    trainer._strong_views(3)
    weak, index, _ = method.seen[-1]
    assert trainer.averaged is not None
    judged = [trainer.views.weak[position] for position in index]
    averaged, raw = (trainer._passes.judge(network, judged) for network in (trainer.averaged.module, trainer.network))
    torch.testing.assert_close(weak, averaged, rtol=0, atol=1e-6)
    assert (averaged - raw).abs().min() > 1e-4  # else nothing could be told from them


def test_the_averaged_weights_by_hand(build: Build):
    """The average begins with the weights after the first step; from then on it moves by a quarter of the way."""
    trainer = build(FixMatch(0.0), average=0.75, learning_rate=1e-2)
    after = []
    for step in range(3):
        trainer._step(step)
        after.append({name: value.clone() for name, value in trainer.network.named_parameters()})
    assert trainer.averaged is not None
    first, second, third = after
    for name, value in trainer.averaged.module.named_parameters():
        expected = 0.75 * (0.75 * first[name] + 0.25 * second[name]) + 0.25 * third[name]
        torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-7)


def test_weak_views_are_judged_without_dropout(build: Build):
    trainer = build(FixMatch(0.0), dropout=0.5)
    trainer.network.train()
    windows = trainer.views.weak
    assert torch.equal(trainer._passes.judge(trainer.network, windows), trainer._passes.judge(trainer.network, windows))


def test_weak_views_keep_their_order_in_batches_of_like_lengths(build: Build, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(passes, "PACKED_TOKENS", 30)
    trainer = build(FixMatch(0.0))
    views = trainer.views.weak
    together = trainer._passes.judge(trainer.network, views)
    alone = torch.cat([trainer._passes.judge(trainer.network, [window]) for window in views])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-6)
    assert len({round(value, 5) for value in alone[:, 0, 0].tolist()}) == 10  # else the order could not be seen


# Which views a step sees


def test_all_texts_of_a_step_reach_the_method_with_their_positions(build: Build):
    seen: list[Tensor] = []
    trainer = build(FixMatch(0.0), steps=5, observe=lambda step, index, pseudo: seen.append(index))
    trainer.fit()
    assert [len(index) for index in seen] == [6] * 5
    assert sorted(torch.cat(seen).tolist()) == sorted([*range(10)] * 3)  # 5 steps of 6: the pool of 10 three times


def test_nothing_counts_before_pseudo_labels_begin(build: Build):
    steps: list[int] = []
    trainer = build(FixMatch(0.0), pseudo_labels_from=4, observe=lambda step, index, pseudo: steps.append(step))
    history = trainer.fit()
    assert steps == [4, 5]
    assert history.kept == [pytest.approx(2 / 6)]


def test_only_texts_that_count_get_a_strong_view(build: Build):
    class Second(FixMatch):
        def pseudo_labels(self, weak: Tensor, *, index: Tensor, epoch: int) -> PseudoLabels:
            return PseudoLabels(torch.full_like(weak, 0.5), torch.tensor([[0.0], [2.0], [0.0], [0.0], [1.0], [0.0]]))

    indices: list[list[int]] = []
    trainer = build(Second(0.9), observe=lambda step, index, pseudo: indices.append(index.tolist()))
    strong = trainer._strong_views(0)
    (index,) = indices
    assert strong.windows == [trainer.views.strong[index[1]][0], trainer.views.strong[index[4]][0]]
    assert strong.pseudo is not None
    assert strong.pseudo.weights.tolist() == [[2.0], [1.0]]
    assert (strong.judged, strong.kept) == (6, pytest.approx(2 / 6))


def test_a_step_in_which_nothing_counts_learns_from_the_labels_alone(build: Build):
    history = build(FixMatch(1.0)).fit()
    assert history.kept == history.unsupervised == [0.0]
    assert history.supervised[0] > 0


def test_a_text_without_rewrites_is_its_own_strong_view(build: Build):
    trainer = build(FixMatch(0.0), rewritten=False)
    strong = trainer._strong_views(0)
    assert len(strong.windows) == 6
    assert all(window in trainer.views.weak for window in strong.windows)
    trainer.fit()


def test_a_text_with_a_vote_is_now_and_then_its_own_strong_view(build: Build):
    votes = VoteTeacher(torch.zeros(10), torch.ones(10, dtype=torch.bool), trust=0.5)
    trainer = build(FixMatch(0.0), votes=votes)
    drawn = [window for step in range(20) for window in trainer._strong_views(step).windows]
    share = sum(window in trainer.views.weak for window in drawn) / len(drawn)
    assert 0.3 < share < 0.7  # 120 draws from two views each
    plain = build(FixMatch(0.0))
    assert not any(window in plain.views.weak for step in range(5) for window in plain._strong_views(step).windows)


def test_where_votes_decide_no_text_of_the_pool_is_judged(build: Build, monkeypatch: pytest.MonkeyPatch):
    """The targets are those that the votes give beside a network that is asked in vain."""
    votes = VoteTeacher(torch.linspace(-3, 3, 10), torch.ones(10, dtype=torch.bool), trust=0.0)
    method = FixMatch(0.0)
    trainer, asking = build(method, votes=votes), build(method, votes=votes)
    monkeypatch.setattr(VoteTeacher, "decide_all", False)
    asked = asking._strong_views(0)
    monkeypatch.setattr(VoteTeacher, "decide_all", True)
    monkeypatch.setattr(trainer, "_judge", lambda index: pytest.fail("the weak views were judged"))
    drawn = trainer._strong_views(0)
    assert drawn.windows == asked.windows
    assert drawn.pseudo is not None
    assert asked.pseudo is not None
    assert torch.equal(drawn.pseudo.targets, asked.pseudo.targets)
    assert torch.equal(drawn.pseudo.weights, asked.pseudo.weights)
    assert (drawn.judged, drawn.kept) == (asked.judged, 1.0)


def test_a_training_too_short_for_its_method_is_refused_unless_votes_decide_all(build: Build):
    votes = VoteTeacher(torch.zeros(10), torch.ones(10, dtype=torch.bool), trust=0.0)
    with pytest.raises(SettingsError, match=r"^training\.steps is 4, but the method has not found its gamma"):
        build(VirtualClassMarginMatch(10, 0.5), steps=4)
    with pytest.raises(SettingsError, match=r"^training\.steps is 4, but the method has not found its gamma"):
        build(VirtualClassMarginMatch(10, 0.5), steps=4, votes=dataclasses.replace(votes, trust=0.5))
    build(VirtualClassMarginMatch(10, 0.5), steps=4, votes=votes)


@pytest.mark.parametrize("batch", ["labelled_batch", "unlabelled_batch"])
def test_a_batch_larger_than_its_examples_holds_some_twice(build: Build, batch: str):
    history = build(FixMatch(0.0), **{batch: 25}).fit()
    assert history.kept == [1.0]


def test_a_method_without_a_pool_is_refused(build: Build):
    with pytest.raises(ValueError, match="cannot deal 0 examples"):
        build(FixMatch(0.9), pool=0)


# Whole runs


def test_training_learns(build: Build):
    trainer = build(FixMatch(0.8), steps=40, learning_rate=3e-3, average=0.5)
    history = trainer.fit()
    assert history.step == [20, 40]
    assert history.supervised[1] < 0.1 < history.supervised[0]
    unseen = [Exchange(text(label, number)) for number in range(40, 50) for label in (0, 1)]
    scores = trainer.classifier.predict_proba(unseen)
    assert (scores[0::2] < 0.5).all()
    assert (scores[1::2] > 0.5).all()


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_the_saved_model_judges_as_the_first_two_of_three_classes_do(build: Build, tmp_path: Path, average: float):
    trained: list[nn.Module] = []

    def look(count: int) -> None:
        trained[:] = [copy.deepcopy(trainer.averaged.module if trainer.averaged else trainer.network)]

    trainer = build(VirtualClassMarginMatch(10, 0.5), steps=10, learning_rate=3e-3, average=average)
    trainer.fit(advance=look)
    logits = trainer._passes.judge(trained[0], trainer.views.weak)
    assert logits.shape == (10, 1, 3)
    expected = logits[:, 0, :2].softmax(dim=-1)[:, 1]
    trainer.classifier.save(tmp_path / "model")
    saved = SafetyClassifier.load(tmp_path / "model", device="cpu")
    assert final_layer(saved.network).out_features == 2
    torch.testing.assert_close(torch.tensor(saved.score_windows(trainer.views.weak)), expected, rtol=0, atol=1e-6)
    three = logits[:, 0].softmax(dim=-1)[:, 1]
    assert (three - expected).abs().max() > 1e-3  # else nothing could be told from them


def test_a_run_shorter_than_a_block_of_the_history_is_in_it(build: Build):
    history = build(None, steps=3).fit()
    assert history.step == [3]


def test_the_same_seed_gives_the_same_model_and_another_seed_another(build: Build):
    first, again, other = (build(FixMatch(0.5), seed=seed) for seed in (1, 1, 2))
    for trainer in (first, again, other):
        trainer.fit()
    assert same(weights(first), weights(again))
    assert not same(weights(first), weights(other))


def test_frozen_layers_come_back_unchanged(build: Build):
    trainer = build(FixMatch(0.5), frozen_layers=1, average=0.9)
    before = {
        name: value.clone()
        for name, value in build(None).classifier.network.state_dict().items()
        if "embeddings" in name or "layer.0" in name
    }
    trainer.fit()
    after = weights(trainer)
    assert before
    assert all(torch.equal(after[name], value) for name, value in before.items())


class Killed(BaseException):
    """Stands for a signal that ends a run."""


def stop_after(steps: int) -> Callable[[int], None]:
    done = []

    def advance(count: int) -> None:
        done.append(count)
        if sum(done) == steps:
            raise Killed

    return advance


METHODS: dict[str, Callable[[], Method]] = {
    "fixmatch": lambda: FixMatch(0.5),
    "multimatch": lambda: MultiMatch(10, heads=3),
    "virtual": lambda: VirtualClassMarginMatch(10, 0.5),
}


@pytest.mark.parametrize(
    "variant",
    [
        {},
        {"average": 0.9},
        {"frozen_layers": 1},
        {"method": "multimatch", "average": 0.9},
        {"method": "virtual", "average": 0.9},
        {"method": "virtual", "frozen_layers": 1},
        {"precision": "bf16", "warmup_steps": 3},
    ],
    ids=str,
)
def test_a_stopped_run_goes_on_to_the_same_model(build: Build, tmp_path: Path, variant: dict[str, Any]):
    more = dict(variant)
    make = METHODS[more.pop("method", "fixmatch")]

    def trainer() -> Trainer:
        return build(make(), steps=9, **more)

    whole, stopped, resumed = trainer(), trainer(), trainer()
    expected = whole.fit()
    checkpoint = Checkpoint(tmp_path / "run.pt", "run")
    with pytest.raises(Killed):
        stopped.fit(checkpoint=checkpoint, advance=stop_after(5))  # the checkpoint is that of 4 steps
    counts: list[int] = []
    history = resumed.fit(checkpoint=checkpoint, advance=counts.append)
    assert counts == [4, 1, 1, 1, 1, 1]
    assert same(weights(resumed), weights(whole))
    assert history == expected


def test_out_of_memory_the_passes_are_halved_and_the_step_is_the_same(
    build: Build, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    whole = build(steps=1, dropout=0.0)
    monkeypatch.setattr(passes, "PACKED_TOKENS", 64)
    halved = build(steps=1, dropout=0.0)
    forward = halved.network.forward
    sizes: list[int] = []

    def small_card(**inputs: Tensor) -> Tensor:
        """Run out of memory in the second pass of a step, when the first has left its gradients behind."""
        sizes.append(inputs["input_ids"].numel())
        if len(sizes) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return forward(**inputs)

    halved.network.forward = small_card

    def step(trainer: Trainer) -> tuple[tuple[float, float], dict[str, Tensor]]:
        none = StrongViews([], None, judged=0, kept=0.0)
        losses = trainer._within_memory(lambda: trainer._accumulate(trainer.views.labelled, trainer.views.labels, none))
        return losses, gradients(trainer)

    (expected_losses, expected), (losses, found) = step(whole), step(halved)
    assert losses == pytest.approx(expected_losses, rel=1e-5)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)
    assert max(sizes[:2]) > 32 >= max(sizes[2:])
    sizes.clear()
    assert halved.fit().supervised == pytest.approx(whole.fit().supervised, rel=1e-5)
    assert caplog.messages == [f"out of GPU memory: going on with batches of {tokens} tokens" for tokens in (32, 16)]


def test_a_run_that_diverges_stops_before_it_damages_the_weights(build: Build):
    trainer = build(FixMatch(0.5), steps=6)
    with torch.no_grad():
        trainer.network.classifier.bias.fill_(float("nan"))
    kept = trainer.network.classifier.weight.clone()
    with pytest.raises(ModelError) as stopped:
        trainer.fit()
    assert str(stopped.value) == (
        "training diverged at step 1 of 6: the gradient is nan, and no model was saved; lower training.learning_rate "
        "(it is 0.001) or raise training.warmup_steps"
    )
    assert torch.equal(trainer.network.classifier.weight, kept)


def test_a_learning_rate_far_too_high_is_named_as_the_cause(build: Build):
    trainer = build(None, steps=40, learning_rate=1e30)
    with pytest.raises(ModelError, match=r"at step \d+ of 40: .*lower training\.learning_rate \(it is 1e\+30\)"):
        trainer.fit()


def test_in_bfloat16_full_precision_is_a_cure_too(build: Build):
    trainer = build(None, precision="bf16")
    with pytest.raises(ModelError, match=r"or set training\.precision to fp32"):
        trainer._require_number(0, float("inf"))
