"""Effective sample size of clustered rows, and exact bounds of a rate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, stdtrit

Floats = NDArray[np.float64]


def smallest_size(codes: NDArray[np.int64]) -> float:
    """Return the effective number of rows if all rows of a group are equal.

    Parameters
    ----------
    codes : ndarray of shape (n_rows,), int64
        Group of each row.

    Returns
    -------
    size : float
        The number of groups if they have equal size, otherwise less.
    """
    counts = np.bincount(codes)
    return float(counts.sum() ** 2 / np.sum(counts.astype(np.float64) ** 2))


def small_sample_factor(n_rows: int, n_groups: float, level: float) -> float:
    """Return a factor that reduces an effective size estimated from few groups.

    Parameters
    ----------
    n_rows : int
    n_groups : float
        The effective number of groups by :func:`smallest_size`, which is small if a few groups are
        much larger than the others.
    level : float in (0, 1)
        Confidence level.

    Returns
    -------
    factor : float in (0, 1]
        Squared ratio of two quantiles of Student's distribution [1]_; 1 without groups.

    References
    ----------
    .. [1] E. L. Korn, B. I. Graubard, "Confidence intervals for proportions with small expected
       number of positive counts estimated from survey data", Survey Methodology 24, 1998.
    """
    tail = (1.0 + level) / 2.0
    ratio = stdtrit(max(n_rows - 1, 1), tail) / stdtrit(max(n_groups - 1.0, 0.5), tail)
    return float(ratio**2)


def effective_size(error: NDArray[Any], codes: NDArray[np.int64], level: float) -> float:
    """Return the effective number of independent rows for a rate of clustered rows.

    Parameters
    ----------
    error : ndarray of shape (n_rows,), bool
        Events that the rate counts.
    codes : ndarray of shape (n_rows,), int64
        Group of each row.
    level : float in (0, 1)
        Confidence level.

    Returns
    -------
    size : float
        The number of rows divided by the design effect. The design effect is estimated between
        groups and is at least one. It is the largest possible if no row or every row is an error,
        because the correlation within groups cannot be measured then.
    """
    n_rows, rate = len(error), float(np.mean(error))
    counts = np.bincount(codes)
    counts = counts[counts > 0]
    n_groups = len(counts)
    if n_groups == n_rows:
        return float(n_rows)
    codes = np.unique(codes, return_inverse=True)[1]
    smallest = smallest_size(codes)
    if rate in (0.0, 1.0):
        return smallest
    excess = np.bincount(codes, weights=error) - rate * counts
    variance = n_groups / (n_groups - 1) * np.sum(excess**2) / n_rows**2
    size = min(n_rows, rate * (1.0 - rate) / max(variance, 1e-300))
    return max(size * small_sample_factor(n_rows, smallest, level), 1e-3)


def rate_bounds(rate: ArrayLike, size: float, tail: float) -> tuple[Floats, Floats]:
    """Return Clopper and Pearson's exact bounds of a rate.

    Parameters
    ----------
    rate : array-like of float in [0, 1]
        Observed rates.
    size : float
        Number of independent rows, not necessarily an integer.
    tail : float in (0, 1)
        Probability beyond each bound.

    Returns
    -------
    low, high : ndarray of float
    """
    count = np.asarray(rate, dtype=np.float64) * size
    complement = np.maximum(size - count, 0.0)
    with np.errstate(invalid="ignore"):
        low = betaincinv(np.maximum(count, 1e-12), complement + 1.0, tail)
        high = betaincinv(count + 1.0, np.maximum(complement, 1e-12), 1.0 - tail)
    return np.where(count <= 0, 0.0, low), np.where(complement <= 1e-9, 1.0, high)
