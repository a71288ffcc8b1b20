"""The fixed shapes of small batches: worked out by hand."""

import pytest
from railmatch.classifier.engine.shapes import Shape, fixed_shape, fixed_shapes


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        (1, 1, Shape(1, 16)),
        (1, 16, Shape(1, 16)),
        (2, 17, Shape(2, 32)),
        (3, 128, Shape(4, 128)),
        (5, 129, Shape(8, 160)),
        (8, 257, Shape(8, 320)),
        (8, 512, Shape(8, 512)),
        (9, 16, None),
        (1, 513, None),
    ],
)
def test_the_smallest_shape_that_fits(rows: int, columns: int, expected: Shape | None) -> None:
    assert fixed_shape(rows, columns, 512) == expected


def test_lengths_end_with_the_window() -> None:
    assert [shape.columns for shape in fixed_shapes(100) if shape.rows == 1] == [16, 32, 48, 64, 80, 96, 100]
    assert fixed_shape(1, 97, 100) == Shape(1, 100)
    assert fixed_shape(1, 101, 100) is None


@pytest.mark.parametrize("window", [12, 16, 96, 200, 512, 8192])
def test_every_small_batch_has_one_of_the_shapes(window: int) -> None:
    shapes = list(fixed_shapes(window))
    assert len(set(shapes)) == len(shapes) <= 4 * 16
    for rows in range(1, 9):
        for columns in range(1, min(window, 512) + 1):
            assert fixed_shape(rows, columns, window) in shapes


def test_no_shape_of_a_long_batch_has_a_third_of_padding() -> None:
    assert all(fixed_shape(8, columns, 512).columns <= 1.34 * columns for columns in range(48, 513))
