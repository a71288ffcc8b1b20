"""How many pseudo-labels there are over the time of a training, and how many are wrong: for measuring only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from railmatch.classifier.tasks import LABELS
from railmatch.ssl_train.data.records import Record
from railmatch.ssl_train.loop.trainer import Observe
from railmatch.ssl_train.methods import PseudoLabels
from torch import Tensor

BLOCKS = 20
"""Into how many blocks of steps a training is divided."""


@dataclass(slots=True)
class PseudoLabelWatch:
    """Counts, in each block of steps, the pseudo-labels that were judged, kept, and kept though wrong.

    labels: true labels of the pool by id, 1 being harmful. steps: how many the training has.
    With several heads each head's pseudo-label counts; targets of MarginMatch's virtual class are none.
    """

    labels: Mapping[str, int]
    steps: int
    judged: dict[int, int] = field(default_factory=dict)
    kept: dict[int, int] = field(default_factory=dict)
    wrong: dict[int, int] = field(default_factory=dict)

    def observe(self, pool: Sequence[Record]) -> Observe:
        """Give what the training tells its steps, positions in ``pool`` and pseudo-labels."""
        truth = torch.tensor([self.labels[record.id] for record in pool])

        def note(step: int, index: Tensor, pseudo: PseudoLabels) -> None:
            targets = pseudo.targets.cpu()
            counts = (pseudo.weights.cpu() > 0) & (targets.argmax(dim=-1) < len(LABELS))
            wrong = counts & (targets.argmax(dim=-1) != truth[index][:, None])
            block = step * BLOCKS // self.steps
            for column, values in ((self.kept, counts), (self.wrong, wrong)):
                column[block] = column.get(block, 0) + int(values.sum())
            self.judged[block] = self.judged.get(block, 0) + counts.numel()

        return note

    def as_dict(self) -> dict[str, list[float | None]]:
        """Give by block its end (share of the training), the share kept, and the share of the kept that is wrong."""
        blocks = sorted(self.judged)
        return {
            "time": [(block + 1) / BLOCKS for block in blocks],
            "kept": [self.kept[block] / self.judged[block] for block in blocks],
            "error": [self.wrong[block] / self.kept[block] if self.kept[block] else None for block in blocks],
        }
