"""Fit detectors that ignore labels, such as scikit-learn's, on genuine rows only."""

from __future__ import annotations

from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import MetaEstimatorMixin, clone, is_outlier_detector
from sklearn.neighbors import LocalOutlierFactor
from sklearn.utils import Tags, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_consistent_length

from sklearn_diffake.base import BaseDetector
from sklearn_diffake.utils._sklearn_compat import (
    HasMethods,
    Interval,
    _fit_context,
    _routing_enabled,
)


class GenuineOnly(MetaEstimatorMixin, BaseDetector):
    """Fit a detector that ignores labels on the rows that are not labeled -1.

    scikit-learn's OneClassSVM, IsolationForest, LocalOutlierFactor and EllipticEnvelope use every
    row of ``fit(X, y)``. In this wrapper they are never fitted on a deepfake, neither in the folds
    of a search nor in its final fit. Scores and threshold are those of the detector.

    Parameters
    ----------
    estimator : estimator or None, default=None
        Has ``score_samples`` or ``decision_function``, higher for more normal rows; a clone of it
        is fitted. None means ``LocalOutlierFactor(novelty=True)``. Rows may be of any kind that
        it takes.
    contamination : float in (0, 0.5] or None, default=None
        Fraction of the genuine training rows that the threshold rejects. None keeps the threshold
        of `estimator`; an estimator without a threshold, such as KernelDensity, needs a number.

    Attributes
    ----------
    estimator_ : estimator
        The fitted clone of `estimator`.
    offset_ : float
        The threshold: ``decision_function = score_samples - offset_``. It is that of `estimator_`,
        or the `contamination` quantile of ``score_samples`` over the genuine training rows.
    n_genuine_ : int
        Number of genuine rows in fit.
    n_features_in_ : int
        Number of features seen by `estimator_` in fit, if it has this attribute.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen by `estimator_` in fit, if it has this attribute.

    See Also
    --------
    PyODDetector : For the detectors of PyOD.

    Notes
    -----
    With `contamination`, training rows are scored as new rows. In LocalOutlierFactor, each of them
    is then its own neighbor, so that slightly more new genuine rows are rejected than requested.
    Its parameter ``estimator__contamination`` avoids this.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.svm import OneClassSVM
    >>> from sklearn_diffake.novelty import GenuineOnly
    >>> rng = np.random.default_rng(0)
    >>> X = np.vstack([rng.normal(size=(200, 4)), rng.normal(5.0, size=(3, 4))])
    >>> y = np.repeat([1, -1], [200, 3])
    >>> detector = GenuineOnly(OneClassSVM(nu=0.05)).fit(X, y)
    >>> detector.predict(X[y == -1])
    array([-1, -1, -1])
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit"]), None],
        "contamination": [Interval(Real, 0, 0.5, closed="right"), None],
    }

    contamination: float | None  # type: ignore[assignment]

    estimator_: Any

    def __init__(self, estimator: Any = None, *, contamination: float | None = None):
        self.estimator = estimator
        self.contamination = contamination

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None, **fit_params: Any) -> Self:
        """Fit the estimator on the genuine rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Or rows of any kind that the estimator takes.
        y : array-like of shape (n_samples,), default=None
            +1 for genuine, -1 for deepfake. Rows labeled -1 are not passed on, nor is `y`.
        **fit_params : dict of array-like of shape (n_samples,)
            Arguments for the estimator's ``fit`` with one value per row, such as `sample_weight`.
            Those of rows labeled -1 are not passed on.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If no row is genuine, lengths differ, the estimator cannot score new rows, or has no
            threshold and `contamination` is None.
        """
        if _routing_enabled():
            fit_params = process_routing(self, "fit", **fit_params).estimator.fit
        check_consistent_length(X, *fit_params.values())
        self._fit_genuine(X, y, **fit_params)
        return self

    def get_metadata_routing(self) -> MetadataRouter:
        """Return how metadata are routed to the estimator.

        Returns
        -------
        routing : MetadataRouter
            Sends arguments of ``fit`` to the estimator's ``fit``.
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        return MetadataRouter(owner=self).add(estimator=self._estimator(), method_mapping=mapping)

    @property
    def n_features_in_(self) -> int:
        """Number of features that the fitted estimator saw."""
        return self.estimator_.n_features_in_

    @property
    def feature_names_in_(self) -> NDArray[np.object_]:
        """Names of features that the fitted estimator saw."""
        return self.estimator_.feature_names_in_

    def _estimator(self) -> Any:
        return LocalOutlierFactor(novelty=True) if self.estimator is None else self.estimator

    def _validate(self, X: Any, *, reset: bool) -> Any:
        return X  # the estimator validates

    def _fit(self, X: Any, **per_row: Any) -> None:
        estimator = self._estimator()
        if not (hasattr(estimator, "score_samples") or hasattr(estimator, "decision_function")):
            advice = "Set novelty=True." if hasattr(estimator, "novelty") else ""
            raise ValueError(
                f"{estimator!r} cannot score rows that it was not fitted on: it has neither "
                f"score_samples nor decision_function. {advice}".rstrip()
            )
        if self.contamination is None and not is_outlier_detector(estimator):
            raise ValueError(
                f"{estimator!r} has no threshold. Set contamination, the fraction of genuine "
                "training rows to reject."
            )
        fit_params = {name: values for name, values in per_row.items() if values is not None}
        self.estimator_ = clone(estimator).fit(X, **fit_params)

    def _score(self, X: Any) -> NDArray[np.float64]:
        score = getattr(self.estimator_, "score_samples", None)
        return (self.estimator_.decision_function if score is None else score)(X)

    def _offset(self, X: Any) -> float:
        if self.contamination is not None:
            return float(np.quantile(self._score(X), self.contamination))
        if not hasattr(self.estimator_, "score_samples"):
            return 0.0  # scores are decisions then
        if hasattr(self.estimator_, "offset_"):
            return float(np.ravel(self.estimator_.offset_)[0])
        first = X[:1] if hasattr(X, "__getitem__") else X
        return float(self._score(first)[0] - self.estimator_.decision_function(first)[0])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        inner = get_tags(self._estimator())
        tags.input_tags, tags.non_deterministic = inner.input_tags, inner.non_deterministic
        return tags
