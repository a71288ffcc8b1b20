"""From a hardening recipe to a hardened classifier: everything is looked at first, then attacked round by round."""

import hashlib
import json
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ... import __version__
from ...classifier.errors import SettingsError
from ...classifier.model_settings import read_settings
from ..augment.cache import Cache
from ..augment.policy import read_policy
from ..augment.spending import Estimate, tokens
from ..calls import estimate_calls
from ..data.records import find_path, load_records, text_key
from ..data.training_texts import TrainingTexts, load_texts
from ..embedding import Remembered
from ..loop.processes import make_accelerator
from ..progress import Progress, silent
from ..recipe import Recipe
from ..recipe.file import load_recipe
from ..report.facts import TRAINING_FILE, read_facts
from ..synthesis.desk import Agree, Desk, agreed
from .attack import Seed
from .bounds import most_calls
from .decide import Figures
from .fluency import Fluency, Letters, Score
from .folder import RunFolder
from .generators.make import make_generator
from .instructions import Instructions
from .judges import make_judges
from .keeping import keep, tell
from .originals import HeldOut, deal_held_out, fine_tuning, gather_originals, without_texts
from .patience import Patience
from .recipe import HardenRecipe
from .report import write_report
from .rounds import Outcome, Parts, Rounds
from .seeds import load_seeds

FLUENCY_TEXTS = 4000
"""So many of the user's own texts say what is fluent."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hardened:
    """What came out: where the best classifier and the page lie, and what the rounds came to."""

    model: Path
    page: Path
    outcome: Outcome

    @property
    def start(self) -> Figures:
        """Give the figures of the classifier at the start."""
        return self.outcome.figures[0]

    @property
    def best(self) -> Figures:
        """Give the figures of the classifier that was kept."""
        return self.outcome.figures[self.outcome.best]


def harden(
    recipe: HardenRecipe,
    out: Path,
    *,
    base: Path | None = None,
    agree: Agree = agreed,
    progress: Progress = silent,
    say: Callable[[str], None] = _log.warning,
) -> Hardened:
    """Harden a classifier in rounds, in the folder ``out``; a run that was stopped goes on from its last stage.

    Args:
        recipe: what to do.
        out: the run's folder; its ``model`` is the best classifier, ``hardening.html`` the page.
        base: where relative paths of the recipe start if the current folder does not hold them.
        agree: asked once, before the first call, with what all calls take at most; raises to stop.
        progress: how to tell a person how far it is.
        say: how to tell a person what else happens: waiting, smaller batches, a round's result.

    Raises:
        SettingsError: the recipes do not fit each other, the classifier or the folder, or nothing can be decided by.
        DataError: examples cannot be used. ModelError: a model cannot be used, or a training diverged.
        EndpointError: an endpoint cannot be used, or did not answer for as long as a round waits.
        OSError: a file cannot be written.
    """
    start = _start(recipe, base)
    file = find_path(recipe.training, recipe.task, base)
    training = fine_tuning(recipe, load_recipe(file))
    own = load_texts(training, file.parent)
    texts = replace(own, pool=[]) if training.method.name == "supervised" else own  # whose pool is not learnt from
    seeds = _seeds(recipe, training, texts, base, file.parent)
    examples = _held_out(recipe, training, texts, seeds, base, file.parent)
    patience = Patience(recipe.wait_s, say)
    policy = patience(lambda: read_policy(recipe.judges.policy, base), "judges")
    folder = RunFolder(out, _fingerprint(recipe, training, start, texts, [seeds, examples, policy], base))
    generator, score = make_generator(recipe, patience, say, base)
    with Cache(Path(recipe.cache).expanduser()) as cache:
        judges = make_judges(recipe, start, policy, Desk(cache, agreed, silent), patience, base=base)
        most = most_calls(recipe, seeds, generator, tokens(policy)) + _of_training(training, texts, file.parent)
        if most.calls:
            agree(most)
        accelerator = make_accelerator(recipe.device)
        originals = gather_originals(training, texts, out / "votes", accelerator, file.parent, progress)
        fluency = _fluency(recipe, own, score)
        parts = Parts(
            *(recipe, start, originals, examples, seeds, generator, judges, fluency, Remembered(recipe.device)),
            *(accelerator, progress, say),
        )
        rounds = Rounds(parts, folder)
        outcome = rounds.run()
    page = write_report(out, recipe, outcome, [rounds.attacks(number) for number in range(1, recipe.rounds + 2)])
    more = keep(rounds.model(outcome.best), folder.model, training, originals.texts)
    tell(folder.model, folder.round(outcome.best), recipe, outcome, examples, more)
    return Hardened(folder.model, page, outcome)


def _start(recipe: HardenRecipe, base: Path | None) -> Path:
    """Find the classifier under attack.

    Raises:
        SettingsError: it is of another task. ModelError: it is none. DataError: its folder is missing.
    """
    folder = find_path(recipe.classifier, recipe.task, base)
    task = read_settings(folder).task
    if task != recipe.task:
        raise SettingsError(
            f"classifier: {recipe.classifier} judges a {task}, and task is {recipe.task!r}; name a classifier of "
            f"{recipe.task}s, or set task to {task}"
        )
    if (folder / TRAINING_FILE).is_file():
        read_facts(folder)  # where it is damaged, better now than after the rounds
    return folder


def _seeds(
    recipe: HardenRecipe, training: Recipe, texts: TrainingTexts, base: Path | None, data_base: Path
) -> list[Seed]:
    """Read the recipe's own seeds, else take those labelled examples that the classifier was trained on."""
    settings = recipe.seeds
    if settings.source is not None:
        return load_seeds(settings.source, settings.category, recipe.task, base)
    found = load_seeds(training.data.labelled, settings.category, recipe.task, data_base)
    drawn = {text_key(record.exchange) for record in texts.labelled}
    return [seed for seed in found if text_key(seed.exchange) in drawn]


