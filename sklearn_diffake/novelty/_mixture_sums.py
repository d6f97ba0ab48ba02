"""A Gaussian mixture that learns from rows in one pass over them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

from sklearn_diffake.novelty._partial_fit import RowStream
from sklearn_diffake.utils._batches import batch_slices
from sklearn_diffake.utils._sklearn_compat import _compute_precision_cholesky

_BLOCK = 1024  # rows between two updates of the mixture, unless there are more features


class MixtureStream(RowStream):
    """What is kept of rows to go on with a mixture: online EM (Cappé and Moulines [1]_).

    The responsibilities of the components for a row are estimated once, when the row comes, by the
    mixture at that time; a step size of 1/n gives all rows the same weight. So the weights, means
    and covariances of the components are those of all rows with these responsibilities, and the
    mean and covariance of the whole mixture are exactly those of all rows.

    Parameters
    ----------
    n_components : int
        Number of Gaussians.
    covariance_type : {"full", "tied", "diag", "spherical"}
        As for :class:`~sklearn.mixture.GaussianMixture`.
    max_rows : int
        Most rows in the sample.

    Attributes
    ----------
    counts_ : ndarray of shape (n_components,)
        Sum of the responsibilities of each component. Absent as long as the sample holds
        every row.
    means_ : ndarray of shape (n_components, n_features)
        Mean of each component.
    scatter_ : ndarray
        Sums of products about these means: of shape (n_components, n_features, n_features) for
        ``"full"``, (n_features, n_features) for ``"tied"``, else (n_components, n_features).

    References
    ----------
    .. [1] O. Cappé, E. Moulines, "On-Line Expectation-Maximization Algorithm for Latent Data
       Models", Journal of the Royal Statistical Society B 71(3), 2009.
    """

    counts_: Any
    means_: Any
    scatter_: Any

    def __init__(self, n_components: int, covariance_type: str, max_rows: int):
        super().__init__(max_rows)
        self.n_components = n_components
        self.covariance_type = covariance_type

    @property
    def has_sums(self) -> bool:
        """Whether rows are learned from in passing, no longer held."""
        return hasattr(self, "counts_")

    def begin(self, X: NDArray[np.float64], responsibilities: NDArray[np.float64]) -> None:
        """Take the rows so far as a start.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        responsibilities : ndarray of shape (n_samples, n_components)
            Responsibilities of the components for each row.
        """
        width = X.shape[1]
        shape = {"full": (self.n_components, width, width), "tied": (width, width)}
        self.counts_ = np.zeros(self.n_components)
        self.means_ = np.zeros((self.n_components, width))
        self.scatter_ = np.zeros(shape.get(self.covariance_type, (self.n_components, width)))
        self._add(X, responsibilities)

    def update(
        self, mixture: GaussianMixture, X: NDArray[np.float64], location: NDArray[np.float64]
    ) -> None:
        """Learn from more rows, and keep the mixture up to date.

        Parameters
        ----------
        mixture : GaussianMixture
            Of rows less `location`; its parameters are set in place.
        X : ndarray of shape (n_samples, n_features)
        location : ndarray of shape (n_features,)
        """
        for rows in batch_slices(len(X), max(_BLOCK, X.shape[1])):
            self._add(X[rows], mixture.predict_proba(X[rows] - location))
            self.set_parameters(mixture, location)

    def set_parameters(self, mixture: GaussianMixture, location: NDArray[np.float64]) -> None:
        """Set the parameters of a mixture of rows less `location`, in place."""
        counts = self.counts_ + 10 * np.finfo(np.float64).eps  # of a component without rows
        if self.covariance_type == "tied":
            covariances = self.scatter_ / counts.sum()
        else:
            covariances = self.scatter_ / counts.reshape(-1, *[1] * (self.scatter_.ndim - 1))
        diagonal = np.einsum("...dd->...d", covariances) if self._has_products else covariances
        diagonal += mixture.reg_covar
        if self.covariance_type == "spherical":
            covariances = covariances.mean(axis=1)
        factors = _compute_precision_cholesky(covariances, self.covariance_type)
        mixture.weights_ = counts / counts.sum()
        mixture.means_ = self.means_ - location
        mixture.covariances_, mixture.precisions_cholesky_ = covariances, factors
        if self._has_products:
            mixture.precisions_ = factors @ np.swapaxes(factors, -1, -2)
        else:
            mixture.precisions_ = np.square(factors)

    @property
    def _has_products(self) -> bool:
        return self.covariance_type in ("full", "tied")

    def _add(self, X: NDArray[np.float64], responsibilities: NDArray[np.float64]) -> None:
        """Merge the sums of rows into those of the components, as for moments of all rows."""
        for k, weights in enumerate(responsibilities.T):
            count = weights.sum()
            total = self.counts_[k] + count
            if not total > 0:
                continue
            mean = weights @ X / max(count, np.finfo(np.float64).tiny)
            Z = X - mean
            between = mean - self.means_[k]
            pooled = self.counts_[k] * count / total
            weighted = weights[:, np.newaxis] * Z
            if self._has_products:
                scatter = weighted.T @ Z + pooled * np.outer(between, between)
            else:
                scatter = np.einsum("nd,nd->d", weighted, Z) + pooled * np.square(between)
            if self.covariance_type == "tied":
                self.scatter_ += scatter
            else:
                self.scatter_[k] += scatter
            self.counts_[k] = total
            self.means_[k] += between * (count / total)
