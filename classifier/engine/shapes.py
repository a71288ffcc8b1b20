"""The fixed shapes of small batches on a GPU, where starting the kernels takes longer than running them."""

from collections.abc import Iterator
from typing import NamedTuple

ROWS = (1, 2, 4, 8)
"""Windows in a batch of fixed shape."""

STEPS = ((128, 16), (256, 32), (512, 64))
"""Up to how many tokens lengths come in which steps; beyond the last one batches take the ordinary way."""


class Shape(NamedTuple):
    """Rows and columns of a batch."""

    rows: int
    columns: int


def fixed_shapes(window: int) -> Iterator[Shape]:
    """Yield the shapes that together take every batch of 1 to 8 windows of at most ``window`` tokens."""
    for rows in ROWS:
        for columns in _lengths(window):
            yield Shape(rows, columns)


def fixed_shape(rows: int, columns: int, window: int) -> Shape | None:
    """Give the smallest fixed shape that takes a batch; None where there is none."""
    if rows > ROWS[-1] or columns > window or columns > STEPS[-1][0]:
        return None
    return Shape(
        min(size for size in ROWS if size >= rows), min(size for size in _lengths(window) if size >= columns)
    )  # fmt: skip


def _lengths(window: int) -> Iterator[int]:
    """Yield the lengths up to the first that holds a whole window."""
    start = 0
    for end, step in STEPS:
        for columns in range(start + step, end + 1, step):
            yield min(columns, window)
            if columns >= window:
                return
        start = end
