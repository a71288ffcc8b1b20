"""The rounds: attack, harvest, learn, measure, decide; every stage is on disk before the next begins."""

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from ...classifier.model import SafetyClassifier
from ..embedding import Embed
from ..evaluation import BATCH_TOKENS
from ..memory import Batch
from ..progress import Progress
from .attack import Candidate, Seed
from .decide import Figures, best_of, why_stop
from .fluency import Fluency
from .folder import RunFolder
from .generators import Generator, Learned
from .harvest import Attack, Harvest, harvest, score
from .judges import Judges
from .learning import learn_round, measure
from .originals import HeldOut, Originals
from .recipe import HardenRecipe
from .rewards import Reward
from .seeds import draw


@dataclass(frozen=True)
class Parts:
    """Everything that the rounds work with; loaded once, and the same in every round."""

    recipe: HardenRecipe
    start: Path
    originals: Originals
    held_out: HeldOut
    seeds: Sequence[Seed]
    generator: Generator
    judges: Judges
    fluency: Fluency
    embed: Embed
    accelerator: Accelerator
    progress: Progress
    say: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the rounds came to: the figures of each classifier, the start first, those of each harvest, and the best."""

    figures: list[Figures]
    harvests: list[dict[str, Any]]
    learned: list[Learned]
    best: int
    stopped: str


class Rounds:
    """Runs the rounds of one recipe in one folder, and goes on where an earlier run was stopped."""

    def __init__(self, parts: Parts, folder: RunFolder) -> None:
        """Take what the rounds work with, and where their stages are kept."""
        self._parts = parts
        self._folder = folder
        self._harvests: dict[int, Harvest] = {}
        self._told: list[dict[str, Any]] = []
        self._learned: list[Learned] = []

    def run(self) -> Outcome:
        """Go through the rounds until they no longer pay; the best classifier is then in the run's ``model`` folder.

        Raises:
            EndpointError: an endpoint cannot be used, or did not answer for as long as a round waits.
            ModelError: a training diverged, or memory does not suffice. OSError: a stage cannot be written.
        """
        recipe = self._parts.recipe
        figures = [self._measured(0)]
        stopped = ""
        for number in range(1, recipe.rounds + 2):
            if recipe.generator.name != "none":
                self._attack(number)
                figures[-1] = dataclasses.replace(figures[-1], fresh=self._told[-1]["success"])
                stopped = why_stop(figures, recipe.decide) or self._why_nothing(number)
            if stopped or number > recipe.rounds:
                break
            self._learn(number)
            figures.append(self._measured(number))
            if stopped := why_stop(figures, recipe.decide):
                break
        best = best_of(figures, recipe.decide)
        return Outcome(figures, self._told, self._learned, best, stopped)

    def model(self, number: int) -> Path:
        """Give the folder of a round's classifier; that of round 0 is the one at the start."""
        return self._parts.start if number == 0 else self._folder.round(number) / "model"

    def attacks(self, number: int) -> list[Attack]:
        """List what was kept of a round's attacks; none where it had none."""
        return self._harvests[number].kept if number in self._harvests else []

    def _attack(self, number: int) -> None:
        """Write and harvest the attacks of a round, against the classifier of the round before."""
        parts, recipe = self._parts, self._parts.recipe
        seeds = draw(parts.seeds, recipe.seeds.a_round, f"{recipe.seed} {number}")
        known = [attack for earlier in range(1, number) for attack in self.attacks(earlier)]
        attack = _AttackRound(parts, number, seeds, known, self.model(number - 1), self._folder.round(number))
        self._learned.append(attack.learn())
        written = self._folder.rows(number, "candidates", lambda: [each.as_dict() for each in attack.write()])
        candidates = [Candidate.from_dict(row) for row in written]
        rows = self._folder.rows(
            number, "attacks", lambda: [each.as_dict() for each in attack.harvest(candidates).attacks]
        )
        self._harvests[number] = Harvest([Attack.from_dict(row) for row in rows])
        told = self._folder.facts(number, "harvest", lambda: self._harvests[number].figures(len(seeds), parts.embed))
        self._told.append(told)
        success, kept = told["success"], told["kept"]
        parts.say(
            f"round {number}: {kept} attacks kept of {told['texts']} texts; {success:.1%} of the seeds are broken"
        )

    def _learn(self, number: int) -> None:
        """Train the classifier of a round, unless it is there."""
        parts, out = self._parts, self.model(number)
        if not out.exists():
            known = [attack for earlier in range(1, number + 1) for attack in self.attacks(earlier)]
            learn_round(
                parts.originals,
                known,
                self.model(number - 1),
                out,
                parts.held_out,
                parts.accelerator,
                share=parts.recipe.share,
                progress=parts.progress,
                title=f"round {number}: training",
            )
        shutil.rmtree(out.parent / "training", ignore_errors=True)

    def _measured(self, number: int) -> Figures:
        """Measure the classifier of a round, by the attacks of all rounds so far too."""
        parts = self._parts

        def make() -> dict[str, Any]:
            classifier = SafetyClassifier.load(self.model(number), device=parts.recipe.device)
            by_round = {earlier: self.attacks(earlier) for earlier in range(1, number + 1)}
            return dataclasses.asdict(measure(number, classifier, parts.held_out, by_round))

        return Figures.from_dict(self._folder.facts(number, "figures", make))

    def _why_nothing(self, number: int) -> str:
        if self.attacks(number):
            return ""
        rejected = ", ".join(f"{reason} {count}" for reason, count in self._told[-1]["rejected"].items())
        return f"round {number} found no attack that passes the gate ({rejected or 'no texts'})"


class _AttackRound:
    """The stages of one round's attack; what they share is made when the first of them is needed."""

    def __init__(
        self, parts: Parts, number: int, seeds: Sequence[Seed], known: Sequence[Attack], attacked: Path, folder: Path
    ) -> None:
        self._parts = parts
        self._number = number
        self._seeds = seeds
        self._known = known
        self._attacked = attacked
        self._folder = folder
        self._settings = parts.recipe.generator

    @cached_property
    def _reward(self) -> Reward:
        parts, recipe = self._parts, self._parts.recipe
        return Reward(
            SafetyClassifier.load(self._attacked, device=recipe.device),
            parts.judges,
            parts.embed,
            parts.fluency,
            recipe.gate,
            recipe.shaping,
            [attack.candidate.text for attack in self._known],
            Batch(BATCH_TOKENS, "tokens", parts.say),
        )

    def learn(self) -> Learned:
        """Let the generator learn."""
        if not self._settings.texts_to_learn:
            return Learned()
        total = self._settings.texts_to_learn * len(self._seeds)
        folder = self._folder / "generator"
        with self._parts.progress(f"round {self._number}: the generator learns", total) as advance:
            return self._parts.generator.learn(
                self._seeds, self._reward, texts_a_seed=self._settings.texts_to_learn, folder=folder, advance=advance
            )

    def write(self) -> list[Candidate]:
        """Let the generator write."""
        each = self._settings.texts_a_seed - self._settings.texts_to_learn
        chance = self._parts.recipe.seed + self._number
        with self._parts.progress(f"round {self._number}: writing attacks", each * len(self._seeds)) as advance:
            return self._parts.generator.propose(self._seeds, each, round_seed=chance, advance=advance)

    def harvest(self, candidates: Sequence[Candidate]) -> Harvest:
        """Score and sift what was written."""
        with self._parts.progress(f"round {self._number}: judging attacks", len(candidates)) as advance:
            scored = score(candidates, self._reward, self._number, advance)
        return harvest(scored, self._known, self._parts.recipe.harvest, self._parts.embed)
