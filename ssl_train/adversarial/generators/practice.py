"""GRPO with trl, quietly and without a network: the one module that imports trl and peft."""

import copy
import gc
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.state import AcceleratorState, GradientState, PartialState
from datasets import Dataset
from peft import LoraConfig, PeftModel
from transformers import PrinterCallback, TrainerCallback
from transformers.tokenization_utils_base import PreTrainedTokenizerBase
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from ....classifier.device import Device, choose_device
from ....classifier.loading import quiet_transformers
from ....classifier.storage import folder_replaced_atomically
from ...memory import Batch
from ...progress import Advance
from ..attack import Author, Candidate, Seed
from ..recipe import GeneratorSettings
from ..rewards import Reward, Terms
from . import Learned

CHECKPOINTS = 5
"""How often a practice is saved on its way."""

LORA_ALPHA = 32
"""The same for every rank, so that the learning rate need not follow the rank (Schulman et al. 2025)."""

CURVES = ("reward", "fool", "passed", "diversity", "kl", "entropy", "frac_reward_zero_std")
"""What is kept of trl's log, a value a step; the last is the share of groups of equal rewards, which teach nothing."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """A seed, the prompt that asks for an attack on it, and the name and version of its instruction."""

    seed: Seed
    prompt: str
    instruction: str


@dataclass(frozen=True, slots=True)
class Practice:
    """What is practised: the ``exercises`` in their order, ``batch`` of them a step, ``group`` texts each.

    ``tokenizer`` is that of the settings' model, ``chance`` the seed of all chance.
    """

    exercises: Sequence[Exercise]
    steps: int
    settings: GeneratorSettings
    tokenizer: PreTrainedTokenizerBase
    device: Device
    chance: int

    @property
    def texts_a_step(self) -> int:
        """Count the texts of one step."""
        return self.settings.rl.group * self.settings.rl.batch


def practise(
    practice: Practice,
    reward: Reward,
    model: Path,
    checkpoints: Path,
    *,
    batch: Batch,
    advance: Advance,
) -> Learned:
    """Practise, save what has practised as the folder ``model``, and tell what it showed.

    ``checkpoints`` is where an interrupted practice goes on from. ``batch`` is of texts in one backward pass, at most
    those of a step, which is taken in smaller parts where memory is out. ``advance`` is called with the number of texts
    written.

    Raises:
        ModelError: memory does not suffice for one text.
        EndpointError: a judge did not answer for as long as a round waits.
    """
    told = _Told(practice.texts_a_step, advance)
    with quiet_transformers(), warnings.catch_warnings(), torch.random.fork_rng(), _state_of_accelerate_kept():
        warnings.simplefilter("ignore", FutureWarning)  # of trl and transformers about each other
        trainer = batch.run(lambda size: _trained(practice, reward, checkpoints, size, told))
        _save(trainer.model, practice.tokenizer, model)
    return Learned(practice.steps * practice.texts_a_step, curves_of(trainer.state.log_history))


def _trained(practice: Practice, reward: Reward, checkpoints: Path, size: int, told: "_Told") -> GRPOTrainer:
    """Train from the last checkpoint on, with at most ``size`` texts in one backward pass."""
    gc.collect()  # a trainer that ran out of memory is held by cycles
    rl = practice.settings.rl
    trainer = GRPOTrainer(
        model=practice.settings.model or "",
        reward_funcs=reward_function(practice.exercises, practice.settings.model or "", reward),
        args=configuration(practice, checkpoints, size),
        train_dataset=Dataset.from_list([_row(each) for each in practice.exercises]),
        processing_class=verbatim(practice.tokenizer),
        callbacks=[told],
        peft_config=_adapters(rl.lora_rank) if rl.lora else None,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=last_checkpoint(checkpoints))
    return trainer


def _row(exercise: Exercise) -> dict[str, Any]:
    seed = exercise.seed
    prompt = [{"role": "user", "content": exercise.prompt}]
    return {"prompt": prompt, "label": seed.label, "category": seed.category, "seed": seed.id}


def verbatim(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Copy a tokenizer for messages of which the first is the whole prompt, taken as it is.

    Prompts are in the model's chat template already, and trl would put the special tokens of a plain text before them.
    """
    copied = copy.copy(tokenizer)
    copied.chat_template = "{{ messages[0]['content'] }}"
    return copied


def _adapters(rank: int) -> LoraConfig:
    return LoraConfig(r=rank, lora_alpha=LORA_ALPHA, target_modules="all-linear", task_type="CAUSAL_LM")


