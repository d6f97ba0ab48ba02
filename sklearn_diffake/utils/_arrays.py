"""Lengths and cosine distances of vectors, and whether values vary."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROUNDING = 16 * np.finfo(np.float64).eps  # of sums of equal values, relative to the values


def row_dot(first: NDArray, second: NDArray) -> NDArray[np.float64]:
    """Inner product of every row with the same row of another array, summed in float64.

    Parameters
    ----------
    first, second : ndarray of shape (n, d)

    Returns
    -------
    ndarray of shape (n,)
    """
    return np.einsum("nd,nd->n", first, second, dtype=np.float64)


def row_lengths(rows: NDArray) -> NDArray[np.float64]:
    """L2 norm of every row, summed in float64 so that float32 neither overflows nor drifts.

    Parameters
    ----------
    rows : ndarray of shape (n, d)

    Returns
    -------
    ndarray of shape (n,)
    """
    return np.sqrt(row_dot(rows, rows))


def reciprocal(lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / length, and 1 for zero vectors, which therefore stay zero.

    Parameters
    ----------
    lengths : ndarray

    Returns
    -------
    ndarray of the same shape
    """
    return np.asarray(1.0 / np.where(lengths == 0.0, 1.0, lengths))


def cosine_distance(first: NDArray, second: NDArray) -> NDArray[np.float64]:
    """One minus the cosine similarity of rows, in [0, 2]; 1 if either vector is zero.

    Parameters
    ----------
    first, second : ndarray of shape (n, d)

    Returns
    -------
    ndarray of shape (n,)
    """
    inner = row_dot(first, second)
    similarity = inner * reciprocal(row_lengths(first)) * reciprocal(row_lengths(second))
    return np.asarray(1.0 - np.clip(similarity, -1.0, 1.0))


def unit_rows(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Divide rows by their L2 norms; zeros stay zeros.

    Parameters
    ----------
    rows : ndarray of shape (n, d), float64

    Returns
    -------
    units : ndarray of shape (n, d), float64
    lengths : ndarray of shape (n, 1), float64
        The norms.
    """
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths == 0, 1, lengths), lengths


def exceeds_rounding(spread: Any, magnitude: Any) -> Any:
    """Return whether values vary by more than rounding.

    Parameters
    ----------
    spread : float or ndarray
        Range or standard deviation of the values.
    magnitude : float or ndarray
        Of the values; not negative.

    Returns
    -------
    bool, or ndarray of bool
    """
    return spread > _ROUNDING * magnitude
