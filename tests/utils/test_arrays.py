"""Lengths and cosine distances of vectors."""

import numpy as np

from sklearn_diffake.utils._arrays import (
    cosine_distance,
    exceeds_rounding,
    reciprocal,
    row_lengths,
    unit_rows,
)


def test_cosine_distance_of_rows():
    first = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [2.0, 0.0]])
    second = np.array([[0.0, 3.0], [2.0, 2.0], [1.0, 0.0], [-1.0, 0.0]])
    np.testing.assert_allclose(cosine_distance(first, second), [1.0, 0.0, 1.0, 2.0], atol=1e-15)


def test_lengths_do_not_overflow_in_float32():
    rows = np.full((1, 4), 3e30, dtype=np.float32)
    np.testing.assert_allclose(row_lengths(rows), [6e30], rtol=1e-6)
    assert reciprocal(np.zeros(1)) == 1.0


def test_unit_rows_keep_zeros():
    units, lengths = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))
    assert units.tolist() == [[0.6, 0.8], [0.0, 0.0]]
    assert lengths.tolist() == [[5.0], [0.0]]


def test_a_spread_of_rounding_is_none():
    third = np.full(3, 0.1) * 3
    assert not exceeds_rounding(np.std(third), 0.3)
    assert exceeds_rounding(np.array([1e-9, 0.0]), 0.3).tolist() == [True, False]
