"""Error rates at one threshold, in the style of ISO/IEC 30107-3.

The scope of the standard is presentation attacks. Here its terms are used for deepfakes: APCER is
the fraction of deepfakes accepted, BPCER the fraction of genuine (bona fide) rows rejected.
"""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from sklearn_diffake.metrics._checks import check_scores, technique_rows
from sklearn_diffake.metrics._curve import crossing, detection_error_curve


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
    """Error rate at the threshold at which APCER equals BPCER.

    It is the point at which the linearly interpolated ROC curve meets ``BPCER = APCER``, the
    fractions of genuine (bona fide) rows rejected and of deepfakes accepted (terms of ISO/IEC
    30107-3). It depends only on the order of scores.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        +1 for genuine, -1 for deepfake; both must occur.
    score : array-like of shape (n_samples,)
        Higher means more genuine, as from ``score_samples`` or ``decision_function``.
    return_threshold : bool, default=False
        Whether to return the threshold, too.

    Returns
    -------
    eer : float in [0, 1]
        0 for perfect, 0.5 for chance, above 0.5 if deepfakes score higher.
    threshold : float
        The score at which both error rates are closest, if ``score >= threshold`` means genuine;
        the lower of two equally close ones. Only if `return_threshold`.

    Raises
    ------
    ValueError
        If lengths differ, a label is neither +1 nor -1, a score is not finite, or one of the two
        classes is absent.

    See Also
    --------
    detection_error_curve : Both rates at every threshold.
    bpcer_at_apcer : BPCER at a given APCER.
    confidence_interval : The interval of the rate.

    Examples
    --------
    >>> from sklearn_diffake.metrics import equal_error_rate
    >>> equal_error_rate([1, 1, -1, -1], [9.0, 4.0, 5.0, 1.0])
    0.5
    """
    eer, threshold = crossing(detection_error_curve(y_true, score))
    return (eer, threshold) if return_threshold else eer


def bpcer(y_true: ArrayLike, score: ArrayLike, *, threshold: float = 0.0) -> float:
    """Fraction of genuine rows that are rejected, the false alarms.

    The term is that of [1]_, whose scope is presentation attacks, not deepfakes.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        +1 for genuine, -1 for deepfake; +1 must occur.
    score : array-like of shape (n_samples,)
        Higher means more genuine.
    threshold : float, default=0.0
        ``score >= threshold`` means genuine; zero suits ``decision_function``.

    Returns
    -------
    bpcer : float in [0, 1]
        Number of genuine rows rejected, as a fraction of all genuine rows.

    Raises
    ------
    ValueError
        If lengths differ, a label is neither +1 nor -1, a score is not finite, or no row is
        genuine.

    See Also
    --------
    apcer : The other error rate: deepfakes that are accepted.
    bpcer_at_apcer : The rate at the threshold of a given APCER.
    confidence_interval : The interval of a rate.

    References
    ----------
    .. [1] ISO/IEC 30107-3:2023, "Biometric presentation attack detection, Part 3: Testing and
       reporting".

    Examples
    --------
    >>> from sklearn_diffake.metrics import bpcer
    >>> bpcer([1, 1, -1], [0.5, -0.5, -2.0])
    0.5
    """
    labels, values = check_scores(y_true, score, needs=1)
    return float(np.mean(values[labels == 1] < threshold))


def apcer(y_true: ArrayLike, score: ArrayLike, *, threshold: float = 0.0) -> float:
    """Fraction of deepfakes that are accepted, over all techniques.

    The term is that of [1]_, whose scope is presentation attacks, not deepfakes.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        +1 for genuine, -1 for deepfake; -1 must occur.
    score : array-like of shape (n_samples,)
        Higher means more genuine.
    threshold : float, default=0.0
        ``score >= threshold`` means genuine; zero suits ``decision_function``.

    Returns
    -------
    apcer : float in [0, 1]
        Number of deepfakes accepted, as a fraction of all deepfakes.

    Raises
    ------
    ValueError
        If lengths differ, a label is neither +1 nor -1, a score is not finite, or no row is a
        deepfake.

    See Also
    --------
    bpcer : The other error rate: genuine rows that are rejected.
    apcer_by_technique : The rate of each technique.
    worst_apcer : The rate of the technique that is detected worst.
    confidence_interval : The interval of a rate.

    References
    ----------
    .. [1] ISO/IEC 30107-3:2023, "Biometric presentation attack detection, Part 3: Testing and
       reporting".

    Examples
    --------
    >>> from sklearn_diffake.metrics import apcer
    >>> apcer([1, -1, -1], [0.5, 0.0, -2.0])
    0.5
    """
    labels, values = check_scores(y_true, score, needs=-1)
    return float(np.mean(values[labels == -1] >= threshold))


