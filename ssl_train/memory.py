"""Go on with a smaller batch where the GPU's memory is out."""

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from ..classifier.errors import ModelError

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class Batch:
    """A batch size that is halved whenever memory runs out, and stays halved for what comes after."""

    def __init__(self, size: int, what: str, say: Callable[[str], None] = _log.warning) -> None:
        """Take the size to begin with, what is in a batch (in the plural), and whom to tell of a change."""
        self.size = size
        self._what = what
        self._say = say

    def run(self, work: Callable[[int], Result]) -> Result:
        """Do ``work``, which gets the size of its batches, again with half of it until memory suffices.

        Raises:
            ModelError: memory does not suffice for a batch of one.
        """
        while True:
            try:
                return work(self.size)
            except torch.OutOfMemoryError as error:
                if self.size <= 1:
                    raise ModelError(
                        f"out of GPU memory even with batches of 1 {self._what}: take a smaller model, end what else "
                        "uses the GPU, or set device to cpu"
                    ) from error
            # outside of the handler, whose error keeps the tensors of the failed attempt alive
            self.size //= 2
            torch.cuda.empty_cache()
            self._say(f"out of GPU memory: going on with batches of {self.size} {self._what}")
