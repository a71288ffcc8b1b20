"""What the training loop sees: token windows of the labelled texts, of the pool, and of the pool's rewrites."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...classifier.inputs import Exchange, Window, WindowEncoder
from ..data.records import Record

Rewrites = Mapping[str, Sequence[Exchange]]
"""The kept rewrites of each text, by record id."""


@dataclass(frozen=True, slots=True)
class Views:
    """Tokenised once, before the first step.

    labelled: one window an example; labels: int64 of shape (examples,), 1 is harmful.
    weak: one window a pool text; strong: the windows of its rewrites, none where it has none.
    shortened: how many texts were longer than a window, so that training sees their beginning only.
    """

    labelled: list[Window]
    labels: Tensor
    weak: list[Window]
    strong: list[list[Window]]
    shortened: int

    @classmethod
    def of(
        cls,
        encode: WindowEncoder,
        labelled: Sequence[Record],
        pool: Sequence[Record] = (),
        rewrites: Rewrites | None = None,
    ) -> "Views":
        """Encode labelled records and the pool with its rewrites (by record id)."""
        labelled_windows = encode([record.exchange for record in labelled], full=True)
        weak_windows = encode([record.exchange for record in pool], full=True)
        kept = [list((rewrites or {}).get(record.id, ())) for record in pool]
        strong = [[windows[0] for windows in encode(group, full=True)] for group in kept]
        return cls(
            labelled=[windows[0] for windows in labelled_windows],
            labels=torch.tensor([record.label or 0 for record in labelled]),
            weak=[windows[0] for windows in weak_windows],
            strong=strong,
            shortened=sum(len(windows) > 1 for windows in labelled_windows + weak_windows),
        )

    def of_labelled(self, positions: Sequence[int]) -> "Views":
        """Keep the labelled examples at some positions only, and the whole pool; the windows are the same objects."""
        return replace(self, labelled=[self.labelled[at] for at in positions], labels=self.labels[list(positions)])

    def windows(self) -> list[Window]:
        """List every window that a step may see."""
        return [*self.labelled, *self.weak, *(window for views in self.strong for window in views)]
