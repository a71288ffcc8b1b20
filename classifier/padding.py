"""Token windows as one padded array, made without a tensor a row: at thousands of texts a second that counts."""

from collections.abc import Sequence

import numpy as np

from .inputs import Window

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def padded(
    windows: Sequence[Window], *, pad: int, rows: int | None = None, columns: int | None = None
) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
    """Pad windows on the right: ids, mask and segments as int64 of shape (3, rows, columns).

    ``rows`` and ``columns`` are those of the windows when left out. Rows beyond the windows hold one token of padding
    that counts, because attention over nothing is no number.
    """
    rows = len(windows) if rows is None else rows
    columns = max(map(len, windows)) if columns is None else columns
    inputs = np.zeros((len(INPUTS), rows, columns), dtype=np.int64)
    inputs[0] = pad
    inputs[1, len(windows) :, 0] = 1
    for row, window in enumerate(windows):
        inputs[0, row, : len(window)] = window.input_ids
        inputs[1, row, : len(window)] = 1
        inputs[2, row, : len(window)] = window.token_type_ids
    return inputs
