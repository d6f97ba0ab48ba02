"""Error rates on test data at a threshold from development data."""

from __future__ import annotations

from numbers import Real
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sklearn_diffake.metrics._checks import check_scores
from sklearn_diffake.metrics._curve import bpcer_at_apcer, crossing, detection_error_curve
from sklearn_diffake.metrics._error_rates import apcer, bpcer, worst_apcer
from sklearn_diffake.utils._sklearn_compat import Interval, StrOptions, validate_params


class TransferredErrors(NamedTuple):
    """Error rates on test data at a threshold from development data.

    Parameters
    ----------
    threshold : float
        ``score >= threshold`` means genuine.
    apcer : float in [0, 1]
        Fraction of the test data's deepfakes accepted; of the worst technique, if these were given.
    bpcer : float in [0, 1]
        Fraction of the test data's genuine rows rejected.
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
    """Set a threshold on development data, and return the error rates on test data.

    Metrics such as the equal error rate choose their threshold on the test data. In practice, it is
    chosen before, often on another dataset. This function measures that case.

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
        Rule for the threshold on the development data: both error rates are closest; the lowest
        score with an APCER of at most `rate`; or the highest score with a BPCER of at most `rate`.
    rate : float in [0, 1), default=0.05
        Largest allowed error rate on the development data. Not used with ``at="eer"``.
    technique_dev : array-like of shape (n_dev,), default=None
        Technique of each deepfake. If given, APCER is that of the worst technique. Not used
        with ``at="bpcer"``.
    technique_test : array-like of shape (n_test,), default=None
        Technique of each deepfake in the test data.

    Returns
    -------
    errors : TransferredErrors
        ``(threshold, apcer, bpcer)``, and their mean as ``errors.acer``.

    Raises
    ------
    ValueError
        If lengths differ, a label is neither +1 nor -1, a score is not finite, a class is absent,
        or a deepfake has no technique.

    See Also
    --------
    apcer : Deepfakes accepted, at a threshold of your own.
    bpcer : Genuine rows rejected, at a threshold of your own.
    sklearn_diffake.novelty.ConformalDetector : Sets the threshold on genuine pairs, without a
        deepfake.

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
    fraction_below = np.arange(len(genuine)) / len(genuine)  # if no scores are equal
    return float(genuine[np.flatnonzero(fraction_below <= rate)[-1]])