def _held_out(
    recipe: HardenRecipe,
    training: Recipe,
    texts: TrainingTexts,
    seeds: Sequence[Seed],
    base: Path | None,
    data_base: Path,
) -> HeldOut:
    """Read the recipe's own held-out examples, else take those labelled ones that the training left over."""
    sources, place = (training.data.labelled, data_base) if recipe.held_out is None else (recipe.held_out, base)
    found = load_records(sources, recipe.task, labelled=True, base=place)
    used = [*(record.exchange for record in [*texts.labelled, *texts.pool]), *(seed.exchange for seed in seeds)]
    return deal_held_out(without_texts(found, used), recipe.seed, training.calibration.target_fpr)


def _of_training(training: Recipe, texts: TrainingTexts, base: Path) -> Estimate:
    """Reckon the calls that the training recipe still needs: none where the classifier was trained with its cache."""
    if training.method.name == "supervised" or training.augment.endpoint is None:
        return Estimate(0, 0, 0, 0.0)
    return estimate_calls(training, texts, training=True, base=base).total


def _fluency(recipe: HardenRecipe, texts: TrainingTexts, score: Score | None) -> Fluency:
    """Measure fluency by a language model, else by letters that half of the texts teach; the others set the floor."""
    own = [
        exchange.response or exchange.prompt for exchange in (each.exchange for each in [*texts.labelled, *texts.pool])
    ]
    sample = random.Random(recipe.seed).sample(own, min(len(own), FLUENCY_TEXTS))
    half = len(sample) // 2
    return Fluency.of(score or Letters(sample[:half]), sample[half:], recipe.gate.fluency)


def _fingerprint(
    recipe: HardenRecipe,
    training: Recipe,
    start: Path,
    texts: TrainingTexts,
    dealt: Sequence[object],
    base: Path | None,
) -> str:
    """Hash everything that a round's stages depend on; how many rounds there are may change.

    ``dealt`` are the seeds, the held-out examples and the policy. Of the generator's files the contents count, too;
    only the weights of generator and judges are known by their names alone.
    """
    own, recorded = recipe.generator.instructions, recipe.generator.recorded
    files = [] if own is None else list(Instructions(recipe.task, own, base).files.values())
    if recorded is not None:
        files.append(find_path(recorded, recipe.task, base))
    left_out = {name: True for name in ("rounds", "decide", "device", "cache", "wait_s")}
    content = [
        recipe.model_dump(mode="json", exclude=left_out | {"generator": {"endpoint"}, "judges": {"endpoint"}}),
        [endpoint.model for endpoint in recipe.endpoints],
        training.model_dump(mode="json", exclude={"data", "augment", "report", "export"}),
        hashlib.sha256((start / "model.safetensors").read_bytes()).hexdigest(),
        [(record.exchange, record.label) for record in [*texts.labelled, *texts.pool]],
        repr(dealt),
        [hashlib.sha256(file.read_bytes()).hexdigest() for file in files],
        __version__,
    ]
    return hashlib.sha256(json.dumps(content, default=list).encode()).hexdigest()
