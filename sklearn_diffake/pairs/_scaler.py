"""Scale the differences of several embeddings before they are concatenated."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_diffake.base import check_finite, genuine_mask, missing_rows
from sklearn_diffake.utils._doc_links import DocumentedMixin
from sklearn_diffake.utils._moments import RunningMoments, forget_fit
from sklearn_diffake.utils._sklearn_compat import Interval, _fit_context


class DifferenceScaler(
    DocumentedMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Center differences, and scale them by one factor to a mean squared length of 1.

    If a :class:`~sklearn.pipeline.FeatureUnion` concatenates differences of several embeddings, the
    scaler gives each the same weight, whatever its width and unit. Proportions within one
    embedding do not change. Unlike in scikit-learn's scalers, rows labeled -1 are ignored by
    ``fit``.

    Parameters
    ----------
    n_components : int, float in (0, 1) or None, default=None
        Number of principal components of the genuine differences to keep, or the fraction of the
        variance that they must explain. None keeps all features.

    Attributes
    ----------
    mean_ : ndarray of shape (n_features,)
        Mean of the genuine rows.
    components_ : ndarray of shape (n_components, n_features) or None
        Principal directions, None if `n_components` is None.
    scale_ : float
        Root of the mean squared length of the genuine rows after centering (and projection); 1 if
        they do not vary.
    moments_ : object or None
        What `partial_fit` goes on from: mean and sums of squares or products. None after `fit`.
    n_features_in_ : int
        Number of features seen during fit.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during fit, if all of them are strings.

    See Also
    --------
    PairDifference : Computes the differences.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.pairs import DifferenceScaler
    >>> differences = np.random.default_rng(0).normal(scale=100.0, size=(50, 8))
    >>> scaled = DifferenceScaler().fit_transform(differences)
    >>> float(np.square(scaled).sum(axis=1).mean().round(6))
    1.0
    """

    _parameter_constraints: dict = {
        "n_components": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Real, 0, 1, closed="neither"),
            None,
        ]
    }

    components_: Any
    mean_: NDArray[Any]
    moments_: Any
    scale_: Any
    _n_features_out: int

    def __init__(self, n_components: int | float | None = None):
        self.n_components = n_components

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Compute center and scale of the genuine differences.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One row per pair.
        y : array-like of shape (n_samples,), default=None
            +1 for genuine, -1 for deepfake; rows labeled -1 are ignored. None means that all rows
            are genuine.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If `X` is not 2-D and finite, `y` has another length, no row is genuine, or there are
            fewer genuine rows or features than `n_components`.
        """
        from sklearn.decomposition import PCA

        X = self._validate(X, reset=True)
        is_usable = genuine_mask(y, len(X)) & ~missing_rows(X)
        if not is_usable.any():
            raise ValueError("No genuine row to learn from: none of them has a usable face.")
        rows = X[is_usable].astype(np.float64)
        self.moments_ = None
        self.mean_, self.components_ = rows.mean(axis=0), None
        if self.n_components is not None:
            if self.n_components > min(rows.shape):
                raise ValueError(
                    "n_components must be at most the number of genuine rows and of features "
                    f"(n_samples={len(rows)}, n_features={rows.shape[1]}), "
                    f"got {self.n_components}."
                )
            self.components_ = PCA(self.n_components, svd_solver="full").fit(rows).components_
        self._n_features_out = len(self.mean_ if self.components_ is None else self.components_)
        self.scale_ = 1.0
        length = np.sqrt(np.square(self._project(rows)).sum(axis=1).mean())
        if length > 0:
            self.scale_ = float(length)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn from a chunk of differences, in addition to the chunks before.

        Center, components and scale are those of ``fit`` on the rows of all chunks, to rounding.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One row per pair.
        y : array-like of shape (n_samples,), default=None
            +1 for genuine, -1 for deepfake, as for `fit`. A chunk may be without a genuine row.

        Returns
        -------
        self : object
            The fitted estimator; it transforms as soon as there are as many genuine rows as
            `n_components`.

        Raises
        ------
        ValueError
            If `X` is not 2-D and finite, its width is not that of the chunks before, `y` has
            another length, or there are fewer features than `n_components`.

        Warns
        -----
        UserWarning
            If the scaler was fitted by ``fit``, which keeps nothing to go on from: it is forgotten.
        """
        X = self._validate(X, reset=not hasattr(self, "n_features_in_"))
        learned = genuine_mask(y, len(X), allow_none=True) & ~missing_rows(X)
        if learned.any():
            if getattr(self, "moments_", None) is None:
                forget_fit(self, "moments_", "scale_")
                self.moments_ = RunningMoments(diagonal=self.n_components is None)
            self.moments_.partial_fit(X[learned].astype(np.float64))
            self._set_by_moments(self.moments_)
        return self

    def _set_by_moments(self, moments: RunningMoments) -> None:
        """Set center, components and scale, if there are enough rows."""
        components, squares, n_features = None, moments.variances, len(moments.mean_)
        if self.n_components is not None:
            if self.n_components > n_features:
                raise ValueError(
                    f"n_components={self.n_components} is more than there are features: "
                    f"n_features={n_features}."
                )
            if self.n_components > moments.n_rows_:
                return
            squares, components = _principal_axes(moments.covariance, self.n_components)
        self.mean_, self.components_ = moments.mean_, components
        self._n_features_out = n_features if components is None else len(components)
        self.scale_ = float(np.sqrt(squares.sum())) or 1.0

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "scale_")

    def transform(self, X: ArrayLike) -> NDArray:
        """Center and scale differences.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            One row per pair.

        Returns
        -------
        scaled : ndarray of shape (n_samples, n_components) or (n_samples, n_features)
            Of the dtype of `X`. Rows of NaN alone, which have no usable face, stay NaN.
        """
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        return self._project(X.astype(np.float64)).astype(X.dtype)

    def _project(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        rows = rows - self.mean_
        if self.components_ is not None:
            # a fixed order of summation, so that no row depends on the others of its batch
            rows = np.einsum("ij,kj->ik", rows, self.components_)
        return rows / self.scale_

    def _validate(self, X: Any, *, reset: bool) -> NDArray:
        X = validate_data(
            self, X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite=False
        )
        if not missing_rows(X).any():
            check_finite(X)
        return X

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _principal_axes(
    covariance: NDArray[np.float64], n_components: int | float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the variances along principal components, and these, as PCA of the rows has them."""
    values, vectors = eigh(covariance)
    variances, axes = np.maximum(values[::-1], 0), vectors.T[::-1]
    if not isinstance(n_components, Integral):  # a fraction of the variance
        total = variances.sum() or 1.0
        fractions = np.cumsum(variances) / total
        n_components = int(np.searchsorted(fractions, n_components, side="right")) + 1
    variances, axes = variances[:n_components], axes[:n_components]
    largest = np.abs(axes).argmax(axis=1)
    signs = np.sign(axes[np.arange(len(axes)), largest])
    return variances, axes * signs[:, np.newaxis]
