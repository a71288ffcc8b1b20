"""What a recipe asks of the endpoint, without its training: how many calls that takes, and making them."""

from dataclasses import dataclass
from pathlib import Path

from ..classifier.errors import SettingsError
from .augment.rewrites import RewriteSet, estimate
from .augment.spending import Estimate
from .augment.votes import VoteSet, collect_votes, estimate_votes
from .data.records import Record
from .data.training_texts import TrainingTexts, load_texts
from .folds import held_back_folds
from .progress import Progress, silent
from .recipe import Recipe
from .stored_rewrites import collect_stored
from .voting.checks import require_votes_of_use
from .voting.choice import chosen_without_training, vote_candidates


@dataclass(frozen=True, slots=True)
class Calls:
    """What asking for the rewrites and the votes would take that are neither recorded nor cached."""

    rewrites: Estimate
    votes: Estimate

    @property
    def total(self) -> Estimate:
        """What both take together."""
        return self.rewrites + self.votes


@dataclass(frozen=True, slots=True)
class Answers:
    """The rewrites of a recipe, and its votes by kind of text: none where it wants none.

    There are no votes on the pool where a classifier must be trained first to choose the texts.
    """

    rewrites: RewriteSet
    votes: dict[str, VoteSet]

    def by_kind(self) -> dict[str, RewriteSet | VoteSet]:
        """Give each under the name that a person knows it by."""
        return {"rewrites": self.rewrites} | {f"votes ({kind})": found for kind, found in self.votes.items()}


def load_pool_texts(recipe: Recipe, base: Path | None = None) -> TrainingTexts:
    """Read the texts of a recipe that has a pool.

    Raises:
        SettingsError: the recipe has no pool, or wants votes and there is nobody to ask, or has votes and too few
            labels for its folds.
        DataError: a file is missing, unreadable, or does not hold what the task needs; or recorded votes are of no use.
    """
    if recipe.data.unlabelled is None:
        raise SettingsError("data.unlabelled is missing: rewrites are made of the texts of the pool, so name one")
    texts = load_texts(recipe, base)
    folds = held_back_folds(texts.labelled, recipe.calibration.folds, recipe.seed) if texts.votes else []
    require_votes_of_use(recipe, texts, folds)
    return texts


def estimate_calls(recipe: Recipe, texts: TrainingTexts, *, training: bool, base: Path | None = None) -> Calls:
    """Reckon what asking for the rewrites and votes of ``texts`` would take; nothing is asked.

    With ``training`` these are the calls of ``train``, which first trains the classifier that chooses texts to vote on
    where the recipe wants one; else those of ``make_calls``.

    Raises:
        SettingsError: a strategy has no template, or the policy cannot be read.
        DataError: the cache or a recorded rewrite cannot be used.
    """
    rewrites = estimate(texts.pool, recipe.task, recipe.augment, texts.recorded, base=base)

    def votes_on(records: list[Record], most: int | None = None) -> Estimate:
        return estimate_votes(records, recipe.task, recipe.augment, texts.votes, base=base, most=most)

    votes = votes_on(texts.labelled)
    chosen = chosen_without_training(recipe, texts.pool, texts.votes)
    if chosen is not None:
        votes += votes_on(chosen)
    elif training:
        candidates = vote_candidates(recipe, texts.pool, texts.votes)
        votes += votes_on(candidates, recipe.augment.max_votes)
    return Calls(rewrites, votes)


def left_to_training(recipe: Recipe, texts: TrainingTexts) -> bool:
    """Tell whether ``train`` must ask for the votes on pool texts, because a classifier chooses the texts."""
    return recipe.augment.vote and chosen_without_training(recipe, texts.pool, texts.votes) is None


def make_calls(
    recipe: Recipe, texts: TrainingTexts, *, base: Path | None = None, progress: Progress = silent
) -> Answers:
    """Ask the endpoint for the rewrites and votes of ``texts`` that are neither recorded nor cached.

    Raises:
        SettingsError: a strategy has no template, or the policy cannot be read.
        DataError: the data or the cache cannot be used.
        EndpointError: the endpoint cannot be used or has stopped answering.
    """
    rewrites = collect_stored(recipe, texts, base=base, progress=progress)
    if not recipe.augment.vote:
        return Answers(rewrites, {})
    chosen = chosen_without_training(recipe, texts.pool, texts.votes)
    wanted = {"labelled": texts.labelled} | ({} if chosen is None else {"pool": chosen})
    votes = {
        kind: collect_votes(records, recipe.task, recipe.augment, recorded=texts.votes, base=base, progress=progress)
        for kind, records in wanted.items()
    }
    return Answers(rewrites, votes)
