"""The votes that a training learns from: on every labelled text, and on as many texts of the pool as may have one."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from ...classifier.errors import DataError
from ..augment.votes import VoteSet, collect_votes
from ..data.records import Record
from ..data.training_texts import TrainingTexts
from ..job import Job
from ..loop.checkpoint import Checkpoint, FoldScores
from ..loop.passes import use_bf16
from ..progress import Progress, silent
from ..recipe import MethodSettings, Recipe
from .checks import require_votes_in_folds
from .choice import chosen_without_training, least_certain, vote_candidates


class VotedTexts(NamedTuple):
    """The texts of a training, with the votes that it may use, and the counts of ``VoteSet`` by kind of text."""

    texts: TrainingTexts
    counts: dict[str, dict[str, int]]


def gather_votes(
    recipe: Recipe,
    texts: TrainingTexts,
    work: Path,
    accelerator: Accelerator,
    *,
    folds: Sequence[list[int]] = (),
    base: Path | None = None,
    progress: Progress = silent,
) -> VotedTexts:
    """Choose which texts may have a vote, and ask the endpoint for those that are neither recorded nor cached.

    Of several processes only the first asks; all train the classifier that chooses, where the recipe wants one. What
    an interrupted run needs of it lies in ``work``. Where the votes on labelled texts do not suffice for all ``folds``,
    as ``require_votes_in_folds`` takes them, nothing is asked about the pool.

    Raises:
        SettingsError: the policy cannot be read.
        DataError: the cache cannot be used, or no labelled example got a vote, or none outside one fold.
        EndpointError: the endpoint cannot be used, has stopped answering, or refuses nearly everything.
        ModelError: the classifier that chooses cannot be trained.
    """
    if recipe.method.name == "supervised" or not (recipe.augment.vote or texts.votes):
        return VotedTexts(texts, {})

    def ask(records: list[Record]) -> VoteSet:
        with accelerator.main_process_first():
            return collect_votes(
                records, recipe.task, recipe.augment, recorded=texts.votes, base=base, progress=progress
            )

    labelled = ask(texts.labelled)
    if not labelled.votes:
        raise DataError(
            f"{'augment.vote' if recipe.augment.vote else 'data.votes'}: none of the labelled examples got a vote, so "
            "nothing says what a vote is worth; see to the endpoint, its budget and augment.policy, or train without "
            "votes"
        )
    require_votes_in_folds(recipe, labelled.votes, texts.labelled, folds)
    chosen = chosen_without_training(recipe, texts.pool, texts.votes)
    pool = ask(_uncertain(recipe, texts, work, accelerator, progress) if chosen is None else chosen)
    counts = {"labelled": labelled.counts, "pool": pool.counts}
    return VotedTexts(replace(texts, votes=labelled.votes | pool.votes), counts)


def _uncertain(
    recipe: Recipe, texts: TrainingTexts, work: Path, accelerator: Accelerator, progress: Progress
) -> list[Record]:
    """Choose the texts of which a classifier trained on the labels alone is least certain."""
    plain = recipe.model_copy(update={"method": MethodSettings(name="supervised")})
    job = Job(plain, replace(texts, votes={}), {}, work, accelerator)
    scores = dict(zip((record.id for record in texts.pool), map(float, _pool_scores(job, progress)), strict=True))
    candidates = vote_candidates(recipe, texts.pool, texts.votes)
    chosen = least_certain(candidates, scores, recipe.augment.max_votes or len(candidates))
    # On GPUs the processes' scores may differ in the last bit; what is asked must not.
    (agreed,) = broadcast_object_list([{record.id for record in chosen}])
    return [record for record in candidates if record.id in agreed]


def _pool_scores(job: Job, progress: Progress) -> np.ndarray:
    """Judge every text of the pool, or read the scores where an interrupted run had come so far."""
    file = FoldScores(job.work / "choice.json", job.fingerprint)
    if (known := file.restore()) is not None:
        return known
    pool = [record.exchange for record in job.texts.pool]
    with progress("choosing texts to vote on", job.recipe.training.steps + len(pool)) as advance:
        classifier = job.fit(job.texts.labelled, "choice", advance).classifier.to(job.recipe.training.device)
        device = classifier.device
        # of order alone, so that bfloat16 will do; on a CPU that has it, this takes half the time
        with torch.autocast(device.type, torch.bfloat16, enabled=use_bf16(job.recipe.training.precision, device)):
            scores = classifier.predict_proba(pool, advance=advance)
    if job.accelerator.is_main_process:
        file.save(scores)
        Checkpoint(job.work / "choice.pt", job.fingerprint).remove()
    return scores
