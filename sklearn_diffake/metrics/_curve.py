"""Compute both error rates at every threshold, and points of that curve."""

from __future__ import annotations

from numbers import Real
from typing import Literal, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_diffake.metrics._checks import check_scores, technique_rows
from sklearn_diffake.utils._sklearn_compat import Interval, validate_params


class ErrorCurve(NamedTuple):
    """Error rates at every distinct threshold.

    Parameters
    ----------
    apcer : ndarray of shape (n_thresholds,)
        Fraction of deepfakes accepted, falling from 1 to 0.
    bpcer : ndarray of shape (n_thresholds,)
        Fraction of genuine rejected, rising from 0 to 1.
    threshold : ndarray of shape (n_thresholds,)
        The distinct scores, ascending, and infinity; ``score >= threshold`` means genuine.
    """

    apcer: NDArray[np.float64]
    bpcer: NDArray[np.float64]
    threshold: NDArray[np.float64]


def detection_error_curve(
    y_true: ArrayLike, score: ArrayLike, *, technique: ArrayLike | None = None
) -> ErrorCurve:
    """Error rates at every threshold: APCER against BPCER.

    The names follow ISO/IEC 30107-3, whose scope is presentation attacks. Without `technique` they
    are the false positive and false negative rates of :func:`sklearn.metrics.det_curve`, which
    omits the ends of the curve.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        +1 for genuine, -1 for deepfake; both must occur.
    score : array-like of shape (n_samples,)
        Higher means more genuine.
    technique : array-like of shape (n_samples,), default=None
        Technique of each deepfake; ignored where ``y_true == 1``. If given, APCER is
        that of the worst technique at each threshold.

    Returns
    -------
    curve : ErrorCurve
        ``(apcer, bpcer, threshold)``.

    Raises
    ------
    ValueError
        If lengths differ, a label is neither +1 nor -1, a score is not finite, a class is absent,
        or a deepfake has no technique.

    See Also
    --------
    DetectionErrorDisplay : Plots the curve.

    Examples
    --------
    >>> from sklearn_diffake.metrics import detection_error_curve
    >>> curve = detection_error_curve([1, 1, -1, -1], [3.0, 2.0, 2.0, 1.0])
    >>> curve.apcer
    array([1. , 0.5, 0. , 0. ])
    >>> curve.bpcer
    array([0. , 0. , 0.5, 1. ])
    >>> curve.threshold
    array([ 1.,  2.,  3., inf])
    """
    labels, values = check_scores(y_true, score)
    if technique is None:
        fakes = [values[labels == -1]]
    else:
        fakes = [values[rows] for rows in technique_rows(technique, labels).values()]
    threshold = np.append(np.unique(values), np.inf)
    genuine = values[labels == 1]
    accepted = [(len(scores) - _below(scores, threshold)) / len(scores) for scores in fakes]
    return ErrorCurve(
        np.max(accepted, axis=0), _below(genuine, threshold) / len(genuine), threshold
    )


def _below(scores: NDArray[np.float64], threshold: NDArray[np.float64]) -> NDArray[np.int64]:
    """Count the `scores` below each threshold."""
    return np.searchsorted(np.sort(scores), threshold, side="left")


def crossing(curve: ErrorCurve) -> tuple[float, float]:
    """Return the equal error rate, and the closest threshold.

    Parameters
    ----------
    curve : ErrorCurve

    Returns
    -------
    eer : float in [0, 1]
        Rate at which the linearly interpolated curve meets ``BPCER = APCER``.
    threshold : float
        Threshold at which both rates are closest; the lower of two equally close ones.
    """
    excess = curve.bpcer - curve.apcer  # rises from -1 to 1
    lower = int(np.flatnonzero(excess <= 0)[-1])
    upper = lower + 1
    fraction = excess[upper] / (excess[upper] - excess[lower])
    eer = curve.apcer[upper] + fraction * (curve.apcer[lower] - curve.apcer[upper])
    closest = upper if abs(excess[upper]) < abs(excess[lower]) else lower
    return float(eer), float(curve.threshold[closest])


@overload
def bpcer_at_apcer(
    y_true: ArrayLike,
    score: ArrayLike,
    *,
    apcer: float = 0.05,
    technique: ArrayLike | None = None,
    return_threshold: Literal[False] = False,
) -> float: ...


@overload
def bpcer_at_apcer(
    y_true: ArrayLike,
    score: ArrayLike,
    *,
    apcer: float = 0.05,
    technique: ArrayLike | None = None,
    return_threshold: Literal[True],
) -> tuple[float, float]: ...


@validate_params(
    {
        "y_true": ["array-like"],
        "score": ["array-like"],
        "apcer": [Interval(Real, 0, 1, closed="both")],
        "technique": ["array-like", None],
        "return_threshold": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def bpcer_at_apcer(
    y_true: ArrayLike,
    score: ArrayLike,
    *,
    apcer: float = 0.05,
    technique: ArrayLike | None = None,
    return_threshold: bool = False,
) -> float | tuple[float, float]:
    """Fraction of genuine rejected if at most a given fraction of deepfakes is accepted.

    The threshold is the lowest of the scores at which APCER is no more than `apcer`; nothing is
    interpolated. In the style of ISO/IEC 30107-3 [1]_, whose scope is presentation attacks,
    BPCER10, BPCER20 and BPCER100 are those at an APCER of 10, 5 and 1 %.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        +1 for genuine, -1 for deepfake; both must occur.
    score : array-like of shape (n_samples,)
        Higher means more genuine.
    apcer : float in [0, 1], default=0.05
        Largest allowed fraction of deepfakes accepted.
    technique : array-like of shape (n_samples,), default=None
        Technique of each deepfake; ignored where ``y_true == 1``. If given, the limit
        holds for each technique, otherwise for all deepfakes together.
    return_threshold : bool, default=False
        Whether to return the threshold, too.

    Returns
    -------
    bpcer : float in [0, 1]
        Number of genuine rows rejected, as a fraction of all genuine rows.
    threshold : float
        ``score >= threshold`` means genuine; infinity if the limit requires rejecting every row.
        Only if `return_threshold`.

    Raises
    ------
    ValueError
        If lengths differ, a label is neither +1 nor -1, a score is not finite, a class is absent,
        or a deepfake has no technique.

    See Also
    --------
    detection_error_curve : Both rates at every threshold.
    equal_error_rate : The rate where both are equal.
    threshold_transfer : Rates at a threshold that was set on other data.

    References
    ----------
    .. [1] ISO/IEC 30107-3:2023, "Biometric presentation attack detection, Part 3: Testing and
       reporting".

    Examples
    --------
    >>> from sklearn_diffake.metrics import bpcer_at_apcer
    >>> y, score = [1, 1, 1, 1, -1, -1], [9.0, 8.0, 7.0, 2.0, 3.0, 1.0]
    >>> bpcer_at_apcer(y, score)
    0.25
    >>> bpcer_at_apcer(y, score, apcer=0.5, return_threshold=True)
    (0.0, 2.0)
    """
    curve = detection_error_curve(y_true, score, technique=technique)
    lowest = int(np.argmax(curve.apcer <= apcer))
    bpcer = float(curve.bpcer[lowest])
    return (bpcer, float(curve.threshold[lowest])) if return_threshold else bpcer
