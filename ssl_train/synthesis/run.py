"""The whole pipeline: seeds -> query augmentation -> paraphrase -> responses -> an even set, each round curated.

Answers are kept in the cache as they come, so a run that was stopped goes on where it was, and the same recipe gives
the same files.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...classifier.errors import DataError, RailMatchError, SettingsError
from ..augment.cache import Cache
from ..augment.policy import read_policy
from ..augment.spending import cost, tokens
from ..data.records import find_path
from ..embedding import Embed
from ..progress import Progress, silent
from . import files
from .bounds import most_after
from .curation import curate
from .desk import Agree, Desk, agreed
from .evenness import Reasons, listed, one_sided, too_alike, too_many
from .outcome import write_outcome, write_tables
from .paraphrases import ask_for_paraphrases, read_paraphrases
from .queries import ask_for_queries, read_queries
from .questions import Question
from .recipe import SynthesisRecipe
from .responses import ask_for_responses, read_responses
from .review import flagged
from .sample import Sample
from .seeds import load_seeds
from .table import Check, Row, checked

if TYPE_CHECKING:
    from ...classifier.model import SafetyClassifier

Read = Callable[[Question, Mapping[str, object]], list[Sample]]


@dataclass(frozen=True, slots=True)
class Synthesis:
    """What came out: the samples of the last round, the counts of every round in their order, and what it took.

    ``records`` counts those of the data set, which a person may have decided about.
    """

    samples: list[Sample]
    records: int = 0
    rounds: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None


def synthesize(
    recipe: SynthesisRecipe,
    folder: Path,
    *,
    base: Path | None = None,
    agree: Agree = agreed,
    progress: Progress = silent,
) -> Synthesis:
    """Make a data set from the seeds of ``recipe`` and write it, with a table for each round, to ``folder``.

    ``agree`` is asked once, before the first call, with what all calls take at most. Seeds that were withdrawn from the
    folder are left out.

    Raises:
        SettingsError: the policy cannot be read or is too long.
        DataError: the seeds or the cache cannot be used, or nothing is left.
        EndpointError: the endpoint cannot be used, or its model gives no answers of use.
        ModelError: the classifier or the embedded encoder cannot be used.
    """
    with _own_words():
        return _synthesize(recipe, folder, base, agree, progress)


def _synthesize(
    recipe: SynthesisRecipe, folder: Path, base: Path | None, agree: Agree, progress: Progress
) -> Synthesis:
    policy = _policy(recipe, base)
    seeds = load_seeds(recipe.seeds, base)
    gone = set(files.withdrawn_seeds(folder))
    left = [seed for seed in seeds if seed.id not in gone]
    if not left:
        raise DataError(f"{recipe.seeds.file}: all {len(seeds)} seeds are withdrawn; add seeds, or give another folder")
    model = _classifier(recipe, base)
    from ..embedding import Remembered  # it loads PyTorch, and a fault of the recipe should be told sooner

    with Cache(Path(recipe.cache).expanduser()) as cache:
        desk = Desk(cache, agree, progress)
        line = _Line(recipe, policy, left, desk, Remembered())
        samples = line.run()
    if model:
        scores = model.predict_proba([sample.exchange for sample in samples])
        samples = flagged(samples, scores, model.threshold)
    spent = cost(desk.input_tokens, desk.output_tokens, recipe.endpoint)
    line.rounds["even"] += [Row("accepted", sample=sample) for sample in samples]
    write_tables(folder, line.rounds)
    summary = write_outcome(folder, seeds=len(left))
    rounds, records = summary["rounds"], summary["records"]
    return Synthesis(samples, records, rounds, desk.calls, desk.input_tokens, desk.output_tokens, spent)


@contextmanager
def _own_words() -> Iterator[None]:
    """Name settings as this recipe calls them: what asks and caches speaks of a training recipe's ``augment``."""
    try:
        yield
    except RailMatchError as error:
        raise type(error)(str(error).replace("augment.", "")) from error