def configuration(practice: Practice, checkpoints: Path, size: int) -> GRPOConfig:
    """Say in trl's words how to practise with at most ``size`` texts in one backward pass; a step stays as large.

    Texts are written for as few seeds at a time as such a part of a step holds.
    """
    settings, rl = practice.settings, practice.settings.rl
    part = max(divisor for divisor in range(1, size + 1) if practice.texts_a_step % divisor == 0)
    cuda = choose_device(practice.device).type == "cuda"
    return GRPOConfig(
        output_dir=str(checkpoints),
        max_steps=practice.steps,
        per_device_train_batch_size=part,
        gradient_accumulation_steps=practice.texts_a_step // part,
        steps_per_generation=math.lcm(rl.group, part) // part,
        num_generations=rl.group,
        max_completion_length=settings.max_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        learning_rate=rl.rate,
        lr_scheduler_type="constant",
        beta=rl.beta,
        entropy_coef=rl.entropy,
        # adapters learn in float32 whatever they are put on; weights that learn themselves would lose small steps
        model_init_kwargs={"dtype": torch.bfloat16 if cuda and rl.lora else torch.float32},
        bf16=cuda,
        use_cpu=not cuda,
        gradient_checkpointing=cuda,
        dataloader_pin_memory=cuda,
        shuffle_dataset=False,
        seed=practice.chance,
        logging_steps=1,
        save_strategy="steps",
        save_steps=max(1, practice.steps // CHECKPOINTS),
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
    )


def reward_function(exercises: Sequence[Exercise], model: str, reward: Reward) -> Callable[..., list[float | None]]:
    """Wrap a reward as trl calls one: with the answers and, a list each, the columns of their rows."""
    known = {(each.seed.id, each.seed.label): each for each in exercises}

    def total(
        completions: list[list[dict[str, str]]],
        seed: list[str],
        label: list[int],
        log_metric: Callable[[str, float], None],
        **_: Any,
    ) -> list[float | None]:
        asked = [known[key] for key in zip(seed, label, strict=True)]
        terms = reward.score(
            [
                Candidate(each.seed, answer["content"], Author("rl", model, each.instruction))
                for each, (answer,) in zip(asked, completions, strict=True)
            ]
        )
        for name, value in means(terms).items():
            log_metric(name, value)
        return [each.reward for each in terms]

    return total


def means(terms: Sequence[Terms]) -> dict[str, float]:
    """Give the means over texts that a reward's total hides.

    ``fool`` is the gate x the nats, ``passed`` the share that passed the gate, ``diversity`` the distance, 1 - cosine,
    of a text to the nearest of its group.
    """
    return {
        "fool": float(np.mean([each.gate * each.fool for each in terms])),
        "passed": float(np.mean([each.gate for each in terms])),
        "diversity": float(np.mean([1 - each.likeness for each in terms])),
    }


def curves_of(log: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
    """Pick the ``CURVES`` out of a trainer's log; a curve that it does not have is left out."""
    found = {name: [float(row[name]) for row in log if name in row] for name in CURVES}
    return {name: values for name, values in found.items() if values}


def last_checkpoint(checkpoints: Path) -> str | None:
    """Find the last checkpoint that was written to its end: the trainer's state is what it writes last."""
    whole = [file.parent for file in checkpoints.glob("checkpoint-*/trainer_state.json")]
    return str(max(whole, key=lambda folder: int(folder.name.rpartition("-")[2]))) if whole else None


def _save(network: Any, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write an ordinary folder of a causal language model, into which adapters are merged."""
    merged = network.merge_and_unload() if isinstance(network, PeftModel) else network
    with folder_replaced_atomically(folder) as temporary:
        merged.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)


class _Told(TrainerCallback):
    """Tells of each step once, also where a trainer begins again at an earlier one."""

    def __init__(self, texts_a_step: int, advance: Advance) -> None:
        self._texts_a_step = texts_a_step
        self._advance = advance
        self._steps = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Count what a checkpoint brings."""
        self._count(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Count a step."""
        self._count(state.global_step)

    def _count(self, steps: int) -> None:
        if steps > self._steps:
            self._advance((steps - self._steps) * self._texts_a_step)
            self._steps = steps


@contextmanager
def _state_of_accelerate_kept() -> Iterator[None]:
    """Give accelerate its state back, which is one for the whole process: the classifier's training goes on with it."""
    kinds = (PartialState, AcceleratorState, GradientState)
    before = [dict(kind._shared_state) for kind in kinds]
    try:
        yield
    finally:
        for kind, state in zip(kinds, before, strict=True):
            kind._shared_state.clear()
            kind._shared_state.update(state)
