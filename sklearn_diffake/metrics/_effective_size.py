"""How many independent rows clustered rows are worth, and exact bounds of a rate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, stdtrit

Floats = NDArray[np.float64]


def smallest_size(codes: NDArray[np.int64]) -> float:
    """Return the effective number of rows if all rows of a group say the same.

    Parameters
    ----------
    codes : ndarray of shape (n_rows,), int64
        Group of each row.

    Returns
    -------
    size : float
        The number of groups where these are of equal size, less where they are not.
    """
    counts = np.bincount(codes)
    return float(counts.sum() ** 2 / np.sum(counts.astype(np.float64) ** 2))


def small_sample_factor(n_rows: int, n_groups: float, level: float) -> float:
    """Return the share of an effective size that is left when few groups have measured it.

    Parameters
    ----------
    n_rows : int
    n_groups : float
        The effective number, as :func:`smallest_size` gives it: a few large groups among many
        small ones decide alone.
    level : float in (0, 1)
        Confidence level.

    Returns
    -------
    factor : float in (0, 1]
        Squared ratio of two quantiles of Student's distribution [1]_; 1 without groups.

    References
    ----------
    .. [1] E. L. Korn, B. I. Graubard, "Confidence intervals for proportions with small expected
       number of positive counts estimated from survey data", Survey Methodology 24 (1998).
    """
    tail = (1.0 + level) / 2.0
    ratio = stdtrit(max(n_rows - 1, 1), tail) / stdtrit(max(n_groups - 1.0, 0.5), tail)
    return float(ratio**2)


def effective_size(error: NDArray[Any], codes: NDArray[np.int64], level: float) -> float:
    """Return the number of independent rows that clustered rows are worth for a rate.

    Parameters
    ----------
    error : ndarray of shape (n_rows,), bool
        What the rate counts.
    codes : ndarray of shape (n_rows,), int64
        Group of each row.
    level : float in (0, 1)
        Confidence level.

    Returns
    -------
    size : float
        The number of rows over the design effect. The latter is measured between groups, is no
        less than one, and is the largest possible where no row or every row is an error: then
        nothing tells how much alike the rows of a group are.
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
        Number of independent rows; need not be whole.
    tail : float in (0, 1)
        Probability left beyond each bound.

    Returns
    -------
    low, high : ndarray of float
    """
    count = np.asarray(rate, dtype=np.float64) * size
    rest = np.maximum(size - count, 0.0)
    with np.errstate(invalid="ignore"):
        low = betaincinv(np.maximum(count, 1e-12), rest + 1.0, tail)
        high = betaincinv(count + 1.0, np.maximum(rest, 1e-12), 1.0 - tail)
    return np.where(count <= 0, 0.0, low), np.where(rest <= 1e-9, 1.0, high)