def apcer_by_technique(
    y_true: ArrayLike, score: ArrayLike, technique: ArrayLike, *, threshold: float = 0.0
) -> dict[Any, float]:
    """Fraction of deepfakes that are accepted, for each technique.

    The term is that of [1]_, whose scope is presentation attacks, not deepfakes.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        +1 for genuine, -1 for deepfake; -1 must occur.
    score : array-like of shape (n_samples,)
        Higher means more genuine.
    technique : array-like of shape (n_samples,)
        Technique of each deepfake; ignored where ``y_true == 1``.
    threshold : float, default=0.0
        ``score >= threshold`` means genuine; zero suits ``decision_function``.

    Returns
    -------
    apcer : dict of technique to float in [0, 1]
        Sorted by the name of the technique.

    Raises
    ------
    ValueError
        If lengths differ, a label is neither +1 nor -1, a score is not finite, no row is a
        deepfake, or a deepfake has no technique.

    See Also
    --------
    apcer : The rate over all techniques.
    worst_apcer : The highest of the rates.
    TechniqueHeatmapDisplay : Plots the rates of several detectors.

    References
    ----------
    .. [1] ISO/IEC 30107-3:2023, "Biometric presentation attack detection, Part 3: Testing and
       reporting".

    Examples
    --------
    >>> from sklearn_diffake.metrics import apcer_by_technique
    >>> y, score = [1, -1, -1, -1], [0.5, 0.1, -2.0, -3.0]
    >>> apcer_by_technique(y, score, ["", "swap", "swap", "warp"])
    {'swap': 0.5, 'warp': 0.0}
    """
    labels, values = check_scores(y_true, score, needs=-1)
    return {
        name: float(np.mean(values[rows] >= threshold))
        for name, rows in technique_rows(technique, labels).items()
    }


def worst_apcer(
    y_true: ArrayLike, score: ArrayLike, technique: ArrayLike, *, threshold: float = 0.0
) -> float:
    """Fraction of deepfakes accepted, for the technique that is detected worst.

    ISO/IEC 30107-3 [1]_ ranks detectors of presentation attacks by this rate: many detected
    techniques do not compensate for one that is accepted.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        +1 for genuine, -1 for deepfake; -1 must occur.
    score : array-like of shape (n_samples,)
        Higher means more genuine.
    technique : array-like of shape (n_samples,)
        Technique of each deepfake; ignored where ``y_true == 1``.
    threshold : float, default=0.0
        ``score >= threshold`` means genuine; zero suits ``decision_function``.

    Returns
    -------
    apcer : float in [0, 1]
        The largest value of :func:`apcer_by_technique`.

    Raises
    ------
    ValueError
        If lengths differ, a label is neither +1 nor -1, a score is not finite, no row is a
        deepfake, or a deepfake has no technique.

    See Also
    --------
    apcer_by_technique : Returns the rate of each technique.

    References
    ----------
    .. [1] ISO/IEC 30107-3:2023, "Biometric presentation attack detection, Part 3: Testing and
       reporting".

    Examples
    --------
    >>> from sklearn_diffake.metrics import worst_apcer
    >>> worst_apcer([1, -1, -1, -1], [0.5, 0.1, -2.0, -3.0], ["", "swap", "swap", "warp"])
    0.5
    """
    return max(apcer_by_technique(y_true, score, technique, threshold=threshold).values())
