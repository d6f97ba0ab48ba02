"""scikit-learn's own checks, of every public estimator that takes plain tables of numbers."""

import inspect

import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_diffake import novelty, pairs

TABULAR = [
    estimator
    for package in (pairs, novelty)
    for estimator in (getattr(package, name) for name in package.__all__)
    if inspect.isclass(estimator) and issubclass(estimator, BaseEstimator)
]

# Settings that take another way through the code.
VARIANTS = [
    novelty.GaussianMixtureDetector(covariance_type="tied"),
    novelty.GaussianMixtureDetector(covariance_type="diag"),
    novelty.GaussianMixtureDetector(covariance_type="spherical"),
    novelty.GaussianMixtureDetector(n_pca=0.9),
    novelty.GaussianMixtureDetector(shrinkage="auto"),
]


# The checks pass labels of all kinds, and few distinct rows.
@pytest.mark.filterwarnings("ignore:.*neither .1 .genuine. nor -1:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([estimator() for estimator in TABULAR] + VARIANTS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_the_list_is_not_empty():
    assert {"PairDifference", "GaussianMixtureDetector"} <= {e.__name__ for e in TABULAR}
