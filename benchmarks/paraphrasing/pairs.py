"""What benchmarks/paraphraser.py learns from: pairs of texts, as batches of token ids."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

import torch
from attack_data import attackable, rows_of
from railmatch.ssl_train.augment.eda import change_words
from torch import Tensor
from transformers import PreTrainedTokenizerBase

CHANGED = 0.25
"""The share of pairs whose source is its target with changed words, after a quarter of the steps."""

SHIFTED = 32
"""Positions begin at up to so many."""

OF_SOURCE = 0.25
"""How much a token of the source counts in the loss: fluency is measured on texts that stand alone."""

MEASURED = 100
"""So many pairs of texts left out are measured."""

Pair = tuple[str, str]


@dataclass(frozen=True)
class Texts:
    """What is learnt from: texts with their rewrites, other ``pool`` texts, and pairs that only measure."""

    groups: list[list[str]]
    pool: list[str]
    measured: list[Pair]

    @classmethod
    def of(cls, folders: Sequence[Path]) -> "Texts":
        """Read the folders; what may be attacked in the first one is left out, in the others, too."""
        names = set(attackable(folders[0]))
        groups, pool, left_out = [], [], []
        for place, folder in enumerate(folders):
            rewrites = {row["id"]: row["rewrites"] for row in rows_of(folder / "prompt_rewrites.jsonl")}
            for row in rows_of(folder / "prompt_unlabelled.jsonl"):
                group = [row["prompt"], *rewrites.get(row["id"], [])]
                if place == 0 and row["id"] in names:
                    left_out.append(group)
                elif len(group) > 1:
                    groups.append(group)
                else:
                    pool += group
        unseen = {text.casefold() for group in left_out for text in group}
        groups = [group for group in groups if unseen.isdisjoint(text.casefold() for text in group)]
        measured = [(text, rewrite) for text, *others in left_out for rewrite in others]
        random.Random(0).shuffle(measured)
        return cls(groups, [text for text in pool if text.casefold() not in unseen], measured[:MEASURED])

    def pairs(self, chance: random.Random, changed: float) -> Iterator[Pair]:
        """Draw pairs without end; ``changed`` is the share of those made by changing words."""
        known = [pair for group in self.groups for pair in permutations(group, 2)]
        texts = [*self.pool, *(text for group in self.groups for text in group)]
        words = [word for text in texts for word in text.split()]
        while True:
            if not known or chance.random() < changed:
                target = chance.choice(texts)
                yield with_changed_words(target, chance, words), target
            else:
                yield chance.choice(known)


def with_changed_words(text: str, chance: random.Random, words: Sequence[str]) -> str:
    """Lose, swap or replace words of a text; a third of the texts stay as they are."""
    found = text.split()
    if chance.random() < 1 / 3:
        return text
    share = chance.uniform(0.05, 0.3)
    found = change_words(found, chance.choice(("delete", "swap")), chance, {}, alpha=share / 2)
    return " ".join(chance.choice(words) if chance.random() < share / 2 else word for word in found)


@dataclass(frozen=True)
class Batch:
    """Token ids of shape (pairs, tokens), padded on the right, and how much each counts as what is to be told."""

    ids: Tensor
    weights: Tensor
    shift: int


class Batches:
    """Pairs as token ids, in batches of like length."""

    def __init__(self, texts: Texts, tokenizer: PreTrainedTokenizerBase, longest: int, tokens: int) -> None:
        """Take what pairs are drawn from; a text has at most ``longest`` tokens, a batch about ``tokens``."""
        self._texts = texts
        self._tokenizer = tokenizer
        self._longest = longest
        self._tokens = tokens

    def draw(self, steps: int, seed: int) -> Iterator[Batch]:
        """Give a batch for every step."""
        chance = random.Random(seed)
        copying, rewording = self._texts.pairs(chance, 1.0), self._texts.pairs(chance, CHANGED)
        waiting: list[Batch] = []
        for step in range(steps):
            if not waiting:
                only_copies = chance.random() > 4 * step / steps
                waiting = self._some(copying if only_copies else rewording, chance)
            yield waiting.pop()

    def _some(self, pairs: Iterator[Pair], chance: random.Random) -> list[Batch]:
        """Make some batches of the next pairs, in random order."""
        rows = sorted(self.rows([next(pairs) for _ in range(256)]), key=lambda row: sum(map(len, row)))
        batches, size = [], 0
        while rows:
            size = max(1, self._tokens // sum(map(len, rows[-1])))
            batches.append(self.batch(rows[-size:], chance.randrange(SHIFTED)))
            del rows[-size:]
        chance.shuffle(batches)
        return batches

    def rows(self, pairs: Sequence[Pair]) -> list[tuple[list[int], list[int]]]:
        """Give the token ids of pairs whose texts are short enough: [CLS] source [SEP], and target [SEP]."""
        encoded = self._tokenizer([text for pair in pairs for text in pair], verbose=False)["input_ids"]
        both = zip(encoded[::2], encoded[1::2], strict=True)
        return [(one, other[1:]) for one, other in both if max(len(one), len(other)) <= self._longest]

    def batch(self, rows: Sequence[tuple[list[int], list[int]]], shift: int) -> Batch:
        """Pad rows to one length."""
        width = max(len(source) + len(target) for source, target in rows)
        ids, weights = torch.full((len(rows), width), self._tokenizer.pad_token_id), torch.zeros(len(rows), width)
        for row, (source, target) in enumerate(rows):
            whole = len(source) + len(target)
            ids[row, :whole] = torch.tensor(source + target)
            weights[row, 1:whole] = OF_SOURCE
            weights[row, len(source) : whole] = 1.0
        return Batch(ids, weights, shift)
