"""Moments of rows that come in chunks."""

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf_shrinkage, oas

from sklearn_diffake.utils._moments import RunningMoments


def heavy_tailed(n, d, offset=0.0, seed=0):
    """Rows with correlated features and a drift, so that chunks differ."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) * np.exp(rng.normal(size=(n, 1)))
    return rows + np.linspace(0, 5, n)[:, np.newaxis] + offset


def in_chunks(X, n_chunks, **options):
    moments = RunningMoments(**options)
    for chunk in np.array_split(X, n_chunks):
        moments.partial_fit(chunk)
    return moments


@pytest.mark.parametrize(("n", "d"), [(500, 6), (40, 30), (20, 60), (50, 1)])
@pytest.mark.parametrize("n_chunks", [1, 7, 20])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_moments_in_chunks_are_those_of_all_rows(n, d, n_chunks, offset):
    X = heavy_tailed(n, d, offset)
    Z = X - X.mean(axis=0)
    squares = np.square(Z).sum(axis=1)
    moments = in_chunks(X, n_chunks)
    assert moments.n_rows_ == n
    np.testing.assert_allclose(moments.mean_, X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.scatter_, Z.T @ Z, atol=1e-9 * squares.sum())
    np.testing.assert_allclose(moments.cubes_, squares @ Z, atol=1e-9 * squares.sum() ** 1.5)
    np.testing.assert_allclose(moments.fourths_, squares @ squares, rtol=1e-9)
    np.testing.assert_allclose(moments.variances, X.var(axis=0), rtol=1e-9)


@pytest.mark.parametrize(("n", "d"), [(500, 6), (40, 30), (20, 60), (50, 1), (2, 3)])
@pytest.mark.parametrize("n_chunks", [1, 2])
def test_shrinkage_is_that_of_scikit_learn(n, d, n_chunks):
    X = heavy_tailed(n, d, 3.0)
    Z, moments = X - X.mean(axis=0), in_chunks(X, n_chunks)
    expected = ledoit_wolf_shrinkage(Z, assume_centered=True)
    assert moments.ledoit_wolf() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert moments.oas() == pytest.approx(oas(Z, assume_centered=True)[1], rel=1e-9)


def test_squares_alone_are_the_diagonal():
    X = heavy_tailed(100, 5)
    moments = in_chunks(X, 4, diagonal=True)
    assert moments.scatter_.shape == (5,)
    np.testing.assert_allclose(moments.variances, X.var(axis=0))


@pytest.mark.parametrize("value", [0.0, 0.1, 1e8 / 3])
def test_equal_rows_do_not_vary(value):
    X = np.full((300, 4), value)
    assert not in_chunks(X, 9).varies
    X[17, 2] += 1e-6 * max(value, 1)
    assert in_chunks(X, 9).varies
