"""What a threshold fixed on development data does on other data."""

from __future__ import annotations

from numbers import Real
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from sklearn_diffake.metrics._checks import check_scores
from sklearn_diffake.metrics._curve import bpcer_at_apcer, crossing, detection_error_curve
from sklearn_diffake.metrics._error_rates import apcer, bpcer, worst_apcer


class TransferredErrors(NamedTuple):
    """Error rates on test data at a threshold from development data.

    Parameters
    ----------
    threshold : float
        ``score >= threshold`` is called genuine.
    apcer : float in [0, 1]
        Share of the test data's deepfakes accepted; of the worst technique, if these were given.
    bpcer : float in [0, 1]
        Share of the test data's genuine rows rejected.
    """

    threshold: float
    apcer: float
    bpcer: float

    @property
    def acer(self) -> float:
        """Mean of both error rates, also called the half total error rate."""
        return (self.apcer + self.bpcer) / 2.0


@validate_params(
    {
        "y_dev": ["array-like"],
        "score_dev": ["array-like"],
        "y_test": ["array-like"],
        "score_test": ["array-like"],
        "at": [StrOptions({"eer", "apcer", "bpcer"})],
        "rate": [Interval(Real, 0, 1, closed="left")],
        "technique_dev": ["array-like", None],
        "technique_test": ["array-like", None],
    },
    prefer_skip_nested_validation=True,
)
def threshold_transfer(
    y_dev: ArrayLike,
    score_dev: ArrayLike,
    y_test: ArrayLike,
    score_test: ArrayLike,
    *,
    at: Literal["eer", "apcer", "bpcer"] = "eer",
    rate: float = 0.05,
    technique_dev: ArrayLike | None = None,
    technique_test: ArrayLike | None = None,
) -> TransferredErrors:
    """Fix a threshold on development data, and give the error rates on test data.

    Figures such as the equal error rate choose their threshold on the data they judge. In use it
    is chosen beforehand, often on another dataset, and this is what it then does.

    Parameters
    ----------
    y_dev : array-like of shape (n_dev,)
        Development labels, +1 for genuine, -1 for deepfake. With ``at="bpcer"`` genuine rows are
        enough; else both must occur.
    score_dev : array-like of shape (n_dev,)
        Higher means more genuine.
    y_test : array-like of shape (n_test,)
        Test labels; both must occur.
    score_test : array-like of shape (n_test,)
        Scores of the same detector.
    at : {"eer", "apcer", "bpcer"}, default="eer"
        What fixes the threshold on the development data: both error rates are closest; the lowest
        score at which APCER is no more than `rate`; or the highest at which BPCER is no more than
        `rate`.
    rate : float in [0, 1), default=0.05
        The error rate allowed on the development data. Not used with ``at="eer"``.
    technique_dev : array-like of shape (n_dev,), default=None
        What each deepfake was made with. If given, the APCER meant is the worst technique's. Not
        used with ``at="bpcer"``.
    technique_test : array-like of shape (n_test,), default=None
        The same for the test data.

    Returns
    -------
    errors : TransferredErrors
        ``(threshold, apcer, bpcer)``, and their mean as ``errors.acer``.

    Raises
    ------
    ValueError
        If lengths differ, a label is neither +1 nor -1, a score is not finite, a class is absent,
        or a deepfake has no technique.

    Examples
    --------
    >>> from sklearn_diffake.metrics import threshold_transfer
    >>> errors = threshold_transfer(
    ...     [1, 1, -1, -1], [4.0, 3.0, 2.0, 1.0], [1, 1, -1, -1], [5.0, 2.5, 3.5, 1.0])
    >>> errors
    TransferredErrors(threshold=3.0, apcer=0.5, bpcer=0.5)
    >>> errors.acer
    0.5
    """
    labels, values = check_scores(y_test, score_test)
    threshold = _threshold(y_dev, score_dev, at, rate, technique_dev)
    if technique_test is None:
        accepted = apcer(labels, values, threshold=threshold)
    else:
        accepted = worst_apcer(labels, values, technique_test, threshold=threshold)
    return TransferredErrors(threshold, accepted, bpcer(labels, values, threshold=threshold))


def _threshold(
    y_true: ArrayLike, score: ArrayLike, at: str, rate: float, technique: ArrayLike | None
) -> float:
    if at == "eer":
        return crossing(detection_error_curve(y_true, score, technique=technique))[1]
    if at == "apcer":
        return bpcer_at_apcer(
            y_true, score, apcer=rate, technique=technique, return_threshold=True
        )[1]
    labels, values = check_scores(y_true, score, needs=1)
    genuine = np.sort(values[labels == 1])
    share_below = np.arange(len(genuine)) / len(genuine)  # if no scores are equal
    return float(genuine[np.flatnonzero(share_below <= rate)[-1]])
