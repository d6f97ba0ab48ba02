"""Fit scikit-learn's Gaussian mixture on a GPU: the same steps, in float64, with torch.

Seeds of k-means, stopping rules and regularization are those of
:class:`~sklearn.mixture.GaussianMixture`, so likelihoods agree with it up to rounding. This module
loads torch, so it is imported on use.
"""

from __future__ import annotations

import math
import warnings
from typing import NamedTuple

import numpy as np
import torch
from numpy.random import RandomState
from numpy.typing import NDArray
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.utils import check_random_state
from torch import Tensor

_KMEANS = KMeans()  # GaussianMixture runs k-means with its max_iter and tol


class _Parameters(NamedTuple):
    weights: Tensor  # (n_components,)
    means: Tensor  # (n_components, n_features)
    covariances: Tensor  # (n_components, n_features, n_features), "tied": (n_features, n_features)
    precisions_cholesky: Tensor  # the same shape; upper triangles


class _Run(NamedTuple):
    parameters: _Parameters
    lower_bounds: list[float]
    converged: bool


def fit(mixture: GaussianMixture, X: NDArray[np.float64], device: str) -> None:
    """Fit `mixture` in place, as ``mixture.fit(X)`` would.

    Parameters
    ----------
    mixture : GaussianMixture
        With ``covariance_type`` "full" or "tied", initialized by k-means. Its fitted attributes are
        set to numpy arrays.
    X : ndarray of shape (n_samples, n_features), float64
    device : str
        A torch device with float64, such as ``"cuda"`` or ``"cpu"``.

    Raises
    ------
    ValueError
        If a covariance is not positive definite.

    Warns
    -----
    ConvergenceWarning
        If the best run did not converge.
    """
    data = torch.as_tensor(X, device=device)
    random_state = check_random_state(mixture.random_state)
    runs = [
        _run(mixture, data, _clusters(X, data, mixture.n_components, random_state))
        for _ in range(mixture.n_init)
    ]
    best = max(runs, key=lambda run: run.lower_bounds[-1])
    if not best.converged:
        warnings.warn(
            f"No convergence in max_iter={mixture.max_iter} steps of expectation-maximization. "
            "Increase max_iter, or look for degenerate data.",
            ConvergenceWarning,
            stacklevel=2,
        )
    factors = best.parameters.precisions_cholesky
    for name, value in best.parameters._asdict().items():
        setattr(mixture, f"{name}_", value.cpu().contiguous().numpy())
    mixture.precisions_ = (factors @ factors.mT).cpu().numpy()
    mixture.lower_bounds_, mixture.lower_bound_ = best.lower_bounds, best.lower_bounds[-1]
    mixture.n_iter_, mixture.converged_ = len(best.lower_bounds), best.converged
    mixture.n_features_in_ = X.shape[1]


def score_samples(
    mixture: GaussianMixture, X: NDArray[np.float64], device: str
) -> NDArray[np.float64]:
    """Compute ``mixture.score_samples(X)`` on a device.

    Parameters
    ----------
    mixture : GaussianMixture
        Fitted, with ``covariance_type`` "full" or "tied".
    X : ndarray of shape (n_samples, n_features), float64
    device : str
        A torch device with float64.

    Returns
    -------
    log_likelihood : ndarray of shape (n_samples,), float64
        In nats.
    """
    parameters = _Parameters(
        *(
            torch.as_tensor(getattr(mixture, f"{name}_"), device=device)
            for name in _Parameters._fields
        )
    )
    joint = _log_joint(torch.as_tensor(X, device=device), parameters)
    return joint.logsumexp(dim=1).cpu().numpy()


