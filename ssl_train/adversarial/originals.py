"""What the classifier goes on learning from, and the held-out examples that rounds are decided by."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from ...classifier.calibration import require_support
from ...classifier.errors import SettingsError
from ...classifier.inputs import Exchange
from ...classifier.tasks import LABELS
from ..data.records import Record, text_key
from ..data.training_texts import TrainingTexts
from ..loop.views import Rewrites
from ..progress import Progress
from ..recipe import Recipe
from ..strong_texts import gather_strong_texts
from ..voting.checks import require_votes_of_use
from ..voting.gathering import gather_votes
from .recipe import HardenRecipe


@dataclass(frozen=True, slots=True)
class Originals:
    """The recipe of the further training, its texts and the strong views of its pool, by record id.

    ``counts`` are those of rewrites and votes, for the report.
    """

    recipe: Recipe
    texts: TrainingTexts
    rewrites: Rewrites
    counts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Labelled examples that are never trained on: half for temperature and threshold, half to decide by."""

    calibration: list[Record]
    decision: list[Record]


def fine_tuning(recipe: HardenRecipe, trained_by: Recipe) -> Recipe:
    """Give the training recipe as it is for one round: shorter, from a classifier that knows its task already.

    Raises:
        SettingsError: the two recipes are of different tasks.
    """
    if trained_by.task != recipe.task:
        raise SettingsError(
            f"training: {recipe.training} is of the task {trained_by.task!r}, and task is {recipe.task!r}"
        )
    own = trained_by.method.name if trained_by.method.name in ("supervised", "fixmatch") else "fixmatch"
    method = trained_by.method.model_copy(update={"name": recipe.fine_tune.method or own})
    settings = recipe.fine_tune
    training = trained_by.training.model_copy(
        update={
            "steps": settings.steps,
            "learning_rate": settings.learning_rate,
            "head_learning_rate": None,
            "warmup_steps": min(trained_by.training.warmup_steps, settings.steps // 10),
            "pseudo_labels_from": 0,
            "device": recipe.device,
        }
    )
    return trained_by.model_copy(update={"method": method, "training": training, "seed": recipe.seed})


def gather_originals(
    recipe: Recipe, texts: TrainingTexts, work: Path, accelerator: Accelerator, base: Path | None, progress: Progress
) -> Originals:
    """Get the votes and strong views of a training recipe: out of its cache, where it was trained by before.

    Raises:
        DataError: a cache or a record cannot be used. EndpointError: answers are missing, and it cannot be used.
    """
    require_votes_of_use(recipe, texts)
    texts, votes = gather_votes(recipe, texts, work, accelerator, base=base, progress=progress)
    strong = gather_strong_texts(recipe, texts, base=base, progress=progress)
    return Originals(recipe, strong.texts, strong.rewrites, {"rewrites": dict(strong.counts), "votes": votes})


def without_texts(records: Sequence[Record], used: Sequence[Exchange]) -> list[Record]:
    """Give the records whose text is none of the ``used`` ones."""
    keys = {text_key(exchange) for exchange in used}
    return [record for record in records if text_key(record.exchange) not in keys]


def deal_held_out(records: Sequence[Record], seed: int, target_fpr: float) -> HeldOut:
    """Deal labelled examples that were never trained on into two seeded halves, with both classes in each.

    Raises:
        SettingsError: a class has too few examples for that, or for the target false-positive rate.
    """
    by_label = [[record for record in records if record.label == label] for label in range(len(LABELS))]
    if min(map(len, by_label)) < 2:
        counts = " and ".join(f"{len(some)} {name}" for some, name in zip(by_label, LABELS, strict=True))
        raise SettingsError(
            f"held_out: {counts} examples are left that the classifier was not trained on and no attack starts from, "
            "and rounds are decided by at least two of each class: name more labelled examples in held_out, best of "
            "another source"
        )
    chance = random.Random(f"held out {seed}")
    halves: tuple[list[Record], list[Record]] = ([], [])
    for some in by_label:
        chance.shuffle(some)
        halves[0].extend(some[::2])
        halves[1].extend(some[1::2])
    require_support(sum(record.label == 0 for record in halves[0]), target_fpr)
    return HeldOut(*halves)


def with_attacks(
    originals: Originals, attacks: Sequence[Record], seeds: Mapping[str, Record]
) -> tuple[TrainingTexts, Rewrites]:
    """Add attacks to what is trained on: as labelled examples, and as strong views of their seeds in the pool.

    Args:
        originals: what was trained on before.
        attacks: labelled, each with an id of its own.
        seeds: the seed of each attack as a record of the pool, by the attack's id.
    """
    texts, rewrites = originals.texts, {name: list(views) for name, views in originals.rewrites.items()}
    pool = list(texts.pool)
    if originals.recipe.method.name != "supervised":
        there = {record.id for record in pool}
        for attack in attacks:
            seed = seeds[attack.id]
            rewrites.setdefault(seed.id, []).append(attack.exchange)
            if seed.id not in there:
                pool.append(seed)
                there.add(seed.id)
    return replace(texts, labelled=[*texts.labelled, *attacks], pool=pool), rewrites
