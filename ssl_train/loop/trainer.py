"""The training loop: a labelled loss, and a method's unlabelled loss between a text and its rewrite.

What a step does, in order: draw examples; judge the weak views without gradient (by the averaged network when there is
one; none where votes decide all); ask the method for weighted targets; run labelled texts and the strong views that
count through the network in batches of like lengths, adding up gradients; one optimiser step.

It runs on accelerate. On several GPUs or machines every process runs its share of each batch; the weak views' logits
are put together, so that a method sees the whole batch and keeps the same state everywhere.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ...classifier.errors import ModelError
from ...classifier.families import config_of
from ...classifier.heads import keep_labels
from ...classifier.inputs import Window
from ...classifier.model import SafetyClassifier
from ...classifier.pooling import MeanPooledBert
from ..methods import Method, PseudoLabels, supervised_loss
from ..recipe import TrainingSettings
from ..voting.teacher import VoteTeacher
from .checkpoint import Checkpoint
from .frozen import RememberedStates, freeze_lower, set_attention, set_dropout
from .history import History
from .optimiser import make_optimiser
from .passes import Passes, Result, use_bf16
from .processes import make_accelerator, require_shares, share
from .sampling import EpochSampler, PoolSampler, require_steps
from .strong_views import NO_STRONG_VIEWS, StrongViews, draw_one, strong_views_of
from .views import Views

Observe = Callable[[int, Tensor, PseudoLabels], None]
"""Called with the step, the positions in the pool and their pseudo-labels: for measuring, never for training."""


class Trainer:
    """One training run of one network."""

    def __init__(
        self,
        classifier: SafetyClassifier,
        views: Views,
        method: Method | None,
        settings: TrainingSettings,
        *,
        lambda_s: float = 1.0,
        lambda_u: float = 1.0,
        votes: VoteTeacher | None = None,
        seed: int = 0,
        observe: Observe | None = None,
        remembered: RememberedStates | None = None,
    ) -> None:
        """Prepare a run; ``method`` None is supervised training, ``remembered`` what trainings of the same texts share.

        Raises:
            ModelError: the device is not there.
            SettingsError: more processes than examples a step, or too few steps for the method.
        """
        self.accelerator = make_accelerator(settings.device)
        require_shares(settings, self.accelerator.num_processes)
        torch.manual_seed(seed)
        self.classifier = classifier
        self.views = views
        self.method = method
        self.settings = settings
        self.lambda_s = lambda_s
        self.lambda_u = lambda_u
        self.votes = votes
        self.seed = seed
        self.observe = observe
        self.history = History()
        network = classifier.network.to(self.accelerator.device, torch.float32)
        set_dropout(network, settings.dropout)
        remembered = remembered or RememberedStates(views.windows(), config_of(network).hidden_size)
        frozen = freeze_lower(network, settings.frozen_layers, remembered)
        if self.accelerator.device.type == "cpu":
            set_attention(network, "eager")
        optimiser, self.scheduler = make_optimiser(network, settings)
        self.network, self.optimiser = self.accelerator.prepare(network, optimiser)
        self.averaged = _averaged(self.accelerator.unwrap_model(self.network), settings.average)
        self._frozen = frozen
        self._passes = Passes(
            self.accelerator.device,
            pad=classifier.tokenizer.pad_token_id or 0,
            heads=method.heads if method else 1,
            bf16=use_bf16(settings.precision, self.accelerator.device),
            frozen=frozen,
            packed=self.accelerator.device.type == "cpu" and isinstance(network, MeanPooledBert),
        )
        self._labelled = EpochSampler(len(views.labelled), settings.labelled_batch, seed, stream=0)
        voted = votes.voted.numpy() if votes else np.zeros(len(views.weak), dtype=bool)
        self._pool = PoolSampler(voted, settings.unlabelled_batch, seed) if method else None
        if method and self._pool and not (votes and votes.decide_all):
            require_steps(settings, self._pool, method)

    def fit(self, *, checkpoint: Checkpoint | None = None, advance: Callable[[int], None] | None = None) -> History:
        """Train from the last checkpoint, or from the beginning, to the last step; the classifier holds the result.

        Raises:
            ModelError: the training diverged. OSError: a checkpoint cannot be written.
        """
        first = checkpoint.restore(self._state()) if checkpoint else 0
        if first and advance:
            advance(first)
        for step in range(first, self.settings.steps):
            self._step(step)
            if advance:
                advance(1)
            if checkpoint and (step + 1) % self.settings.checkpoint_every == 0 and step + 1 < self.settings.steps:
                self._keep(checkpoint, step + 1)
        self.history.close(self.settings.steps)
        trained = self.averaged.module if self.averaged else self.accelerator.unwrap_model(self.network)
        if self._frozen:
            self._frozen.put_back(cast(MeanPooledBert, trained))
        if self.method:
            keep_labels(trained, self.method.heads)
        set_attention(trained, "sdpa")
        self.classifier.network = trained.eval()
        return self.history

    def _keep(self, checkpoint: Checkpoint, done: int) -> None:
        """Save the state, once of all processes."""
        if self.accelerator.is_main_process:
            checkpoint.save(self._state(), done)

    def _step(self, step: int) -> None:
        """Do one optimiser step; its losses join the history."""
        torch.manual_seed(_step_seed(self.seed, step, self.accelerator.process_index))
        labelled = share(self._labelled(step), self.accelerator)
        windows = [self.views.labelled[position] for position in labelled]
        labels = self.views.labels[labelled].to(self.accelerator.device)
        strong = self._strong_views(step)
        supervised, unsupervised = self._within_memory(lambda: self._accumulate(windows, labels, strong))
        norm = self.accelerator.clip_grad_norm_(self.network.parameters(), self.settings.clip_norm)
        self._require_number(step, float(norm))
        self.optimiser.step()
        self.scheduler.step()
        self.optimiser.zero_grad(set_to_none=True)
        if self.averaged:
            self.averaged.update_parameters(self.accelerator.unwrap_model(self.network))
        self.history.add(step, supervised, unsupervised, strong.kept)

    def _strong_views(self, step: int) -> StrongViews:
        """Judge this step's weak views and draw a strong view for each that the method wants to count."""
        begin = self.settings.pseudo_labels_from
        if self.method is None or self._pool is None or step < begin:
            return NO_STRONG_VIEWS
        index = self._pool(step - begin)
        positions = torch.tensor(index)
        if self.votes and self.votes.decide_all:
            pseudo = self.votes.labels(positions, self.method.heads, self.method.classes, self.accelerator.device)
        else:
            weak = self._judge(index)
            pseudo = self.method.pseudo_labels(weak, index=positions, epoch=self._pool.epoch(step - begin))
            if self.votes:
                pseudo = self.votes.teach(pseudo, weak, positions)
        if self.observe:
            self.observe(step, positions, pseudo)
        counted: list[int] = pseudo.weights.sum(dim=1).nonzero().flatten().tolist()
        draw = np.random.default_rng((self.seed, 2, step, 0))
        drawn = {row: self._strong_view_of(index[row], draw) for row in counted}
        rows = share(counted, self.accelerator)
        mine = PseudoLabels(pseudo.targets[rows], pseudo.weights[rows])
        return StrongViews([drawn[row] for row in rows], mine, len(index), len(counted) / len(index))

    def _strong_view_of(self, position: int, draw: np.random.Generator) -> Window:
        """Draw one strong view of a pool text."""
        voted = self.votes is not None and bool(self.votes.voted[position])
        return draw_one(strong_views_of(self.views, position, voted=voted), draw)

    def _judge(self, index: list[int]) -> Tensor:
        """Judge the weak views at some positions of the pool, each process its share; all get all logits."""
        network = self.averaged.module if self.averaged else self.accelerator.unwrap_model(self.network)
        mine = [self.views.weak[position] for position in share(index, self.accelerator)]
        logits = self._within_memory(lambda: self._passes.judge(network, mine))
        processes = self.accelerator.num_processes
        if processes == 1:
            return logits
        most = -(-len(index) // processes)
        padded = F.pad(logits, (0, 0, 0, 0, 0, most - len(mine)))
        gathered: Tensor = self.accelerator.gather(padded)
        # process p judged p, p + processes, p + 2 processes, ...; what was padded comes last
        return gathered.reshape(processes, most, *logits.shape[1:]).transpose(0, 1).flatten(0, 1)[: len(index)]

    def _accumulate(self, labelled: Sequence[Window], labels: Tensor, strong: StrongViews) -> tuple[float, float]:
        """Add up the gradients of labelled and strong views, in batches of like lengths; return the two losses.

        Each is divided by the examples of all processes, times the processes, over whom gradients are averaged.
        """
        self.network.train()
        self.optimiser.zero_grad(set_to_none=True)  # of an attempt that ran out of memory
        windows = [*labelled, *strong.windows]
        processes = self.accelerator.num_processes
        losses = torch.zeros(2, device=self.accelerator.device)
        batches = list(self._passes.batches(windows))
        with self._passes.autocast():
            for number, rows in enumerate(batches):
                last = number == len(batches) - 1
                with nullcontext() if last else self.accelerator.no_sync(self.network):
                    logits = self._passes.logits(self.network, [windows[row] for row in rows])
                    at = torch.tensor(rows, device=logits.device)
                    first, second = at < len(labels), at >= len(labels)
                    loss_s = supervised_loss(logits[first], labels[at[first]]) / self.settings.labelled_batch
                    loss_u = strong.loss(logits[second], at[second] - len(labels))
                    loss = self.lambda_s * loss_s + self.lambda_u * loss_u
                    self.accelerator.backward(processes * loss)
                losses += torch.stack([loss_s.detach(), loss_u.detach()])
        supervised, unsupervised = self.accelerator.reduce(losses, "sum").tolist()
        return supervised, unsupervised

    def _within_memory(self, work: Callable[[], Result]) -> Result:
        """Do ``work`` in smaller passes where memory is out; of several processes each would need the same ones."""
        return self._passes.within_memory(work) if self.accelerator.num_processes == 1 else work()

    def _require_number(self, step: int, norm: float) -> None:
        """Stop before weights are damaged; the gradient is the same in all processes, so all stop.

        Raises:
            ModelError: the gradient's norm is not a finite number.
        """
        if math.isfinite(norm):
            return
        rate = self.settings.learning_rate
        cure = ", or set training.precision to fp32" if self._passes.bf16 else ""
        raise ModelError(
            f"training diverged at step {step + 1} of {self.settings.steps}: the gradient is {norm}, and no model was "
            f"saved; lower training.learning_rate (it is {rate:g}) or raise training.warmup_steps{cure}"
        )

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


def _averaged(network: nn.Module, decay: float) -> AveragedModel | None:
    """Make the exponential average of the weights, unless ``decay`` is 0."""
    if decay == 0:
        return None
    average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]  # not annotated there
    return AveragedModel(network, multi_avg_fn=average)


def _step_seed(seed: int, step: int, process: int) -> int:
    """Give the random state of one step, so that a resumed run draws the same dropout."""
    return int(np.random.SeedSequence((seed, step, process)).generate_state(1)[0])
