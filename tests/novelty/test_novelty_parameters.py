"""Defaults and ranges of parameters are those of the docstrings."""

import pytest
from parameter_helpers import check_defaults, check_range
from sklearn.ensemble import IsolationForest

from sklearn_diffake import novelty
from sklearn_diffake.novelty import (
    ConformalDetector,
    DeepSVDD,
    GaussianMixtureDetector,
    GenuineOnly,
    MahalanobisDetector,
    NearestReferenceDetector,
    PyODDetector,
)

TINY = 1e-9
OPEN = [TINY, 0.5, 1 - TINY], [0.0, 1.0, -0.5, 1.5]  # (0, 1)
FRACTION = [TINY, 0.5], [0.0, 0.5 + TINY]  # (0, 0.5]
COUNT = [1, 2, 10**6], [0, -1, 1.5]
NOUGHT = [0, 1, 10**6], [-1, 0.5]
COMPONENTS = [None, 1, 2, *OPEN[0]], [0, -1, *OPEN[1]]
DETECTORS = [
    GaussianMixtureDetector(),
    MahalanobisDetector(),
    NearestReferenceDetector(),
    DeepSVDD(),
    PyODDetector(),
    GenuineOnly(IsolationForest()),
]
RANGES = [
    *((detector, "contamination", *FRACTION) for detector in DETECTORS),
    (GenuineOnly(IsolationForest()), "contamination", [None], []),
    (ConformalDetector(), "target_bpcer", *OPEN),
    (ConformalDetector(), "calibration_size", [1, 2, *OPEN[0]], [0, -1, *OPEN[1]]),
    (ConformalDetector(), "cv", [2, 3], [1, 0]),
    (ConformalDetector(), "abstain", [None, *OPEN[0]], OPEN[1]),
    (DeepSVDD(), "nu", *OPEN),
    (DeepSVDD(), "representation_size", *COUNT),
    (DeepSVDD(), "pretrain_epochs", *NOUGHT),
    (DeepSVDD(), "max_epochs", *COUNT),
    (DeepSVDD(), "warm_up_epochs", *NOUGHT),
    (DeepSVDD(), "lr", [TINY, 1.0, 100.0], [0.0, -1.0]),
    (DeepSVDD(), "weight_decay", [0.0, TINY, 100.0], [-TINY]),
    (DeepSVDD(), "batch_size", *COUNT),
    (DeepSVDD(), "validation_fraction", *OPEN),
    (DeepSVDD(), "n_iter_no_change", *COUNT),
    (GaussianMixtureDetector(), "n_components", *COUNT),
    (GaussianMixtureDetector(), "n_pca", *COMPONENTS),
    (GaussianMixtureDetector(), "shrinkage", [None, "auto", 0.0, *OPEN[0]], [-TINY, 1.0]),
    (GaussianMixtureDetector(), "reg_covar", [0.0, TINY, 100.0], [-TINY]),
    (GaussianMixtureDetector(), "max_iter", *COUNT),
    (GaussianMixtureDetector(), "n_init", *COUNT),
    (MahalanobisDetector(), "shrinkage", [0.0, 1.0, *OPEN[0]], [-TINY, 1 + TINY]),
]


@pytest.mark.parametrize("name", novelty.__all__)
def test_defaults_are_those_documented(name):
    check_defaults(getattr(novelty, name))


@pytest.mark.parametrize(("estimator", "name", "accepted", "refused"), RANGES)
def test_ranges_are_those_documented(estimator, name, accepted, refused):
    check_range(estimator, name, accepted, refused)
