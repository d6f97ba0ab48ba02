"""The sum rule: evidence from several sources, added up."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.base import BaseDetector


class SumRuleDetector(BaseDetector):
    """Score a pair by the sum of several measures of how unnatural it is.

    Every column of `X` is such a measure, larger meaning less natural: the distance of two
    identity embeddings, say, and the verdict of a forgery classifier. The sum rule is the plainest
    way to fuse them, and hard to beat [1]_. Nothing is learned but the threshold, so columns should
    come in one unit, as `DifferenceScaler` leaves them; their weights are for the step before, such
    as ``transformer_weights`` of a :class:`~sklearn.pipeline.FeatureUnion`.

    Parameters
    ----------
    contamination : float in (0, 0.5], default=0.05
        Share of the genuine training rows that the threshold gives up, that is, which
        ``predict`` calls -1.

    Attributes
    ----------
    offset_ : float
        The `contamination` quantile of ``score_samples`` over the genuine training rows;
        ``decision_function = score_samples - offset_``.
    n_genuine_ : int
        Number of genuine rows that were learned from.
    n_features_in_ : int
        Number of columns seen in fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns seen in fit, if it saw a table whose columns are all named by strings.

    See Also
    --------
    NearestReferenceDetector : Several references in place of several measures.
    sklearn_diffake.make_difffake_pipeline : Builds the steps before.

    Notes
    -----
    ``score_samples`` is minus the sum, in float64. Other than a Mahalanobis distance, which takes
    any departure from the genuine mean for unnatural, it knows a direction: a pair that is closer
    than genuine pairs usually are is not held against it.

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
        """Learn nothing: the threshold is set by the base class."""

    def _score(self, X: NDArray) -> NDArray[np.float64]:
        total = np.zeros(len(X))
        for column in X.T:  # in one order, so that no row depends on the others of its batch
            total += column
        return -total
