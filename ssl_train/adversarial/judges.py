"""Who says whether an attack still is what its seed is: judges other than the classifier under attack."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Protocol

from ...classifier.device import Device
from ...classifier.errors import SettingsError
from ...classifier.inputs import Exchange
from ...classifier.metrics import Floats
from ...classifier.model import SETTINGS_FILE, SafetyClassifier
from ..augment.spending import Estimate
from ..data.records import find_path
from ..evaluation import BATCH_TOKENS, predict_within_memory
from ..memory import Batch
from ..recipe import EndpointSettings
from ..synthesis.desk import Desk
from ..synthesis.judging import ask_for_votes, judges, read_votes
from ..synthesis.questions import Question
from ..synthesis.recipe import JudgeSettings as CallSettings
from .attack import Candidate
from .foreign import ForeignClassifier
from .patience import Patience
from .recipe import ClassifierJudge, HardenRecipe, JudgeSettings


class Judge(Protocol):
    """One judge, or several that are asked together."""

    def agreeing(self, candidates: Sequence[Candidate]) -> list[int]:
        """Count for each candidate the votes for its seed's label."""
        ...


class Judges:
    """A bench of judges: ``needed`` of ``asked`` votes must be for the seed's label. What was judged is remembered."""

    def __init__(self, bench: Sequence[Judge], *, asked: int, needed: int) -> None:
        """Take the judges, and how many votes they have in all."""
        self.asked = asked
        self.needed = needed
        self._bench = bench
        self._known: dict[tuple[str, int], int] = {}

    def agreeing(self, candidates: Sequence[Candidate]) -> list[int]:
        """Count for each candidate the votes for its seed's label.

        Raises:
            EndpointError: the endpoint cannot be used, or did not answer for as long as a round waits.
        """
        keys = [(candidate.id, candidate.seed.label) for candidate in candidates]
        new = {key: each for key, each in zip(keys, candidates, strict=True) if key not in self._known}
        if new:
            votes = [judge.agreeing(list(new.values())) for judge in self._bench]
            self._known |= {key: sum(each) for key, each in zip(new, zip(*votes, strict=True), strict=True)}
        return [self._known[key] for key in keys]


class EndpointJudge:
    """An LLM endpoint, asked by the policy as synthesis asks it: in several calls, none of which sees a label."""

    def __init__(self, settings: JudgeSettings, policy: str, desk: Desk, patience: Patience, *, seed: int) -> None:
        """Take the settings, the policy's words, who asks and keeps the answers, and how long to wait for them."""
        self._settings = settings
        self._policy = policy
        self._desk = desk
        self._patience = patience
        self._seed = seed

    def agreeing(self, candidates: Sequence[Candidate]) -> list[int]:
        """Count the calls that name the seed's label; an answer that is lost counts as none.

        Raises:
            EndpointError: the endpoint cannot be used, or did not answer for as long as a round waits.
        """
        settings, endpoint = self._settings, self._settings.endpoint
        if endpoint is None:
            return [0] * len(candidates)
        samples = [candidate.as_sample() for candidate in candidates]
        for_label: Counter[tuple[str, int]] = Counter()
        calls = CallSettings(models=settings.models, calls=settings.calls, agree=1, batch=settings.batch)
        for number, judge in enumerate(judges(calls, endpoint)):
            questions = ask_for_votes(samples, number, settings.batch, self._seed, self._policy, judge)
            self._patience(partial(self._ask, questions, judge), "judges")
            for question, found in self._desk.found(questions):
                for_label.update((sample.id, sample.label) for sample in read_votes(question, found))
        return [for_label[sample.id, sample.label] for sample in samples]

    def _ask(self, questions: Sequence[Question], judge: EndpointSettings) -> None:
        self._desk.ask("judgements", questions, judge, Estimate(0, 0, 0, None), included=True, telling=2)


class ClassifierJudges:
    """Other classifiers, each of which says harmful or not at a threshold of its own."""

    def __init__(self, classifiers: Sequence[SafetyClassifier | ForeignClassifier]) -> None:
        """Take the classifiers."""
        self._classifiers = classifiers
        self._batch = Batch(BATCH_TOKENS, "tokens")

    def agreeing(self, candidates: Sequence[Candidate]) -> list[int]:
        """Count the classifiers that find the seed's label."""
        exchanges = [candidate.exchange for candidate in candidates]
        harmful = [self._predict(each, exchanges) >= each.threshold for each in self._classifiers]
        found = zip(*harmful, strict=True)
        return [
            sum(bool(vote) == bool(candidate.seed.label) for vote in votes)
            for candidate, votes in zip(candidates, found, strict=True)
        ]

    def _predict(self, classifier: SafetyClassifier | ForeignClassifier, exchanges: Sequence[Exchange]) -> Floats:
        if isinstance(classifier, ForeignClassifier):  # judges one text at a time
            return classifier.predict_proba(exchanges)
        return predict_within_memory(classifier, exchanges, batch=self._batch)


def make_judges(
    recipe: HardenRecipe, attacked: Path, policy: str, desk: Desk, patience: Patience, *, base: Path | None = None
) -> Judges:
    """Seat the judges that a recipe names, none of them the ``attacked`` model; an endpoint judges by ``policy``.

    Raises:
        SettingsError: a classifier is of another task, is the one under attack, or its labels are not known.
        ModelError: a classifier cannot be loaded. DataError: its folder is missing.
    """
    settings = recipe.judges
    bench: list[Judge] = []
    if settings.endpoint is not None:
        bench.append(EndpointJudge(settings, policy, desk, patience, seed=recipe.seed))
    if settings.classifiers:
        bench.append(ClassifierJudges([_classifier(judge, recipe, attacked, base) for judge in settings.classifiers]))
    return Judges(bench, asked=settings.votes, needed=settings.needed)


def _classifier(
    judge: ClassifierJudge, recipe: HardenRecipe, attacked: Path, base: Path | None
) -> SafetyClassifier | ForeignClassifier:
    device: Device = recipe.device
    folder = find_path(judge.model, recipe.task, base) if judge.harmful == [] else Path(judge.model)
    if judge.harmful or not (folder / SETTINGS_FILE).is_file():
        return ForeignClassifier.load(judge, device)
    if folder.resolve() == attacked.resolve():
        raise SettingsError(
            f"judges.classifiers: {judge.model} is the classifier under attack, which would judge its own mistakes; "
            "name another one, or an LLM in judges.endpoint"
        )
    classifier = SafetyClassifier.load(folder, device=device)
    if classifier.task != recipe.task:
        raise SettingsError(
            f"judges.classifiers: {judge.model} judges a {classifier.task}, and task is {recipe.task!r}; name a "
            f"classifier of {recipe.task}s"
        )
    return classifier
