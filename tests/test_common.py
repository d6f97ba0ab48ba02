"""scikit-learn's own checks, of every public estimator that takes plain tables of numbers."""

import inspect

import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_diffake import novelty, pairs
from sklearn_diffake.base import any_labels

TABULAR = [
    estimator
    for package in (pairs, novelty)
    for estimator in (getattr(package, name) for name in package.__all__)
    if inspect.isclass(estimator) and issubclass(estimator, BaseEstimator)
]

# Settings that take another way through the code; those of PyODDetector and GenuineOnly are checked
# in tests/novelty.
VARIANTS = [
    pairs.DifferenceScaler(1),
    novelty.GaussianMixtureDetector(covariance_type="tied"),
    novelty.GaussianMixtureDetector(covariance_type="diag"),
    novelty.GaussianMixtureDetector(covariance_type="spherical"),
    novelty.GaussianMixtureDetector(n_pca=0.9),
    novelty.GaussianMixtureDetector(shrinkage="auto"),
    novelty.MahalanobisDetector("oas"),
    novelty.MahalanobisDetector(0.1),
    novelty.ConformalDetector(novelty.GaussianMixtureDetector(1)),
    novelty.ConformalDetector(method="cv+", cv=3),
    novelty.ConformalDetector(novelty.GaussianMixtureDetector(1), method="cv+"),
    novelty.DeepSVDD("soft-boundary", max_epochs=12),
    novelty.DeepSVDD(batch_norm=True, max_epochs=5),
    novelty.DeepSVDD(pretrain_epochs=5, max_epochs=5, early_stopping=True),
]


# The checks pass few distinct rows, and labels of all kinds, which fit refuses otherwise.
@pytest.mark.filterwarnings("ignore:target_bpcer=0.01 needs:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([estimator() for estimator in TABULAR] + VARIANTS)
def test_scikit_learn_checks(estimator, check):
    with any_labels():
        check(estimator)


def test_the_list_is_not_empty():
    assert {"PairDifference", "GaussianMixtureDetector"} <= {e.__name__ for e in TABULAR}
