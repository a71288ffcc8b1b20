"""The data of benchmarks/adversarial.py, dealt by a seed: who learns from what, what is attacked, what measures."""

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LABELS, JUDGE_LABELS, HELD_OUT = 200, 1400, 400

SURE = {0: "unharmful", 4: "harmful"}
"""What the votes mean that are sure enough to stand for a label."""

Row = dict[str, Any]


def rows_of(file: Path) -> list[Row]:
    """Read a file of JSON objects."""
    with file.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def write_rows(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one JSON object a line."""
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def attackable(source: Path) -> list[str]:
    """List the ids of the pool texts that attacks may start from or be measured on: rewritten, and of a sure vote."""
    votes = {row["id"]: row["vote"] for row in rows_of(source / "prompt_votes.jsonl")}
    rewritten = {row["id"] for row in rows_of(source / "prompt_rewrites.jsonl") if row["rewrites"]}
    pool = {row["id"] for row in rows_of(source / "prompt_unlabelled.jsonl")}
    return sorted(name for name in pool & rewritten if votes.get(name) in SURE)


class Data:
    """The parts of the data, as files of a scratch folder."""

    def __init__(self, source: Path, scratch: Path, *, seed: int, texts: int, rows: int | None) -> None:
        """Deal labelled rows, and ``texts`` to attack and as many to measure on, by a seed.

        ``rows`` cuts every part, which shows only that the benchmark runs.
        """
        self.scratch = scratch
        self.seed = seed
        labelled = sorted(rows_of(source / "prompt_labelled.jsonl"), key=lambda row: str(row["id"]))
        random.Random(f"labelled {seed}").shuffle(labelled)
        start = 0
        for name, size in (("classifier", LABELS), ("judge", JUDGE_LABELS), ("held_out", HELD_OUT)):
            write_rows(scratch / f"{name}.jsonl", labelled[start : start + size][:rows])
            start += size
        self.test = rows_of(source / "prompt_test.jsonl")[:rows]
        write_rows(scratch / "test.jsonl", self.test)
        self._deal_texts(source, texts)

    def _deal_texts(self, source: Path, most: int) -> None:
        votes = {row["id"]: row["vote"] for row in rows_of(source / "prompt_votes.jsonl")}
        self._truth = {row["id"]: row["label"] for row in rows_of(source / "prompt_unlabelled_labels.jsonl")}
        rewrites = {row["id"]: row["rewrites"] for row in rows_of(source / "prompt_rewrites.jsonl")}
        pool = {row["id"]: row["prompt"] for row in rows_of(source / "prompt_unlabelled.jsonl")}
        sure = attackable(source)
        random.Random(f"texts {self.seed}").shuffle(sure)
        train, fresh = sure[::2][:most], sure[1::2][:most]
        seeds = [{"id": name, "prompt": pool[name], "label": SURE[votes[name]]} for name in train]
        write_rows(self.scratch / "seeds.jsonl", seeds)
        write_rows(self.scratch / "recorded.jsonl", [{"id": name, "rewrites": rewrites[name]} for name in train])
        self.fresh = [(self._truth[name], pool[name], rewrites[name]) for name in fresh]

    def file(self, name: str) -> str:
        """Give the path of a part."""
        return str(self.scratch / f"{name}.jsonl")
