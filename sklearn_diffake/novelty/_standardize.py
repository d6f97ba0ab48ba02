"""Standardize rows or images block by block."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.utils._arrays import exceeds_rounding
from sklearn_diffake.utils._batches import batch_slices, size_within

_IN_CACHE = 2**14  # values per block that fit a cache


def blocks(X: Any, n_values: int = 2**18) -> Iterator[slice]:
    """Split the rows of an array or tensor into slices.

    Parameters
    ----------
    X : array or tensor of shape (n_samples, ...)
    n_values : int, default=2**18
        Largest number of values in a slice of more than one row.

    Returns
    -------
    iterator of slice
    """
    return batch_slices(len(X), size_within(n_values, math.prod(X.shape[1:])))


def mean_and_scale(X: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and standard deviation of genuine rows.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features) or (n_samples, ...)

    Returns
    -------
    location, scale : ndarray of shape (n_features,), or (1,) if `X` has more axes
        The scale of a constant feature is the mean of the others.

    Raises
    ------
    ValueError
        If all features are constant.
    """
    flat = X if X.ndim == 2 else X.reshape(-1, 1)

    def mean(function: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[np.float64]:
        sums = (function(flat[b]).sum(axis=0, dtype=np.float64) for b in blocks(flat, _IN_CACHE))
        return sum(sums) / len(flat)

    location = mean(lambda x: x)
    scale = np.sqrt(mean(lambda x: np.square(x - location)))
    varies = exceeds_rounding(scale, np.abs(location))
    if not varies.any():
        raise ValueError(
            f"All {len(X)} genuine rows are the same (nothing varies), so there is nothing to "
            "learn. Are the pairs made of one image twice?"
        )
    return location, np.where(varies, scale, scale[varies].mean())


def standardize(
    X: NDArray[Any],
    location: NDArray[np.float64],
    scale: NDArray[np.float64],
    dtype: type = np.float64,
) -> NDArray[Any]:
    """Compute ``(X - location) / scale`` in float64, and store it as `dtype`.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...)
    location, scale : ndarray
        As returned by `mean_and_scale`.
    dtype : type, default=numpy.float64

    Returns
    -------
    ndarray of the shape of X
    """
    out: NDArray[Any] = np.empty(X.shape, dtype)
    for rows in blocks(X, _IN_CACHE):
        out[rows] = (X[rows] - location) / scale
    return out
