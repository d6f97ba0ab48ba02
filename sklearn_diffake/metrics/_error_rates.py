"""Error rates at one threshold, in the style of ISO/IEC 30107-3.

That standard's scope is presentation attacks; its words are used here for deepfakes: APCER is the
share of deepfakes that are accepted, BPCER the share of genuine (bona fide) that are rejected.
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
    """Error rate at which as many genuine are rejected as deepfakes are accepted.

    It lies where the ROC curve, its points joined by straight lines, meets ``BPCER = APCER``:
    the share of genuine (bona fide) called deepfake, and of deepfakes called genuine
    (named as in ISO/IEC 30107-3). It depends on the order of scores only.

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
    eer, threshold = crossing(detection_error_curve(y_true, score))
    return (eer, threshold) if return_threshold else eer


def bpcer(y_true: ArrayLike, score: ArrayLike, *, threshold: float = 0.0) -> float:
    """Share of genuine rows that are rejected, the false alarms.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        +1 for genuine, -1 for deepfake; +1 must occur.
    score : array-like of shape (n_samples,)
        Higher means more genuine.
    threshold : float, default=0.0
        ``score >= threshold`` is called genuine; zero suits ``decision_function``.

    Returns
    -------
    bpcer : float in [0, 1]
        Number of genuine rows rejected, as a share of all genuine rows.

    Raises
    ------
    ValueError
        If lengths differ, a label is neither +1 nor -1, a score is not finite, or no row is
        genuine.

    References
    ----------
    ISO/IEC 30107-3:2023, "Biometric presentation attack detection, Part 3: Testing and reporting",
    whose attacks are presentation attacks, not deepfakes.

    Examples
    --------
    >>> from sklearn_diffake.metrics import bpcer
    >>> bpcer([1, 1, -1], [0.5, -0.5, -2.0])
    0.5
    """
    labels, values = check_scores(y_true, score, needs=1)
    return float(np.mean(values[labels == 1] < threshold))


def apcer(y_true: ArrayLike, score: ArrayLike, *, threshold: float = 0.0) -> float:
    """Share of deepfakes that are accepted, those of all techniques together.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        +1 for genuine, -1 for deepfake; -1 must occur.
    score : array-like of shape (n_samples,)
        Higher means more genuine.
    threshold : float, default=0.0
        ``score >= threshold`` is called genuine; zero suits ``decision_function``.

    Returns
    -------
    apcer : float in [0, 1]
        Number of deepfakes accepted, as a share of all deepfakes.

    Raises
    ------
    ValueError
        If lengths differ, a label is neither +1 nor -1, a score is not finite, or no row is a
        deepfake.

    References
    ----------
    ISO/IEC 30107-3:2023, "Biometric presentation attack detection, Part 3: Testing and reporting",
    whose attacks are presentation attacks, not deepfakes.

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
    """Share of deepfakes that are accepted, for every technique by itself.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        +1 for genuine, -1 for deepfake; -1 must occur.
    score : array-like of shape (n_samples,)
        Higher means more genuine.
    technique : array-like of shape (n_samples,)
        What each deepfake was made with; not looked at where ``y_true == 1``.
    threshold : float, default=0.0
        ``score >= threshold`` is called genuine; zero suits ``decision_function``.

    Returns
    -------
    apcer : dict of technique to float in [0, 1]
        Sorted by the techniques' names.

    Raises
    ------
    ValueError
        If lengths differ, a label is neither +1 nor -1, a score is not finite, no row is a
        deepfake, or a deepfake has no technique.

    References
    ----------
    ISO/IEC 30107-3:2023, "Biometric presentation attack detection, Part 3: Testing and reporting",
    whose attacks are presentation attacks, not deepfakes.

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
    """Share of deepfakes accepted of the technique that is detected worst.

    It is the figure by which ISO/IEC 30107-3 ranks detectors of presentation attacks: one
    technique that passes is not made up for by many that do not.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        +1 for genuine, -1 for deepfake; -1 must occur.
    score : array-like of shape (n_samples,)
        Higher means more genuine.
    technique : array-like of shape (n_samples,)
        What each deepfake was made with; not looked at where ``y_true == 1``.
    threshold : float, default=0.0
        ``score >= threshold`` is called genuine; zero suits ``decision_function``.

    Returns
    -------
    apcer : float in [0, 1]
        The largest that :func:`apcer_by_technique` gives.

    Raises
    ------
    ValueError
        If lengths differ, a label is neither +1 nor -1, a score is not finite, no row is a
        deepfake, or a deepfake has no technique.

    See Also
    --------
    apcer_by_technique : Says which technique it is.

    References
    ----------
    ISO/IEC 30107-3:2023, "Biometric presentation attack detection, Part 3: Testing and reporting",
    whose attacks are presentation attacks, not deepfakes.

    Examples
    --------
    >>> from sklearn_diffake.metrics import worst_apcer
    >>> worst_apcer([1, -1, -1, -1], [0.5, 0.1, -2.0, -3.0], ["", "swap", "swap", "warp"])
    0.5
    """
    return max(apcer_by_technique(y_true, score, technique, threshold=threshold).values())
