"""Which examples a step sees: drawn from the seed and the step alone, so that a resumed run draws the same."""

import numpy as np

from ...classifier.errors import SettingsError
from ..methods import Method
from ..recipe import TrainingSettings

VOTED_SHARE = 0.5
"""At least this share of a step's pool texts has a vote, as far as there are so many: a vote is surer than a guess."""


class EpochSampler:
    """Deals ``size`` examples in seeded random order, ``batch`` a step, each once an epoch."""

    def __init__(self, size: int, batch: int, seed: int, stream: int) -> None:
        """Take the number of examples, the examples a step, the run's seed, and a number that tells samplers apart.

        Raises:
            ValueError: there are no examples, or none a step.
        """
        if size < 1 or batch < 1:
            raise ValueError(f"cannot deal {size} examples, {batch} a step: both must be at least 1")
        self._size = size
        self._batch = batch
        self._key = (seed, stream)
        self._orders: dict[int, np.ndarray] = {}

    def __call__(self, step: int) -> list[int]:
        """Give the positions that a step sees; at the end of an epoch the next one fills the batch.

        A batch larger than the examples holds some of them more than once.
        """
        start = step * self._batch
        return [self._at(position) for position in range(start, start + self._batch)]

    def epoch(self, step: int) -> int:
        """Say how many whole epochs lie before a step."""
        return step * self._batch // self._size

    def first_step(self, epoch: int) -> int:
        """Say at which step ``epoch`` whole epochs lie behind."""
        return -(-epoch * self._size // self._batch)

    def _at(self, position: int) -> int:
        epoch, offset = divmod(position, self._size)
        if epoch not in self._orders:
            # a step looks forwards only, so the order before is the only one kept
            self._orders = {key: value for key, value in self._orders.items() if key == epoch - 1}
            self._orders[epoch] = np.random.default_rng((*self._key, epoch)).permutation(self._size)
        return int(self._orders[epoch][offset])


class PoolSampler:
    """Deals the texts of a pool, ``batch`` a step: voted ones by their number, or ``VOTED_SHARE`` of a batch.

    Where all texts have a vote, or none, each comes once an epoch.
    """

    def __init__(self, voted: np.ndarray, batch: int, seed: int) -> None:
        """Take which texts of the pool have a vote, bool of shape (pool,), the texts a step and the run's seed.

        Raises:
            ValueError: the pool is empty, or there are no texts a step.
        """
        groups = [np.flatnonzero(voted), np.flatnonzero(~voted)]
        of_voted = round(batch * max(voted.mean(), VOTED_SHARE)) if len(voted) else 0
        of_voted = min(of_voted, batch - 1, len(groups[0]))  # no text twice in a batch, and a place for the others
        sizes = [of_voted, batch - of_voted]
        if of_voted == 0 or voted.all() or not voted.any():
            groups, sizes = [np.arange(len(voted))], [batch]
        self._groups = groups
        self._samplers = [
            EpochSampler(len(group), size, seed, stream=1 + number)
            for number, (group, size) in enumerate(zip(groups, sizes, strict=True))
        ]

    def __call__(self, step: int) -> list[int]:
        """Give the positions in the pool that a step sees."""
        dealt = zip(self._groups, self._samplers, strict=True)
        return [int(group[at]) for group, sampler in dealt for at in sampler(step)]

    def epoch(self, step: int) -> int:
        """Say how many times every text of the pool has been dealt before a step."""
        return min(sampler.epoch(step) for sampler in self._samplers)

    def first_step(self, epoch: int) -> int:
        """Say at which step every text of the pool has been dealt ``epoch`` times."""
        return max(sampler.first_step(epoch) for sampler in self._samplers)


def require_steps(settings: TrainingSettings, pool: PoolSampler, method: Method) -> None:
    """Refuse a training that ends before its method has found out what it needs: it would be another method's.

    Raises:
        SettingsError: the training has too few steps.
    """
    beginning = method.beginning
    if beginning is None:
        return
    first = settings.pseudo_labels_from + pool.first_step(beginning.passes)
    if first >= settings.steps:
        raise SettingsError(
            f"training.steps is {settings.steps}, but the method {beginning.lacking}, that is in {first} steps: set "
            f"training.steps to at least {first + 1}, raise training.unlabelled_batch, or {beginning.cure}"
        )
