"""Pipelines and pairs whose explanation is known."""

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_diffake import make_difffake_pipeline
from sklearn_diffake.base import BaseDetector
from sklearn_diffake.inspection import explain_pair
from sklearn_diffake.novelty import MahalanobisDetector

CORNER, RIGHT = "looking_backbones:corner", "looking_backbones:right"
SIDE = 32


def genuine_crops(n=40, seed=0):
    """Pairs of images that differ by a little noise: smooth colors, one per pair."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(60, 196, (n, 1, 4, 4, 3)).repeat(8, axis=2).repeat(8, axis=3)
    return np.clip(coarse + rng.normal(scale=6, size=(n, 2, SIDE, SIDE, 3)), 0, 255).astype(
        np.uint8
    )


def pair_that_differs(rows=slice(0, 8), columns=slice(0, 8), seed=99):
    """A genuine pair but for one place of the probe."""
    reference, probe = genuine_crops(1, seed)[0]
    probe = probe.copy()
    probe[rows, columns] = 255 - probe[rows, columns]
    return reference, probe


def build(embedder=CORNER, detector=None, operator="squared", **settings):
    """Fit a pipeline for aligned crops on genuine pairs."""
    detector = MahalanobisDetector() if detector is None else detector
    pipe = make_difffake_pipeline(
        embedder, aligner=False, operator=operator, device="cpu", detector=detector, **settings
    )
    return pipe.fit(genuine_crops())


def explain(pipe, *pair, **settings):
    """Explain with few, large patches."""
    return explain_pair(pipe, *pair, **{"patch": 0.25, "random_state": 0, **settings})


class Additive(BaseDetector):
    """Minus the sum of squares: every column has a say of its own."""

    contamination = 0.05
    _parameter_constraints = {}

    def _fit(self, X, **per_row):
        pass

    def _score(self, X):
        return -np.square(X).sum(axis=1)


class Flat(Additive):
    """The same score for all."""

    def _score(self, X):
        return np.ones(len(X))


class OwnEmbedder(BaseEstimator):
    """Not one of the package: mean colors."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return np.array([[image.mean(axis=(0, 1)) for image in pair] for pair in X])
