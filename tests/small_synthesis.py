"""A small folder as ``synthesize`` leaves it, for tests of what a person does with it."""

from pathlib import Path

import numpy as np
from railmatch.classifier.inputs import Exchange
from railmatch.ssl_train.synthesis import files
from railmatch.ssl_train.synthesis.outcome import write_outcome
from railmatch.ssl_train.synthesis.review import flagged
from railmatch.ssl_train.synthesis.sample import Sample
from railmatch.ssl_train.synthesis.table import Row

HOSTILE = '</pre><script>document.title = "broken"</script><img src=x onerror="document.title=1"> <b>now</b>'
TEXTS = ("fine", HOSTILE, "alarm", "split")
"""Of the second and third the classifier thinks otherwise, over the fourth judges are divided; the first is sure."""


def sample(text: str, label: int, agreeing: int = 3, seed: str = "s1") -> Sample:
    return Sample(Exchange(text), label, "theft & more", seed, agreeing=agreeing, asked=3, own_id=f"id-{text[:5]}")


def write_synthesis(folder: Path) -> Path:
    """Write four records, of which three are worth a look, and one that was rejected for being like the seed."""
    samples = [sample("fine", 0), sample(HOSTILE, 1), sample("alarm", 0, seed="s2"), sample("split", 1, 2, "s2")]
    samples = flagged(samples, np.array([0.2, 0.4, 0.97, 0.8]), 0.5)
    rows = [Row("accepted", sample=each) for each in samples]
    like = Row("rejected", "near_copy", "near copy of id-alarm (0.81)", sample("bells", 0))
    files.write_rows(folder / "rounds" / "1_queries.jsonl", [row.as_dict() for row in [*rows, like]])
    files.write_rows(folder / "rounds" / "2_even.jsonl", [row.as_dict() for row in rows])
    write_outcome(folder, seeds=2)
    return folder
