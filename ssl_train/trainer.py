"""The training loop: a labelled loss, and a method's unlabelled loss between a text and its rewrite.

What a step does, in order: draw examples; judge the weak views without gradient (by the averaged network when there is
one); ask the method for weighted targets; run labelled texts and the strong views that count through the network in
batches of like lengths, adding up gradients; one optimiser step.

It runs on accelerate: on several GPUs or machines every process takes its share of each batch.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..classifier.batches import batches_of_like_length, collate
from ..classifier.inputs import Window
from ..classifier.model import SafetyClassifier, run_network
from .checkpoint import Checkpoint
from .frozen import freeze_lower, set_dropout
from .methods import Method, PseudoLabels, consistency_loss, supervised_loss
from .optimiser import make_optimiser
from .recipe import TrainingSettings
from .sampling import EpochSampler
from .views import Views
from .votes import VoteTeacher

CPU_BATCH_TOKENS = 2048
GPU_BATCH_TOKENS = 65536
"""Most tokens, padding included, of one forward pass: small on a CPU, whose caches are small."""

HISTORY_BLOCK = 20
"""Steps over which the history averages."""

Observe = Callable[[int, Tensor, PseudoLabels], None]
"""Called with the step, the positions in the pool and their pseudo-labels: for measuring, never for training."""


@dataclass(slots=True)
class History:
    """The losses (nats an example) and the share of pool texts kept, averaged over each block of steps."""

    step: list[int] = field(default_factory=list)
    supervised: list[float] = field(default_factory=list)
    unsupervised: list[float] = field(default_factory=list)
    kept: list[float] = field(default_factory=list)

    def append(self, step: int, supervised: float, unsupervised: float, kept: float) -> None:
        """Add the means of one block of steps."""
        self.step.append(step)
        self.supervised.append(supervised)
        self.unsupervised.append(unsupervised)
        self.kept.append(kept)

    def state_dict(self) -> dict[str, list[float]]:
        """Give all columns, for a checkpoint or a report."""
        return asdict(self)

    def load_state_dict(self, state: dict[str, list[Any]]) -> None:
        """Take all columns back."""
        for name, values in state.items():
            setattr(self, name, list(values))



@dataclass(frozen=True, slots=True)
class _Kept:
    """The pseudo-labels of the texts that count, and how many texts were judged to find them."""

    pseudo: PseudoLabels | None
    judged: int

    @classmethod
    def nothing(cls) -> "_Kept":
        """Stand for a step without an unlabelled loss."""
        return cls(None, 0)

    @property
    def share(self) -> float:
        """Give the share of the judged texts that count, in [0, 1]."""
        return len(self.pseudo.weights) / self.judged if self.pseudo and self.judged else 0.0

    def loss(self, strong: Tensor, rows: Tensor) -> Tensor:
        """Give the part of the unlabelled loss (mean over the judged texts) that belongs to some of the strong views."""
        if self.pseudo is None or not len(rows):
            return strong.sum() * 0.0
        part = PseudoLabels(self.pseudo.targets[rows], self.pseudo.weights[rows])
        return consistency_loss(strong, part) / self.judged


class Trainer:
    """One training run of one network."""

    def __init__(
        self,
        classifier: SafetyClassifier,
        views: Views,
        method: Method | None,
        settings: TrainingSettings,
        *,
        lambda_u: float = 1.0,
        votes: VoteTeacher | None = None,
        seed: int = 0,
        observe: Observe | None = None,
    ) -> None:
        """Prepare a run; ``method`` None is supervised training."""
        self.accelerator = Accelerator(cpu=settings.device == "cpu")
        torch.manual_seed(seed)
        self.classifier = classifier
        self.views = views
        self.method = method
        self.settings = settings
        self.lambda_u = lambda_u
        self.votes = votes
        self.seed = seed
        self.observe = observe
        self.history = History()
        self._block: list[tuple[float, float, float]] = []
        network = classifier.network.float()
        set_dropout(network, settings.dropout)
        self._frozen = freeze_lower(network, settings.frozen_layers)
        optimiser, self.scheduler = make_optimiser(network, settings)
        self.network, self.optimiser = self.accelerator.prepare(network, optimiser)
        self.averaged = _averaged(self.accelerator.unwrap_model(self.network), settings.average)
        self._labelled = EpochSampler(len(views.labelled), settings.labelled_batch, seed, stream=0)
        self._pool = EpochSampler(max(1, len(views.weak)), settings.unlabelled_batch, seed, stream=1)
        self._bf16 = use_bf16(settings.precision, self.accelerator.device)

    def fit(self, *, checkpoint: Checkpoint | None = None, advance: Callable[[int], None] | None = None) -> History:
        """Train from the last checkpoint, or from the beginning, to the last step; the classifier holds the result."""
        first = checkpoint.restore(self._state()) if checkpoint else 0
        if first and advance:
            advance(first)
        for step in range(first, self.settings.steps):
            self._step(step)
            if advance:
                advance(1)
            done = step + 1
            if checkpoint and done % self.settings.checkpoint_every == 0 and done < self.settings.steps:
                checkpoint.save(self._state(), done)
        trained = self.averaged.module if self.averaged else self.accelerator.unwrap_model(self.network)
        if self._frozen:
            self._frozen.put_back(trained)
        self.classifier.network = trained.eval()
        return self.history

    def _step(self, step: int) -> None:
        """Do one optimiser step; the mean losses of the step join the history."""
        torch.manual_seed(_step_seed(self.seed, step, self.accelerator.process_index))
        labelled = self._share(self._labelled(step))
        windows = [self.views.labelled[index] for index in labelled]
        labels = self.views.labels[labelled].to(self.accelerator.device)
        pseudo, strong = self._pseudo_labels(step)
        losses = self._accumulate(windows + strong, labels, pseudo)
        self.accelerator.clip_grad_norm_(self.network.parameters(), self.settings.clip_norm)
        self.optimiser.step()
        self.scheduler.step()
        self.optimiser.zero_grad(set_to_none=True)
        if self.averaged:
            self.averaged.update_parameters(self.accelerator.unwrap_model(self.network))
        self._record(step, *losses)

    def _pseudo_labels(self, step: int) -> tuple[_Kept, list[Window]]:
        """Judge this step's weak views; return the targets that count, and the strong views that they are for."""
        begin = self.settings.pseudo_labels_from
        if self.method is None or step < begin:
            return _Kept.nothing(), []
        index = self._share(self._pool(step - begin))
        weak = self._judge([self.views.weak[position] for position in index]).unflatten(-1, (self.method.heads, -1))
        positions = torch.tensor(index)
        pseudo = self.method.pseudo_labels(weak, index=positions, epoch=self._pool.epoch(step - begin))
        if self.votes:
            pseudo = self.votes.teach(pseudo, weak, positions)
        if self.observe:
            self.observe(step, positions, pseudo)
        counted = pseudo.weights.sum(dim=1).nonzero().flatten()
        draw = np.random.default_rng((self.seed, 2, step, self.accelerator.process_index))
        strong = [self._strong(index[row], draw) for row in counted.tolist()]
        return _Kept(PseudoLabels(pseudo.targets[counted], pseudo.weights[counted]), len(index)), strong

    def _strong(self, position: int, draw: np.random.Generator) -> Window:
        """Draw one of a pool text's rewrites; a text without any is its own strong view, under dropout.

        A text with a vote is drawn as often as each of its rewrites: what the vote says of it is news to the network.
        """
        views = list(self.views.strong[position])
        if not views or (self.votes and bool(self.votes.voted[position])):
            views.append(self.views.weak[position])
        return views[int(draw.integers(len(views)))]

    def _judge(self, windows: Sequence[Window]) -> Tensor:
        """Compute logits of shape (windows, heads x 2) without gradient or dropout, in float32."""
        network = self.averaged.module if self.averaged else self.accelerator.unwrap_model(self.network)
        network.eval()
        logits: list[Tensor] = []
        order: list[int] = []
        with torch.no_grad(), self._autocast():
            for indices in self._batches(windows):
                logits.append(self._logits(network, [windows[row] for row in indices]))
                order += indices
        return torch.cat(logits)[torch.tensor(order, device=logits[0].device).argsort()]

    def _accumulate(self, windows: Sequence[Window], labels: Tensor, kept: _Kept) -> tuple[float, float, float]:
        """Add up the gradients of labelled windows (first) and strong windows (after them), in batches of like lengths."""
        self.network.train()
        supervised = unsupervised = 0.0
        batches = list(self._batches(windows))
        with self._autocast():
            for number, rows in enumerate(batches):
                last = number == len(batches) - 1
                with nullcontext() if last else self.accelerator.no_sync(self.network):
                    logits = self._logits(self.network, [windows[row] for row in rows]).unflatten(-1, (-1, 2))
                    at = torch.tensor(rows, device=logits.device)
                    first, second = at < len(labels), at >= len(labels)
                    loss_s = supervised_loss(logits[first], labels[at[first]]) / len(labels)
                    loss_u = kept.loss(logits[second], at[second] - len(labels))
                    self.accelerator.backward(loss_s + self.lambda_u * loss_u)
                supervised += float(loss_s.detach())
                unsupervised += float(loss_u.detach())
        return supervised, unsupervised, kept.share

    def _logits(self, network: nn.Module, windows: Sequence[Window]) -> Tensor:
        pad = self.classifier.tokenizer.pad_token_id or 0
        put_together = self._frozen.collate if self._frozen else collate
        return run_network(network, put_together(windows, pad=pad, device=self.accelerator.device)).float()

    def _batches(self, windows: Sequence[Window]) -> Iterator[list[int]]:
        most = CPU_BATCH_TOKENS if self.accelerator.device.type == "cpu" else GPU_BATCH_TOKENS
        return batches_of_like_length([len(window) for window in windows], most)

    def _share(self, positions: list[int]) -> list[int]:
        """Take this process's share of a batch; every process draws the same batch."""
        return positions[self.accelerator.process_index :: self.accelerator.num_processes]

    def _autocast(self) -> AbstractContextManager[object]:
        return torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self._bf16)

    def _record(self, step: int, supervised: float, unsupervised: float, kept: float) -> None:
        self._block.append((supervised, unsupervised, kept))
        if len(self._block) < HISTORY_BLOCK and step + 1 < self.settings.steps:
            return
        means = [sum(column) / len(self._block) for column in zip(*self._block, strict=True)]
        self.history.append(step + 1, *means)
        self._block = []

    def _state(self) -> dict[str, Any]:
        """Name everything a checkpoint holds."""
        state = {
            "network": self.accelerator.unwrap_model(self.network),
            "optimiser": self.optimiser,
            "scheduler": self.scheduler,
            "history": self.history,
        }
        optional = {"averaged": self.averaged, "method": self.method}
        return state | {name: part for name, part in optional.items() if part is not None}


def use_bf16(precision: str, device: torch.device) -> bool:
    """Say whether to train in bfloat16: ``auto`` does where the hardware multiplies bfloat16 faster than float32."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _averaged(network: nn.Module, decay: float) -> AveragedModel | None:
    """Make the exponential average of the weights, unless ``decay`` is 0."""
    return AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay)) if decay > 0 else None


def _step_seed(seed: int, step: int, process: int) -> int:
    """Give the random state of one step, so that a resumed run draws the same dropout."""
    return int(np.random.SeedSequence((seed, step, process)).generate_state(1)[0])
