"""Error rates of presentation-attack detection, from scores."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import roc_curve
from sklearn.utils.validation import check_consistent_length, column_or_1d

from sklearn_diffake.base import check_finite


def check_scores(
    y_true: ArrayLike, score: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Check labels and scores, and return them as arrays.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        +1 for genuine, -1 for deepfake.
    score : array-like of shape (n_samples,)
        Finite numbers.

    Returns
    -------
    y_true : ndarray of shape (n_samples,), int64
    score : ndarray of shape (n_samples,), float64

    Raises
    ------
    ValueError
        If lengths differ, a label is neither +1 nor -1, a score is not finite, or one of the two
        classes is absent.
    """
    labels = column_or_1d(y_true)
    values = np.asarray(column_or_1d(score), dtype=np.float64)
    check_consistent_length(labels, values)
    wrong = np.flatnonzero(~np.isin(labels, [1, -1]))
    if wrong.size:
        raise ValueError(
            f"y_true must hold +1 (genuine) or -1 (deepfake); row {wrong[0]} holds "
            f"{labels[wrong[0]]!r}."
        )
    check_finite(values, name="score")
    if len(np.unique(labels)) < 2:
        only = "genuine (+1)" if len(labels) and labels[0] == 1 else "deepfake (-1)"
        raise ValueError(f"y_true must hold both classes; all {len(labels)} rows are {only}.")
    return labels.astype(np.int64), values


@overload
def equal_error_rate(
    y_true: ArrayLike, score: ArrayLike, *, return_threshold: Literal[False] = False
) -> float: ...


@overload
def equal_error_rate(
    y_true: ArrayLike, score: ArrayLike, *, return_threshold: Literal[True]
) -> tuple[float, float]: ...


def equal_error_rate(
    y_true: ArrayLike, score: ArrayLike, *, return_threshold: bool = False
) -> float | tuple[float, float]:
    """Error rate at which as many genuine are rejected as deepfakes are accepted.

    It lies where the ROC curve, its points joined by straight lines, meets ``BPCER = APCER``:
    the share of genuine (bona fide) called deepfake, and of deepfakes called genuine
    (ISO/IEC 30107-3). It depends on the order of scores only.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        +1 for genuine, -1 for deepfake; both must occur.
    score : array-like of shape (n_samples,)
        Higher means more genuine, as from ``score_samples`` or ``decision_function``.
    return_threshold : bool, default=False
        Whether to return the threshold too.

    Returns
    -------
    eer : float in [0, 1]
        0 for perfect, 0.5 for chance, above 0.5 if deepfakes score higher.
    threshold : float
        The score at which calling ``score >= threshold`` genuine brings both error rates closest
        to each other; the lower of two that do equally well. Only if `return_threshold`.

    Raises
    ------
    ValueError
        If lengths differ, a label is neither +1 nor -1, a score is not finite, or one of the two
        classes is absent.

    Examples
    --------
    >>> from sklearn_diffake.metrics import equal_error_rate
    >>> equal_error_rate([1, 1, -1, -1], [9.0, 4.0, 5.0, 1.0])
    0.5
    """
    labels, values = check_scores(y_true, score)
    apcer, accepted, thresholds = roc_curve(labels, values, pos_label=1, drop_intermediate=False)
    excess = (1.0 - accepted) - apcer  # BPCER less APCER: falls from 1 to -1 along the curve
    after = int(np.argmax(excess <= 0))
    share = excess[after - 1] / (excess[after - 1] - excess[after])
    eer = float(apcer[after - 1] + share * (apcer[after] - apcer[after - 1]))
    if not return_threshold:
        return eer
    closest = after - 1 if abs(excess[after - 1]) < abs(excess[after]) else after
    return eer, float(thresholds[closest])
