"""One round of curation: what is new is compared with everything there is, then judged; reasons for all that goes."""

from collections.abc import Sequence

from ..augment.spending import Estimate
from ..embedding import Embed
from .desk import Desk
from .duplicates import near_copies, same_meanings, same_texts
from .judging import ask_for_votes, counted, judges, outvoted, read_votes
from .recipe import SynthesisRecipe
from .sample import Sample
from .table import Row, checked, sifted


def curate(
    candidates: Sequence[Sample],
    known: Sequence[Sample],
    recipe: SynthesisRecipe,
    policy: str,
    desk: Desk,
    embed: Embed,
    later: Estimate,
) -> tuple[list[Sample], list[Row]]:
    """Give the candidates that stay, with the judges' votes on them, and a row for each candidate and lost vote.

    Raises:
        EndpointError: the endpoint cannot be used, or no answer of a judge is of use.
        DataError: the cache cannot be used. ModelError: the embedded encoder is missing.
    """
    limits = recipe.curation
    known_vectors = embed([sample.text for sample in known])
    new, rows = checked(
        candidates,
        [
            ("same_text", lambda samples: same_texts(samples, known)),
            ("near_copy", lambda samples: near_copies(samples, known, limits.near_copy)),
            (
                "same_meaning",
                lambda samples: same_meanings(
                    samples, known, embed([sample.text for sample in samples]), known_vectors, limits.same_meaning
                ),
            ),
        ],
    )
    judged, lost = _vote(new, recipe, policy, desk, later)
    kept, outvoted_rows = sifted(judged, "label", outvoted(judged, recipe.judges.agree))
    return kept, [*rows, *lost, *outvoted_rows, *(Row("accepted", sample=sample) for sample in kept)]


def _vote(
    samples: Sequence[Sample], recipe: SynthesisRecipe, policy: str, desk: Desk, later: Estimate
) -> tuple[list[Sample], list[Row]]:
    """Have every judge look at every sample; an answer that is lost counts as no agreement with its texts."""
    agreeing: list[Sample] = []
    lost: list[Row] = []
    for number, endpoint in enumerate(judges(recipe.judges, recipe.endpoint)):
        questions = ask_for_votes(samples, number, recipe.judges.batch, recipe.seed, policy, endpoint)
        # The one answer of a judge that is asked once may well be lost: it then agrees with nothing.
        named = "judges.models" if recipe.judges.models else "endpoint.model"
        lost += desk.ask("judgements", questions, endpoint, later, included=True, named=named, telling=2)
        for question, found in desk.found(questions):
            agreeing += read_votes(question, found)
    return counted(samples, agreeing, recipe.judges.calls), lost
