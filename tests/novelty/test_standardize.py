"""Location and scale of genuine rows."""

import numpy as np
import pytest

from sklearn_diffake.novelty._standardize import _IN_CACHE, blocks, mean_and_scale, standardize

rng = np.random.default_rng(0)


@pytest.mark.parametrize("n", [2, 50, _IN_CACHE + 3])
def test_mean_and_standard_deviation_of_features(n):
    X = rng.normal(3.0, [1.0, 10.0, 100.0], size=(n, 3))
    location, scale = mean_and_scale(X)
    np.testing.assert_allclose(location, X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scale, X.std(axis=0), rtol=1e-9)


def test_pictures_have_one_mean_and_one_scale():
    X = rng.integers(0, 256, size=(7, 4, 5, 3), dtype=np.uint8)
    location, scale = mean_and_scale(X)
    np.testing.assert_allclose(location, [X.mean()], rtol=1e-12)
    np.testing.assert_allclose(scale, [X.std()], rtol=1e-9)


def test_a_constant_feature_gets_the_mean_of_the_other_scales():
    X = np.array([[1e6, 0.0, 0.0], [1e6, 2.0, 4.0]])
    location, scale = mean_and_scale(X)
    np.testing.assert_array_equal(location, [1e6, 1.0, 2.0])
    np.testing.assert_array_equal(scale, [1.5, 1.0, 2.0])


def test_rows_that_do_not_vary_are_refused():
    with pytest.raises(ValueError, match="All 4 genuine rows are the same"):
        mean_and_scale(np.full((4, 3), 7.0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 50, _IN_CACHE + 3])
def test_rows_are_standardized(n, dtype):
    X = rng.normal(3.0, 10.0, size=(n, 3)).astype(np.float32)
    location, scale = np.array([1.0, 2.0, 3.0]), np.array([0.5, 2.0, 4.0])
    result = standardize(X, location, scale, dtype)
    assert result.dtype == dtype
    expected = (X.astype(np.float64) - location) / scale
    np.testing.assert_array_equal(result, expected.astype(dtype))


@pytest.mark.parametrize(
    ("n_values", "sizes"), [(3, [1] * 5), (4, [1] * 5), (8, [2, 2, 1]), (100, [5])]
)
def test_blocks_hold_at_most_so_many_values(n_values, sizes):
    X = np.zeros((5, 2, 2))
    slices = list(blocks(X, n_values))
    assert [len(X[rows]) for rows in slices] == sizes
    np.testing.assert_array_equal(np.concatenate([np.arange(5)[rows] for rows in slices]), range(5))
