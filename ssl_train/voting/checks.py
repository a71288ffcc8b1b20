"""What is refused before any vote is asked for, because its votes could not be used."""

from collections.abc import Container, Sequence

from ...classifier.errors import DataError, SettingsError
from ..data.records import Record
from ..data.training_texts import TrainingTexts
from ..recipe import Recipe


def require_votes_of_use(recipe: Recipe, texts: TrainingTexts, folds: Sequence[list[int]] = ()) -> None:
    """Refuse votes that could belong to two texts, and votes that are wanted but neither recorded nor to be asked.

    ``folds`` are the positions of labelled texts that each training of a calibration holds back.

    Raises:
        DataError: a labelled text and another one of the pool share an id that has, or would get, a vote; or recorded
            votes alone are to be used, and no labelled text, not in a fold's training either, or no text of the pool
            has one.
        SettingsError: ``augment.vote`` wants votes on more texts than ``data.votes`` holds, and there is no endpoint.
    """
    _require_own_ids(recipe, texts)
    if recipe.data.votes is not None and not recipe.augment.vote and recipe.method.name != "supervised":
        _require_matching(recipe.data.votes, texts)
        require_votes_in_folds(recipe, texts.votes, texts.labelled, folds)
    if recipe.augment.vote and recipe.augment.endpoint is None:
        _require_recorded(texts)


def require_votes_in_folds(
    recipe: Recipe, votes: Container[str], labelled: Sequence[Record], folds: Sequence[list[int]]
) -> None:
    """Refuse folds in one of whose trainings no labelled record has a vote; ``votes`` are by record id.

    Raises:
        DataError: the records with a vote are all held back by the same fold.
    """
    voted = {position for position, record in enumerate(labelled) if record.id in votes}
    if not any(voted <= set(held_back) for held_back in folds):
        return
    named, cure, without = "data.votes", "vote on more labelled examples", "leave data.votes out"
    if recipe.augment.vote:
        named, cure, without = (
            "augment.vote",
            "see to the endpoint, its budget and augment.policy",
            "train without votes",
        )
    raise DataError(
        f"{named}: the labelled examples with a vote ({len(voted)} of {len(labelled)}) are all in one of the "
        f"{len(folds)} parts that calibration holds back, so that in the training without it nothing says what a vote "
        f"is worth: {cure}, set calibration.folds to 0 (no calibration), or {without}"
    )


def _require_own_ids(recipe: Recipe, texts: TrainingTexts) -> None:
    shared = {record.id for record in texts.labelled} & {record.id for record in texts.pool}
    named = "augment.vote"
    if not recipe.augment.vote:
        # Rewrites are looked up for the pool alone, where an id is that of one text; only votes need more.
        shared &= texts.votes.keys()
        named = "data.votes"
    if shared:
        raise DataError(
            f"{named}: ids such as {min(shared)!r} (there are {len(shared)}) stand for a labelled text and for another "
            "one of the pool, so a vote could be of either; give the records of both sets different ids"
        )


def _require_recorded(texts: TrainingTexts) -> None:
    labelled, pool = (
        sum(record.id not in texts.votes for record in records) for records in (texts.labelled, texts.pool)
    )
    if labelled or pool:
        raise SettingsError(
            f"augment.vote is true, but data.votes has no vote on {labelled} labelled and {pool} pool texts and there "
            "is nobody to ask: set augment.endpoint, or leave augment.vote out to train with the recorded votes alone"
        )


def _require_matching(file: str, texts: TrainingTexts) -> None:
    for name, records in (("labelled example", texts.labelled), ("text of the pool", texts.pool)):
        if not any(record.id in texts.votes for record in records):
            raise DataError(
                f"data.votes: no {name} has a vote in {file}, by the ids; votes are needed on both, because the labels "
                "say what a vote is worth: vote on more texts, see to the ids, or leave data.votes out"
            )
