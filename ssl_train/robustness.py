"""How many of the texts that a classifier blocks stay blocked when they are attacked."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..classifier.calibration import clopper_pearson
from ..classifier.inputs import Exchange
from ..classifier.metrics import Evaluation
from ..classifier.model import Device, SafetyClassifier
from ..classifier.model_folder import read_settings
from ..classifier.normalising import undo_exchange
from .attacks import Attack, load_attacks
from .data.records import Record, load_records
from .evaluation import evaluate_records
from .progress import Progress, silent
from .recipe import Sources


@dataclass(frozen=True, slots=True)
class Robustness:
    """What became of the harmful texts that the classifier blocks under attacks of one kind.

    ``blocked`` counts the texts that are blocked as they are and were attacked, ``still_blocked`` those of which every
    attack is blocked by a rail, which undoes evasion before judging; ``still_blocked_as_written`` those of which every
    attack is blocked without that.
    """

    blocked: int
    still_blocked: int
    still_blocked_as_written: int

    @property
    def share(self) -> float | None:
        """Give the share of the blocked texts that stay blocked; None where there are none."""
        return self.still_blocked / self.blocked if self.blocked else None

    @property
    def share_as_written(self) -> float | None:
        """Give that share without evasion being undone."""
        return self.still_blocked_as_written / self.blocked if self.blocked else None

    @property
    def interval(self) -> tuple[float, float]:
        """Give the 95% Clopper-Pearson interval of the share."""
        return clopper_pearson(self.still_blocked, self.blocked)

    def as_dict(self) -> dict[str, Any]:
        """Give the figures as plain values, ready for JSON."""
        return {
            "blocked": self.blocked,
            "still_blocked": self.still_blocked,
            "share": self.share,
            "interval": list(self.interval),
            "share_as_written": self.share_as_written,
        }


def evaluate_under_attack(
    folder: str | Path,
    sources: Sources,
    attacks: Sequence[str],
    *,
    device: Device = "auto",
    progress: Progress = silent,
) -> tuple[Evaluation, dict[str, Robustness]]:
    """Measure a model folder on labelled examples, and under the attacks of these names (``load_attacks``) by kind.

    Raises:
        ModelError: the folder is not a RailMatch model, or the device is not there.
        DataError: the examples or the attacks cannot be used.
    """
    task = read_settings(Path(folder)).task
    records = load_records(sources, task, labelled=True)
    loaded = load_attacks(attacks, records, task)
    classifier = SafetyClassifier.load(folder, device=device)
    evaluation = evaluate_records(classifier, records, progress=progress)
    return evaluation, measure_attacks(classifier, records, loaded, progress=progress) if loaded else {}


def measure_attacks(
    classifier: SafetyClassifier, records: Sequence[Record], attacks: Sequence[Attack], *, progress: Progress = silent
) -> dict[str, Robustness]:
    """Attack the harmful records that the classifier blocks at its threshold; give the figures by kind of attack.

    A text with several attacks of one kind stays blocked only if all of them are: an attacker needs one.

    Raises:
        ModelError: the model's weights are damaged.
    """
    attacked = {attack.id for attack in attacks}
    targets = [record for record in records if record.id in attacked and record.label == 1]
    scores, _ = rail_scores(classifier, [record.exchange for record in targets], progress=progress)
    blocked = {record.id for record, score in zip(targets, scores, strict=True) if score >= classifier.threshold}
    tried = [attack for attack in attacks if attack.id in blocked]
    both = rail_scores(classifier, [attack.exchange for attack in tried], progress=progress)
    as_rail, as_written = (_all_blocked(tried, scores >= classifier.threshold) for scores in both)
    return {
        kind: Robustness(len(as_rail[kind]), sum(as_rail[kind].values()), sum(as_written[kind].values()))
        for kind in dict.fromkeys(attack.kind for attack in attacks)
    }


def _all_blocked(attacks: Sequence[Attack], blocked: Iterable[bool]) -> defaultdict[str, dict[str, bool]]:
    """Say by kind and by record whether all attacks were blocked."""
    found: defaultdict[str, dict[str, bool]] = defaultdict(dict)
    for attack, stopped in zip(attacks, blocked, strict=True):
        found[attack.kind][attack.id] = found[attack.kind].get(attack.id, True) and bool(stopped)
    return found


def rail_scores(
    classifier: SafetyClassifier, exchanges: Sequence[Exchange], *, progress: Progress = silent
) -> tuple[np.ndarray, np.ndarray]:
    """Judge exchanges as the rails do: give the higher score of the two forms, and the score of the written form.

    Both have shape (exchanges,).

    Raises:
        ModelError: the model's weights are damaged. ValueError: a response is to be judged and is missing.
    """
    undone = [undo_exchange(exchange) for exchange in exchanges]
    changed = [place for place, form in enumerate(undone) if form.found]
    everything = [*exchanges, *(undone[place].exchange for place in changed)]
    with progress(f"judging {len(everything)} attacked {classifier.task}s", len(everything)) as advance:
        scores = classifier.predict_proba(everything, advance=advance)
    written = scores[: len(exchanges)]
    highest = written.copy()
    highest[changed] = np.maximum(written[changed], scores[len(exchanges) :])
    return highest, written