class _Line:
    """The rounds of one run, in their order, and what each of them left."""

    def __init__(self, recipe: SynthesisRecipe, policy: str, seeds: Sequence[Sample], desk: Desk, embed: Embed) -> None:
        self.rounds: dict[str, list[Row]] = {}
        self._recipe = recipe
        self._policy = policy
        self._seeds = seeds
        self._desk = desk
        self._embed = embed
        self._lengths = round(sum(tokens(seed.text) for seed in seeds) / len(seeds)) + 5

    def run(self) -> list[Sample]:
        """Go through all rounds and give the even set.

        Raises:
            DataError: nothing is left.
        """
        recipe, endpoint, policy = self._recipe, self._recipe.endpoint, self._policy
        per_seed = recipe.queries.per_seed
        asked = ask_for_queries(self._seeds, per_seed, policy, endpoint)
        most = 2 * per_seed * len(self._seeds)
        samples = self._round("queries", asked, lambda each, found: read_queries(each, found, per_seed), most, ())
        if recipe.paraphrases.enabled:
            asked = ask_for_paraphrases(samples, recipe.paraphrases.batch, endpoint)
            samples += self._round("paraphrases", asked, read_paraphrases, len(samples), samples)
        if recipe.task == "response":
            asked = ask_for_responses(samples, policy, endpoint)
            samples = self._round("responses", asked, read_responses, 2 * len(samples), None)
        return self._even(samples)

    def _round(
        self, name: str, asked: Sequence[Question], read: Read, most: int, before: Sequence[Sample] | None
    ) -> list[Sample]:
        """Ask, read and curate; new texts are compared with the seeds and those ``before``, pairs (None) with pairs."""
        later = most_after(self._recipe, name, most, len(self._seeds), self._lengths, tokens(self._policy))
        lost = self._desk.ask(name, asked, self._recipe.endpoint, later)
        made = [sample for question, found in self._desk.found(asked) for sample in read(question, found)]
        known = [] if before is None else [*self._seeds, *before]
        kept, rows = curate(made, known, self._recipe, self._policy, self._desk, self._embed, later)
        self.rounds[name] = [*lost, *rows]
        _require(kept, name, rows)
        return kept

    def _even(self, samples: Sequence[Sample]) -> list[Sample]:
        limits = self._recipe.curation

        def check(find: Callable[[Sequence[Sample], np.ndarray], Reasons]) -> Callable[[Sequence[Sample]], list[str]]:
            return lambda left: listed(find(left, self._embed([sample.text for sample in left])), len(left))

        checks: list[tuple[Check, Callable[[Sequence[Sample]], Sequence[str]]]] = [
            ("diversity", check(lambda left, vectors: too_alike(left, vectors, limits.diversity))),
            ("balance", check(one_sided)),
            ("balance", check(lambda left, vectors: too_many(left, vectors, limits.category_ratio))),
        ]
        kept, rows = checked(samples, checks)
        self.rounds["even"] = rows  # those accepted follow when the classifier has looked at them
        _require(kept, "even", rows)
        return kept


def _policy(recipe: SynthesisRecipe, base: Path | None) -> str:
    policy = read_policy(recipe.policy, base)
    length = tokens(policy)
    if length > recipe.policy_tokens:
        raise SettingsError(
            f"policy: about {length} tokens, and it goes with nearly every call; at most {recipe.policy_tokens} are "
            "allowed: keep what decides whether a text is harmful, or raise policy_tokens"
        )
    return policy


def _require(kept: Sequence[Sample], name: str, rows: Sequence[Row]) -> None:
    if not kept:
        why = Counter(row.check for row in rows if row.decision == "rejected")
        rejected = ", ".join(f"{check} {count}" for check, count in sorted(why.items()))
        raise DataError(f"round {name}: nothing is left ({rejected or 'no texts'}); loosen curation, or add seeds")


def _classifier(recipe: SynthesisRecipe, base: Path | None) -> "SafetyClassifier | None":
    """Load the current classifier, where the recipe names one."""
    if recipe.classifier is None:
        return None
    from ...classifier.model import SafetyClassifier

    model = SafetyClassifier.load(find_path(recipe.classifier, recipe.task, base))
    if model.task != recipe.task:
        raise SettingsError(f"classifier: {recipe.classifier} judges a {model.task}, and task is {recipe.task!r}")
    return model
