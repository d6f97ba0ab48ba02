"""Fitting the Gaussian mixture with torch, against scikit-learn's own fit on the same machine.

On a GPU at the size of DiffFake: 23,000 pairs, 1792 features, three full covariances. Goals: at
least 20 times as fast as scikit-learn with all cores, likelihoods equal to 1e-6. Without a GPU the
same code runs on the CPU at a smaller size, where it has no goal but the likelihoods.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from sklearn.mixture import GaussianMixture

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._timing import run_alone, time_alternately, timed
from sklearn_diffake.novelty import GaussianMixtureDetector, _torch_mixture


def squared_differences(n, d, seed=0):
    """Squared differences of pairs of unit embeddings, with a spectrum that falls off."""
    rng = np.random.default_rng(seed)
    basis = rng.normal(size=(64, d)) / np.arange(1, 65)[:, np.newaxis] ** 0.7
    X = np.empty((n, d))
    for rows in np.array_split(np.arange(n), max(1, n // 2000)):
        pairs = rng.normal(size=(len(rows), 2, 64)) @ basis + rng.normal(size=(len(rows), 2, d))
        pairs /= np.linalg.norm(pairs, axis=2, keepdims=True)
        X[rows] = (pairs[:, 0] - pairs[:, 1]) ** 2
    return X


def figures(quick=False):
    gpu = torch.cuda.is_available()
    device, n, d = ("cuda", 23_000, 1792) if gpu and not quick else ("cpu", 3_000, 224)
    n, d = (1_000, 64) if quick else (n, d)
    X = squared_differences(n, d)
    X -= X.mean(axis=0)
    settings = {"n_components": 3, "max_iter": 200, "random_state": 0}
    settings["reg_covar"] = 1e-6 * X.var(axis=0).mean()
    our_mixture, their_mixture = GaussianMixture(**settings), GaussianMixture(**settings)
    goal = ">= 20" if device == "cuda" else None
    size, plain = f"{n:,} x {d} on {device}", "scikit-learn's GaussianMixture"
    rows = []
    times = time_alternately(
        lambda: _torch_mixture.fit(our_mixture, X, device), lambda: their_mixture.fit(X), repeats=3
    )
    rows.append(timed(f"mixture of 3, fit by torch, {size}", plain, times, goal=goal))
    if device == "cuda":  # with all that the detector does around it: means, seeds, threshold
        detector = GaussianMixtureDetector(n_pca=None, device=device, random_state=0)
        times = time_alternately(lambda: detector.fit(X), lambda: their_mixture.fit(X), repeats=3)
        rows.append(timed(f"GaussianMixtureDetector, fit, {size}", plain, times, goal=goal))
    gap = np.abs(our_mixture.score_samples(X) - their_mixture.score_samples(X)).max()
    if gap > 1e-6:
        raise AssertionError(f"log-likelihoods differ by {gap:.1e}, more than 1e-6")
    return rows


if __name__ == "__main__":
    run_alone(figures)
