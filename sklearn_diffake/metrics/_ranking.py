"""Metrics of the order of scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import average_precision_score

from sklearn_diffake.metrics._checks import check_scores
from sklearn_diffake.metrics._curve import detection_error_curve


def average_precision_fake(y_true: ArrayLike, score: ArrayLike) -> float:
    """Average precision with deepfakes as the positive class.

    scikit-learn's ``average_precision`` counts the label +1, genuine, as positive. Here rows are
    ranked by ascending score, and precision is the fraction of deepfakes among them.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        +1 for genuine, -1 for deepfake; both must occur.
    score : array-like of shape (n_samples,)
        Higher means more genuine.

    Returns
    -------
    average_precision : float in (0, 1]
        1 for perfect; about the fraction of deepfakes for chance.

    Raises
    ------
    ValueError
        If lengths differ, a label is neither +1 nor -1, a score is not finite, or a class is
        absent.

    See Also
    --------
    sklearn.metrics.average_precision_score : With genuine rows as the positive class.
    equal_error_rate : A rate that does not depend on the fraction of deepfakes.

    Examples
    --------
    >>> from sklearn_diffake.metrics import average_precision_fake
    >>> average_precision_fake([1, 1, -1, -1], [4.0, 2.0, 3.0, 1.0])
    0.83...
    """
    labels, values = check_scores(y_true, score)
    return float(average_precision_score(labels == -1, -values))


def youden_thresholded_auc(y_true: ArrayLike, score: ArrayLike) -> float:
    """Area under the ROC curve of verdicts at the best threshold of the test set.

    This is not the area under the ROC curve of the scores, although some published code reports it
    as "AUC". The threshold with the largest Youden index [1]_ ``J = 1 - APCER - BPCER`` on the
    same rows converts scores to verdicts, and the area is that of the verdicts: their balanced
    accuracy ``(1 + J) / 2``. Use it only to compare with such figures, and otherwise
    :func:`sklearn.metrics.roc_auc_score`.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        +1 for genuine, -1 for deepfake; both must occur.
    score : array-like of shape (n_samples,)
        Higher means more genuine.

    Returns
    -------
    area : float in [0.5, 1]
        Not above the area of the scores if their ROC curve is concave.

    Raises
    ------
    ValueError
        If lengths differ, a label is neither +1 nor -1, a score is not finite, or a class is
        absent.

    See Also
    --------
    sklearn.metrics.roc_auc_score : The area under the ROC curve of the scores, which is what to
        report.
    threshold_transfer : Rates at a threshold that was set on other data.

    References
    ----------
    .. [1] W. J. Youden, "Index for rating diagnostic tests", Cancer 3, 1950, 32-35.

    Examples
    --------
    >>> from sklearn.metrics import roc_auc_score
    >>> from sklearn_diffake.metrics import youden_thresholded_auc
    >>> y, score = [1, 1, 1, -1, -1, -1], [6.0, 5.0, 2.0, 4.0, 3.0, 1.0]
    >>> round(float(roc_auc_score(y, score)), 3), round(youden_thresholded_auc(y, score), 3)
    (0.778, 0.833)
    """
    apcer, bpcer, _ = detection_error_curve(y_true, score)
    return float(np.max(2.0 - apcer - bpcer) / 2.0)
