"""Compute conformal p-values: calibration scores, weights, categories, thresholds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_diffake.utils._batches import batch_slices, size_within

#: Category of a pair of single images.
SINGLE = (1, 1)
_CHUNK = 4_000_000  # differences of scores per batch

Floats = NDArray[np.float64]


def p_values_of_mass(mass: Any, n_calibration: int | NDArray[Any]) -> Floats:
    """Return the p-value of a row from the weight of calibration scores up to its score.

    The row itself is counted: this is the finite-sample correction. The result is rounded, so that
    it does not depend on the order in which weights such as 1/3 are summed.

    Parameters
    ----------
    mass : array-like
    n_calibration : int or ndarray
        Total weight of the calibration scores.

    Returns
    -------
    p : ndarray, in (0, 1]
    """
    return np.round((1.0 + mass) / (n_calibration + 1.0), 12)


def level_for(target_bpcer: float, n_calibration: int) -> float:
    """Return the level of rejection: the target, or the smallest p-value if that is larger."""
    return max(target_bpcer, float(p_values_of_mass(0.0, n_calibration)))


def least_n(target_bpcer: float) -> int:
    """Return the smallest number of calibration rows with which a target can be reached."""
    return math.ceil(round(1 / target_bpcer, 9)) - 1


def row_weights(codes: NDArray[np.integer]) -> Floats:
    """Return row weights such that the sum in each group is one.

    Parameters
    ----------
    codes : ndarray of shape (n,), int
        Number of the group of each row, from 0.

    Returns
    -------
    weights : ndarray of shape (n,)
    """
    return 1.0 / np.bincount(codes)[codes]


def ascending(scores: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Sort calibration scores, and cumulate their weights.

    Parameters
    ----------
    scores, weights : ndarray of shape (n,)

    Returns
    -------
    scores : ndarray of shape (n,)
        Ascending.
    masses : ndarray of shape (n + 1,)
        Cumulated weights of the lowest 0, 1, ..., n scores.
    """
    order = np.argsort(scores, kind="stable")
    return scores[order], np.cumsum([0.0, *weights[order]])


def mass_at(values: Any, scores: Floats, masses: Floats) -> Floats:
    """Return the weight of the calibration scores up to each value."""
    return masses[np.searchsorted(scores, values, side="right")]


def lowest_accepted(scores: Floats, masses: Floats, n_calibration: int, level: float) -> float:
    """Return the lowest score whose p-value is above a level.

    Parameters
    ----------
    scores, masses : ndarray
        From :func:`ascending`.
    n_calibration : int
        Total weight of the scores.
    level : float in (0, 1)

    Returns
    -------
    threshold : float
        A calibration score; minus infinity if the level is below the smallest p-value.
    """
    if float(p_values_of_mass(0.0, n_calibration)) > level:
        return -np.inf
    p = p_values_of_mass(mass_at(scores, scores, masses), n_calibration)
    return float(scores[p > level][0])


def check_n_images(n_images: ArrayLike | None, n_rows: int) -> NDArray[np.int64]:
    """Check the numbers of images of each row.

    Parameters
    ----------
    n_images : array-like of shape (n_rows, 2), int, or None
        Reference and probe images; a clip counts as one. None means one of each.
    n_rows : int

    Returns
    -------
    n_images : ndarray of shape (n_rows, 2), int64

    Raises
    ------
    ValueError
        If the shape is not valid, or a number is not a positive integer.
    """
    if n_images is None:
        return np.ones((n_rows, 2), dtype=np.int64)
    counts = np.asarray(n_images)
    if counts.shape != (n_rows, 2):
        raise ValueError(
            f"n_images must have the shape ({n_rows}, 2), the numbers of reference and probe "
            f"images of each row, got {counts.shape}"
        )
    if counts.size and counts.dtype.kind not in "iu":
        raise ValueError(f"n_images must hold positive integers only, got {counts.dtype}")
    if counts.size and counts.min() < 1:
        raise ValueError(f"n_images must hold positive integers only, got {counts.min()}")
    return counts.astype(np.int64)


def nearest_category(
    categories: NDArray[np.integer], n_images: NDArray[np.integer]
) -> NDArray[np.intp]:
    """Return the calibration category of each row.

    More images only raise genuine scores, so a category with fewer images is conservative: its
    calibration scores are lower. Of the categories with at most the row's numbers of images, the
    one with the most images is used; of equal ones, the one with more references.

    Parameters
    ----------
    categories : ndarray of shape (c, 2), int
        Reference and probe images; (1, 1) is one of them.
    n_images : ndarray of shape (n, 2), int

    Returns
    -------
    category : ndarray of shape (n,), intp
        Positions in `categories`.
    """
    largest = int(categories.max()) + 1
    rank = categories.sum(axis=1) * largest + categories[:, 0]
    fits = (categories[np.newaxis] <= n_images[:, np.newaxis]).all(axis=2)
    return np.where(fits, rank, -1).argmax(axis=1)


def cross_margin(
    scores: Floats,
    calibration_scores: Sequence[Floats],
    calibration_masses: Sequence[Floats],
    n_calibration: int,
    level: float,
) -> Floats:
    """Return the margin of every row over enough calibration scores to be accepted.

    The differences to all calibration scores, each under the detector from which that row was held
    out, are sorted in descending order. The margin is the difference at which their cumulated
    weight gives ``p > level``. So it is at least zero exactly where the p-value is above `level`.

    Parameters
    ----------
    scores : ndarray of shape (n, K)
        Scores of every row under each of K detectors.
    calibration_scores, calibration_masses : list of K ndarrays
        Arrays of each detector, from :func:`ascending`.
    n_calibration : int
        Total weight of the calibration scores.
    level : float in (0, 1)

    Returns
    -------
    margin : ndarray of shape (n,)
    """
    lowest = []  # number of scores of each detector with enough weight
    for masses in calibration_masses:
        enough = p_values_of_mass(masses[1:], n_calibration) > level
        lowest.append(int(enough.argmax()) + 1 if enough.any() else len(enough))
    cut = list(zip(calibration_scores, calibration_masses, lowest, strict=True))
    calibration = np.concatenate([values[:n] for values, _, n in cut])
    weight = np.concatenate([np.diff(masses)[:n] for _, masses, n in cut])
    detector = np.repeat(np.arange(len(cut)), lowest)
    margin = np.empty(len(scores))
    for rows in batch_slices(len(scores), size_within(_CHUNK, len(calibration))):
        above = scores[rows][:, detector] - calibration
        order = np.argsort(-above, axis=1)
        p = p_values_of_mass(np.cumsum(weight[order], axis=1), n_calibration)
        last = np.argmax(p > level, axis=1)[:, np.newaxis]
        margin[rows] = np.take_along_axis(above, np.take_along_axis(order, last, 1), 1)[:, 0]
    return margin
