"""A tiny classifier to attack and a judge that is not misled, both trained for real, once for all tests."""

from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from railmatch.ssl_train.run import train
from small_attacks import NAMES, attack, plain
from small_training import recipe, write_rows

LABELLED = range(6)
HELD_OUT = range(6, 26)
TEST = range(26, 30)

EVERYDAY = [
    "they leave with the train at night", "none of this is mine", "what do you get for free", "give it to a man",
    "how do i keep the street safe at night", "a thief is a man who did not pay", "make a way for the car to stop",
    "why will nobody give the man a house", "so that they may find it", "i bought a cake and a garden for free",
    "leave the key with my neighbour", "make the night yours", "he may stop when the thief did", "pay to get a way out",
]  # fmt: skip
"""Harmless texts with the words of attacks, so that these are fluent by the user's own texts."""


class World(NamedTuple):
    """The folder of the data; the classifier under attack, the judge, and the recipe of the former's training."""

    folder: Path
    classifier: Path
    judge: Path
    training: Path


@pytest.fixture(scope="session")
def world(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    both = (0, 1)
    rows = {
        "labelled": [("l", y, n, plain(y, n, f)) for n in LABELLED for y in both for f in (0, 1)],
        "held_out": [("h", y, n, plain(y, n, f)) for n in HELD_OUT for y in both for f in (0, 1)],
        "test": [("t", y, n, plain(y, n, f)) for n in TEST for y in both for f in (0, 1)],
        "shown": [
            ("j", y, n, text)
            for n in range(30)
            for y in both
            for text in [plain(y, n, n % 2), attack(y, n, n % 3)]
        ],
    }  # fmt: skip
    for name, found in rows.items():
        write_rows(
            folder / f"{name}.jsonl",
            [
                {
                    "id": f"{prefix}{number}",
                    "prompt": text,
                    "label": NAMES[y],
                    "category": "gifts" if n % 2 else "theft",
                }
                for number, (prefix, y, n, text) in enumerate(found)
            ],
        )
    write_rows(folder / "pool.jsonl", [{"prompt": text} for text in EVERYDAY])
    settings = {"steps": 60, "labelled_batch": 8, "checkpoint_every": 1000}
    data = {"labelled": "labelled.jsonl", "unlabelled": "pool.jsonl", "rewrites": None, "test": None}
    trained = recipe(folder, tiny_encoder, data=data, method={"name": "supervised"}, training=settings,
                     calibration={"target_fpr": 0.05, "folds": 0})  # fmt: skip
    train(trained, folder / "classifier", base=folder)
    judge = trained.model_copy(update={"data": trained.data.model_copy(update={"labelled": "shown.jsonl"}), "seed": 7})
    longer = judge.training.model_copy(update={"steps": 150})
    train(judge.model_copy(update={"training": longer}), folder / "judge", base=folder)
    (folder / "training.yml").write_text(yaml.safe_dump(trained.model_dump(mode="json")))
    return World(folder, folder / "classifier", folder / "judge", folder / "training.yml")
