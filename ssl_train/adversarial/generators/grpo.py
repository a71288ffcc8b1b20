"""Reinforcement learning: the generator practises on the seeds until what it writes fools the classifier more often.

GRPO (Shao et al. 2024, arXiv:2402.03300), as trl implements it: of the texts written for one seed, those of a higher
reward than the others become likelier. What is particular here:

1. The reward is ``rewards.Reward``, called as a function on whole batches; trl never sees the classifier.
2. Harmful and unharmful seeds take turns, so that misses and false alarms are hunted alike.
3. Every round starts from the model as it was: a classifier that has learnt is attacked in new ways, not in more and
   more outlandish variants of the old ones.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import cycle, islice
from pathlib import Path

from ....classifier.device import Device
from ....classifier.errors import DataError, SettingsError
from ....classifier.storage import write_text_atomically
from ...memory import Batch
from ...progress import Advance
from ..attack import Candidate, Seed
from ..fluency import Score
from ..instructions import Instructions
from ..recipe import GeneratorSettings, RlSettings
from ..rewards import Reward
from . import Generator, Learned
from .best_of_n import BestOfN
from .causal import CausalWriter
from .practice import Exercise, Practice, practise

NAME = "rl"

MODEL = "model"
CHECKPOINTS = "checkpoints"
LEARNED = "learned.json"
"""What is in the folder of a practice: the model, until it is over checkpoints, and then what it took and showed."""


class GrpoWriter(Generator):
    """Writes with a model that has practised; before ``learn`` with the model as it is."""

    def __init__(
        self,
        settings: GeneratorSettings,
        instructions: Instructions,
        *,
        device: Device,
        seed: int,
        say: Callable[[str], None],
    ) -> None:
        """Load the model as it is. ``seed`` decides the chance of learning; ``say`` tells of smaller batches.

        Raises:
            ModelError: there is no such model, it writes no text, or it cannot be asked as the settings say.
        """
        self._settings = settings
        self._instructions = instructions
        self._device: Device = device
        self._seed = seed
        self._say = say
        self._backward = Batch(settings.rl.group * settings.rl.batch, "texts", say)
        self._original = self._writer = self._load(settings.model or "")

    @property
    def fluency(self) -> Score:
        """Give the measure of fluency by the model as it was, which practising cannot change."""
        return self._original.fluency

    def learn(
        self, seeds: Sequence[Seed], reward: Reward, *, texts_a_seed: int, folder: Path, advance: Advance
    ) -> Learned:
        """Practise on the seeds in turn; a practice that was interrupted goes on from its last checkpoint.

        Raises:
            SettingsError: the texts do not suffice for one step. DataError: no seeds of one class fit into the model.
            ModelError: memory does not suffice for one text.
            EndpointError: a judge did not answer for as long as a round waits.
        """
        record = folder / LEARNED
        self._writer = self._original  # what an earlier round learnt needs no memory any more
        if not record.is_file():
            steps = steps_within(texts_a_seed * len(seeds), self._settings.rl)
            practice = self._practice(seeds, steps)
            learned = practise(
                practice, reward, folder / MODEL, folder / CHECKPOINTS, batch=self._backward, advance=advance
            )
            write_text_atomically(record, json.dumps(asdict(learned)) + "\n")
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
        self._writer = self._load(str(folder / MODEL))
        return Learned(**json.loads(record.read_text(encoding="utf-8")))

    def propose(
        self, seeds: Sequence[Seed], texts_a_seed: int, *, round_seed: int, advance: Advance
    ) -> list[Candidate]:
        """Sample ``texts_a_seed`` answers for each seed from the model that has practised."""
        sampler = BestOfN(self._writer, self._instructions, self._settings, NAME)
        return sampler.propose(seeds, texts_a_seed, round_seed=round_seed, advance=advance)

    def _load(self, model: str) -> CausalWriter:
        batch = Batch(self._settings.batch, "texts", self._say)
        return CausalWriter.load(model, self._settings.template, device=self._device, batch=batch)

    def _practice(self, seeds: Sequence[Seed], steps: int) -> Practice:
        prompts = [self._original.prompt(self._instructions.messages(seed)) for seed in seeds]
        fit = self._original.fit(prompts, self._settings.max_tokens)
        exercises = [
            Exercise(seed, prompt, self._instructions.version(seed))
            for seed, prompt, fits in zip(seeds, prompts, fit, strict=True)
            if fits
        ]
        return Practice(
            exercises=list(islice(cycle(in_turn(exercises)), steps * self._settings.rl.batch)),
            steps=steps,
            settings=self._settings,
            tokenizer=self._original.tokenizer,
            device=self._device,
            chance=self._seed,
        )


def in_turn(exercises: Sequence[Exercise]) -> list[Exercise]:
    """Let harmful and unharmful seeds take turns, as many of either.

    Raises:
        DataError: there is none of either.
    """
    harmful, unharmful = ([each for each in exercises if each.seed.label == label] for label in (1, 0))
    if not harmful or not unharmful:
        raise DataError(
            f"generator.model has room for {len(harmful)} harmful and {len(unharmful)} unharmful seeds with their "
            "instruction and generator.max_tokens of an answer, and learns from both: lower max_tokens, or name a "
            "model of a longer context"
        )
    return [each for pair in zip(harmful, unharmful, strict=False) for each in pair]


def steps_within(texts: int, settings: RlSettings) -> int:
    """Count the steps of ``batch`` groups that a budget of texts allows.

    Raises:
        SettingsError: it allows none.
    """
    a_step = settings.group * settings.batch
    if texts < a_step:
        raise SettingsError(
            f"generator.rl: {texts} texts may be written to learn from, and one step writes {a_step} (group "
            f"{settings.group} x batch {settings.batch}): raise generator.texts_a_seed or seeds.a_round, or lower "
            "group or batch"
        )
    return texts // a_step
