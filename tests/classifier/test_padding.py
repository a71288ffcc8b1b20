"""Padded arrays, worked out by hand and compared with what the model itself collates."""

import numpy as np
import torch
from railmatch.classifier.batches import collate
from railmatch.classifier.inputs import Window
from railmatch.classifier.padding import INPUTS, padded

WINDOWS = [Window([7, 8, 9], [0, 0, 1]), Window([5], [0])]


def test_windows_are_padded_on_the_right() -> None:
    ids, mask, segments = padded(WINDOWS, pad=3)
    assert ids.tolist() == [[7, 8, 9], [5, 3, 3]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert segments.tolist() == [[0, 0, 1], [0, 0, 0]]


def test_a_larger_shape_is_filled_with_rows_of_one_token() -> None:
    ids, mask, segments = padded(WINDOWS, pad=3, rows=3, columns=4)
    assert ids.tolist() == [[7, 8, 9, 3], [5, 3, 3, 3], [3, 3, 3, 3]]
    assert mask.tolist() == [[1, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0]]
    assert segments.sum() == 1


def test_it_is_what_the_model_collates() -> None:
    inputs = padded(WINDOWS, pad=0)
    assert inputs.dtype == np.int64
    for name, value in collate(WINDOWS, pad=0).items():
        assert torch.equal(torch.from_numpy(inputs[INPUTS.index(name)]), value)
