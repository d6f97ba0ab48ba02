"""Lengths and cosine distances of vectors."""

import numpy as np

from sklearn_diffake.utils._arrays import cosine_distance, reciprocal, row_lengths


def test_cosine_distance_of_rows():
    first = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [2.0, 0.0]])
    second = np.array([[0.0, 3.0], [2.0, 2.0], [1.0, 0.0], [-1.0, 0.0]])
    np.testing.assert_allclose(cosine_distance(first, second), [1.0, 0.0, 1.0, 2.0], atol=1e-15)


def test_lengths_do_not_overflow_in_float32():
    rows = np.full((1, 4), 3e30, dtype=np.float32)
    np.testing.assert_allclose(row_lengths(rows), [6e30], rtol=1e-6)
    assert reciprocal(np.zeros(1)) == 1.0
