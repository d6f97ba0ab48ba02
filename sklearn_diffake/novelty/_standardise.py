"""Standardise rows, or images, a block at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BLOCK = 2**21  # values at a time


def blocks(X: Any) -> Iterator[slice]:
    """Cut the rows of an array or tensor into slices of about two million values.

    Parameters
    ----------
    X : array or tensor of shape (n_samples, ...)

    Yields
    ------
    slice
    """
    size = max(1, _BLOCK // max(1, math.prod(X.shape[1:])))
    return (slice(start, start + size) for start in range(0, len(X), size))


def standardisation(X: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the mean and standard deviation of genuine rows.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features) or (n_samples, ...)

    Returns
    -------
    location, scale : ndarray of shape (n_features,), or (1,) where `X` has more axes
        Of a feature that does not vary, the scale is the mean of those of the others.

    Raises
    ------
    ValueError
        If nothing varies.
    """
    flat = X if X.ndim == 2 else X.reshape(-1, 1)
    location = sum(flat[b].sum(axis=0, dtype=np.float64) for b in blocks(flat)) / len(flat)
    squares = sum(np.square(flat[b] - location).sum(axis=0) for b in blocks(flat))
    scale = np.sqrt(squares / len(flat))
    rounding = 16 * np.finfo(np.float64).eps * np.abs(location)
    varies = scale > rounding
    if not varies.any():
        raise ValueError(
            f"All {len(X)} genuine rows are the same (nothing varies), so there is nothing to "
            "learn. Are the pairs made of one image twice?"
        )
    return location, np.where(varies, scale, scale[varies].mean())


def standardise(
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
        As `standardisation` returned them.
    dtype : type, default=numpy.float64

    Returns
    -------
    ndarray of the shape of X
    """
    out: NDArray[Any] = np.empty(X.shape, dtype)
    for rows in blocks(X):
        out[rows] = (X[rows] - location) / scale
    return out