def _run(mixture: GaussianMixture, X: Tensor, responsibilities: Tensor) -> _Run:
    """Run expectation-maximization from one initialization."""
    parameters = _maximize(mixture, X, responsibilities)
    bounds: list[float] = []
    for _ in range(mixture.max_iter):
        joint = _log_joint(X, parameters)
        evidence = joint.logsumexp(dim=1, keepdim=True)
        parameters = _maximize(mixture, X, (joint - evidence).exp())
        bounds.append(evidence.mean().item())
        if len(bounds) > 1 and abs(bounds[-1] - bounds[-2]) < mixture.tol:
            return _Run(parameters, bounds, True)
    return _Run(parameters, bounds, False)


def _maximize(mixture: GaussianMixture, X: Tensor, responsibilities: Tensor) -> _Parameters:
    """Estimate the parameters, given the responsibilities of components for rows."""
    counts = responsibilities.sum(dim=0) + 10 * torch.finfo(X.dtype).eps
    means = responsibilities.T @ X / counts[:, None]
    if mixture.covariance_type == "full":
        covariances = X.new_empty(len(means), X.shape[1], X.shape[1])
        for k, mean in enumerate(means):
            centered = X - mean
            covariances[k] = (responsibilities[:, k, None] * centered).T @ centered / counts[k]
    else:
        covariances = (X.T @ X - (counts * means.T) @ means) / counts.sum()
    covariances.diagonal(dim1=-2, dim2=-1).add_(mixture.reg_covar)
    return _Parameters(counts / counts.sum(), means, covariances, _whitening(covariances))


def _whitening(covariances: Tensor) -> Tensor:
    """Return upper triangular `W` with ``W @ W.T`` the inverse of each covariance."""
    lower, failed = torch.linalg.cholesky_ex(covariances)
    if failed.any():
        raise ValueError(
            "Fitting the mixture failed because some components have ill-defined empirical "
            "covariance: not positive definite. Reduce n_components, or increase reg_covar."
        )
    identity = torch.eye(lower.shape[-1], dtype=lower.dtype, device=lower.device)
    return torch.linalg.solve_triangular(lower, identity, upper=False).mT


def _log_joint(X: Tensor, parameters: _Parameters) -> Tensor:
    """Log density of every row under every component, plus the log weight of the component."""
    weights, means, _, whitening = parameters
    n_features = X.shape[1]
    squares = X.new_empty(len(X), len(means))
    for k, factor in enumerate(whitening.expand(len(means), n_features, n_features)):
        squares[:, k] = ((X - means[k]) @ factor).square_().sum(dim=1)
    log_det = whitening.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)
    return -0.5 * (n_features * math.log(2 * math.pi) + squares) + log_det + weights.log()


def _clusters(
    X: NDArray[np.float64], data: Tensor, n_clusters: int, random_state: RandomState
) -> Tensor:
    """Cluster with the seeds and the stopping rule of scikit-learn; return one-hot labels."""
    seeds, _ = kmeans_plusplus(X, n_clusters, random_state=random_state)
    centers = torch.as_tensor(seeds, device=data.device)
    tolerance = _KMEANS.tol * data.var(dim=0, correction=0).mean()
    labels = None
    for _ in range(_KMEANS.max_iter):
        previous, labels = labels, _nearest(data, centers)
        members = _one_hot(labels, n_clusters)
        counts = members.sum(dim=0)
        # scikit-learn moves empty clusters; this is rare, so use its implementation
        if not counts.all():
            labels = KMeans(n_clusters, init=seeds, n_init=1).fit(X).labels_
            return _one_hot(torch.as_tensor(labels, device=data.device), n_clusters)
        new_centers = members.T @ data / counts[:, None]
        shift, centers = (new_centers - centers).square().sum(), new_centers
        if previous is not None and torch.equal(labels, previous):
            return members
        if shift <= tolerance:
            break
    return _one_hot(_nearest(data, centers), n_clusters)


def _nearest(X: Tensor, centers: Tensor) -> Tensor:
    return (centers.square().sum(dim=1) - 2 * X @ centers.T).argmin(dim=1)


def _one_hot(labels: Tensor, n_clusters: int) -> Tensor:
    return torch.nn.functional.one_hot(labels.long(), n_clusters).to(torch.float64)
