"""How the demo's models treat ordinary texts, and how look-alike pairs, at the threshold that their training chose."""

import json
from collections import defaultdict
from pathlib import Path

from ..classifier.tasks import LABELS
from ..ssl_train.report.facts import read_facts
from ..terminal.tables import aligned

TITLES = {"ordinary": "ordinary", "pair": "look-alike pairs"}
"""How the kinds of the starter data are called on screen, in this order."""


def blocked_by_kind(model: Path, test: Path) -> dict[tuple[str, str], tuple[int, int]]:
    """Count the blocked and all test texts of each kind and label, such as ("pair", "harmful").

    ``model`` is a folder that a training has written which ended with the test examples of the file ``test``.

    Raises:
        ModelError: the folder holds no report. ValueError: the model was measured on more or fewer texts.
    """
    facts = read_facts(model)
    with test.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    scores = facts.scores.test.scores if facts.scores.test else []
    counts: defaultdict[tuple[str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for row, score in zip(rows, scores, strict=True):
        blocked, total = counts[row["kind"], row["label"]]
        counts[row["kind"], row["label"]] = (blocked + (score >= facts.settings.threshold), total + 1)
    return dict(counts)


def kinds_table(counts: dict[tuple[str, str], tuple[int, int]]) -> str:
    """Lay the counts out, a line for each kind and label that occurs."""
    lines = [
        (title, label, str(counts[kind, label][1]), f"{counts[kind, label][0] / counts[kind, label][1]:.0%}")
        for kind, title in TITLES.items()
        for label in LABELS
        if (kind, label) in counts
    ]
    return aligned([("at the threshold", "label", "texts", "blocked"), *lines])
