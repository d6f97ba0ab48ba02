"""Moments of rows, learned in chunks, and the shrinkage coefficients that follow from them."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from sklearn_diffake.utils._arrays import exceeds_rounding


def forget_fit(estimator: BaseEstimator, state: str, fitted: str) -> None:
    """Let ``partial_fit`` begin from the start after ``fit``, with a warning.

    Parameters
    ----------
    estimator : estimator
    state : str
        The attribute that ``partial_fit`` would go on from.
    fitted : str
        An attribute that a fitted estimator has; it is removed.

    Warns
    -----
    UserWarning
        If the estimator is fitted.
    """
    if hasattr(estimator, fitted):
        delattr(estimator, fitted)
        warnings.warn(
            f"This {type(estimator).__name__} was fitted by fit, which keeps nothing to go on "
            f"from, or its {state} was removed: partial_fit begins with these rows, and what was "
            "learned before is forgotten.",
            UserWarning,
            stacklevel=4,
        )


class RunningMoments(BaseEstimator):
    """Mean and sums about the mean of rows, merged chunk by chunk (Chan et al. [1]_).

    The moments of all rows in one chunk and of the same rows in several agree to rounding. They
    hold what a covariance and its shrinkage need, in memory that does not grow with the rows.

    Parameters
    ----------
    diagonal : bool, default=False
        Keep the squares of features only, not their products; there is no shrinkage then.

    Attributes
    ----------
    n_rows_ : int
        Number of rows, 0 before the first.
    mean_ : ndarray of shape (n_features,)
        Mean of the rows. With `z` a row less this mean, the sums over all rows are:
    scatter_ : ndarray of shape (n_features, n_features), or (n_features,) if `diagonal`
        Sum of ``outer(z, z)``, or of ``z ** 2``.
    cubes_ : ndarray of shape (n_features,)
        Sum of ``(z @ z) * z``.
    fourths_ : float
        Sum of ``(z @ z) ** 2``.

    References
    ----------
    .. [1] T. F. Chan, G. H. Golub, R. J. LeVeque, "Algorithms for Computing the Sample Variance:
       Analysis and Recommendations", The American Statistician 37(3), 1983.
    """

    n_rows_: int
    mean_: NDArray[np.float64]
    scatter_: NDArray[np.float64]
    cubes_: NDArray[np.float64]
    fourths_: float

    def __init__(self, *, diagonal: bool = False):
        self.diagonal = diagonal

    def partial_fit(self, X: NDArray[np.float64]) -> RunningMoments:
        """Learn from more rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features), float64
            Finite; one row at least.

        Returns
        -------
        self : RunningMoments
        """
        mean = X.mean(axis=0)
        Z = X - mean
        squares = np.einsum("nd,nd->n", Z, Z)
        scatter = np.einsum("nd,nd->d", Z, Z) if self.diagonal else Z.T @ Z
        self._merge(len(X), mean, scatter, squares @ Z, float(squares @ squares))
        return self

    def _merge(
        self,
        n: int,
        mean: NDArray[np.float64],
        scatter: NDArray[np.float64],
        cubes: NDArray[np.float64],
        fourths: float,
    ) -> None:
        """Add the moments of other rows."""
        if not hasattr(self, "n_rows_"):
            self.n_rows_, self.mean_ = 0, np.zeros_like(mean)
            self.scatter_, self.cubes_ = np.zeros_like(scatter), np.zeros_like(cubes)
            self.fourths_ = 0.0
        total = self.n_rows_ + n
        between = mean - self.mean_
        center = self.mean_ + between * (n / total)
        if not self.diagonal:  # these need the sums about the means as they were
            first = _shifted_sums(
                self.n_rows_, self.scatter_, self.cubes_, self.fourths_, center - self.mean_
            )
            second = _shifted_sums(n, scatter, cubes, fourths, center - mean)
            self.cubes_, self.fourths_ = first[0] + second[0], first[1] + second[1]
        weight = self.n_rows_ * n / total
        products = np.square(between) if self.diagonal else np.outer(between, between)
        self.scatter_ = self.scatter_ + scatter + weight * products
        self.n_rows_, self.mean_ = total, center

    @property
    def variances(self) -> NDArray[np.float64]:
        """Variance of each feature, of shape (n_features,)."""
        squares = self.scatter_ if self.diagonal else np.diagonal(self.scatter_)
        return squares / self.n_rows_

    @property
    def varies(self) -> bool:
        """Whether any feature varies by more than rounding."""
        return bool(exceeds_rounding(np.sqrt(self.variances.max()), np.abs(self.mean_).max()))

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Covariance of the rows (with divisor n), of shape (n_features, n_features)."""
        return self.scatter_ / self.n_rows_

    def ledoit_wolf(self) -> float:
        """Return the shrinkage coefficient of Ledoit and Wolf.

        Returns
        -------
        shrinkage : float in [0, 1]
            As :func:`sklearn.covariance.ledoit_wolf_shrinkage` of all rows.
        """
        covariance = self.covariance
        identity_part = np.trace(covariance) / len(covariance)
        squared = np.square(covariance).sum()
        distance = squared - len(covariance) * identity_part**2
        error = (self.fourths_ / self.n_rows_ - squared) / self.n_rows_
        if len(covariance) == 1 or distance <= 0 or error <= 0:
            return 0.0
        return float(min(error / distance, 1.0))

    def oas(self) -> float:
        """Return the shrinkage coefficient of the oracle approximating shrinkage estimator.

        Returns
        -------
        shrinkage : float in [0, 1]
            As :func:`sklearn.covariance.oas` of all rows.
        """
        covariance = self.covariance
        width = len(covariance)
        squared, mean_variance = np.square(covariance).mean(), np.trace(covariance) / width
        numerator = squared + mean_variance**2
        denominator = (self.n_rows_ + 1) * (squared - mean_variance**2 / width)
        if width == 1:
            return 0.0
        return 1.0 if denominator <= 0 else float(min(numerator / denominator, 1.0))


def _shifted_sums(
    n: int,
    scatter: NDArray[np.float64],
    cubes: NDArray[np.float64],
    fourths: float,
    shift: NDArray[np.float64],
) -> tuple[NDArray[np.float64], float]:
    """Return the sums of cubes and of fourth powers about the mean plus `shift`.

    With z a row less the mean, whose sum over rows is zero, they are the sums of
    ``(u @ u) * u`` and ``(u @ u) ** 2`` for ``u = z - shift``, multiplied out.
    """
    squared, along, trace = shift @ shift, scatter @ shift, np.trace(scatter)
    shifted_fourths = (
        fourths - 4 * cubes @ shift + 4 * shift @ along + 2 * trace * squared + n * squared**2
    )
    return cubes - 2 * along - (trace + n * squared) * shift, float(shifted_fourths)
