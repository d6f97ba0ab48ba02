"""The sum rule: the sum of several measures of evidence."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.base import BaseDetector


class SumRuleDetector(BaseDetector):
    """Score a pair by the sum of several measures of unnaturalness.

    Every column of `X` is such a measure, larger meaning less natural, for example the distance of
    two identity embeddings, and the verdict of a forgery classifier. The sum rule is the simplest
    way to combine them, and hard to beat [1]_. Only the threshold is fitted, so columns should have
    one scale, as from `DifferenceScaler`; set their weights in an earlier step, such as
    ``transformer_weights`` of a :class:`~sklearn.pipeline.FeatureUnion`.

    Parameters
    ----------
    contamination : float in (0, 0.5], default=0.05
        Fraction of the genuine training rows that the threshold rejects, for which ``predict``
        returns -1.

    Attributes
    ----------
    offset_ : float
        The `contamination` quantile of ``score_samples`` over the genuine training rows;
        ``decision_function = score_samples - offset_``.
    n_genuine_ : int
        Number of genuine rows in fit.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns seen in fit, if all of them are strings.

    See Also
    --------
    NearestReferenceDetector : Several references instead of several measures.
    sklearn_diffake.make_difffake_pipeline : Builds the earlier steps.

    Notes
    -----
    ``score_samples`` is minus the sum, in float64. The sum is one-sided: a pair that is more
    similar than usual genuine pairs gets a higher score. A Mahalanobis distance would treat this
    deviation from the genuine mean as unnatural, too.

    References
    ----------
    .. [1] J. Kittler, M. Hatef, R. Duin, J. Matas, "On Combining Classifiers", IEEE TPAMI 20(3),
       1998.

    Examples
    --------
    >>> from sklearn_diffake.novelty import SumRuleDetector
    >>> distance_and_verdict = [[0.1, -1.0], [0.2, 0.0], [0.9, 2.5]]
    >>> SumRuleDetector().fit(distance_and_verdict[:2]).score_samples(distance_and_verdict)
    array([ 0.9, -0.2, -3.4])
    """

    def __init__(self, *, contamination: float = 0.05):
        self.contamination = contamination

    def _fit(self, X: NDArray, **per_row: Any) -> None:
        """Do nothing: the base class sets the threshold."""

    def _score(self, X: NDArray) -> NDArray[np.float64]:
        total = np.zeros(len(X))
        for (
            column
        ) in X.T:  # a fixed order of summation, so that no row depends on the others of its batch
            total += column
        return -total
