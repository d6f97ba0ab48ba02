"""The Mahalanobis distance to genuine differences."""

import numpy as np
import pytest
from scipy.stats import chi2
from sklearn.covariance import OAS, EmpiricalCovariance, LedoitWolf, ShrunkCovariance
from sklearn.metrics import roc_auc_score

from sklearn_diffake.novelty import GaussianMixtureDetector
from sklearn_diffake.novelty._mahalanobis import MahalanobisDetector

PEERS = [
    ("ledoit-wolf", LedoitWolf()),
    ("oas", OAS()),
    (0.3, ShrunkCovariance(shrinkage=0.3)),
    (1, ShrunkCovariance(shrinkage=1.0)),
]


def correlated(n, d, seed=0, shift=0.0):
    """Rows of one Gaussian whose features are correlated and of different variances."""
    mixing = np.random.default_rng(99).normal(size=(d, d)) / np.sqrt(d)
    return np.random.default_rng(seed).normal(size=(n, d)) @ mixing + shift


@pytest.mark.parametrize(("shrinkage", "peer"), PEERS)
@pytest.mark.parametrize(("n", "d"), [(500, 6), (40, 30), (20, 60), (50, 1)])
def test_distance_is_that_of_scikit_learn(shrinkage, peer, n, d):
    X, new = correlated(n, d, shift=5.0), correlated(30, d, seed=1)
    detector = MahalanobisDetector(shrinkage).fit(X)
    np.testing.assert_allclose(-detector.score_samples(new), peer.fit(X).mahalanobis(new), 1e-8)
    expected = peer.shrinkage_ if isinstance(shrinkage, str) else shrinkage
    assert detector.shrinkage_ == pytest.approx(max(expected, 1e-6))
    np.testing.assert_array_equal(detector.whitening_, np.triu(detector.whitening_))


def test_no_shrinkage_is_the_plain_distance():
    X = correlated(200, 5)
    expected = EmpiricalCovariance().fit(X).mahalanobis(X)
    np.testing.assert_allclose(-MahalanobisDetector(0.0).fit(X).score_samples(X), expected, 1e-9)


def test_distance_by_hand():
    X = [[0.0, 0.0], [2.0, 0.0], [0.0, 4.0], [2.0, 4.0]]  # mean (1, 2), variances 1 and 4
    detector = MahalanobisDetector(0.0).fit(X)
    np.testing.assert_allclose(
        detector.score_samples([[1, 2], [4, 2], [1, 8], [4, 8]]), [0, -9, -9, -18], atol=1e-12
    )


def test_squared_distance_is_chi_squared():
    detector = MahalanobisDetector(0.0).fit(correlated(50_000, 4))
    fractions = np.mean(-detector.score_samples(correlated(50_000, 4, seed=1)) > chi2(4).isf(0.1))
    assert fractions == pytest.approx(0.1, abs=0.005)


def test_ranks_as_one_shrunk_gaussian_does():
    X, new = correlated(60, 20), correlated(80, 20, seed=1)
    mixture = GaussianMixtureDetector(1, shrinkage=0.2, reg_covar=0).fit(X)
    detector = MahalanobisDetector(0.2).fit(X)
    np.testing.assert_array_equal(
        np.argsort(detector.score_samples(new)), np.argsort(mixture.score_samples(new))
    )


@pytest.mark.parametrize("shrinkage", ["ledoit-wolf", "oas", 0.1])
@pytest.mark.parametrize(("n", "d"), [(600, 10), (40, 200)])
def test_planted_fakes_are_found(shrinkage, n, d):
    detector = MahalanobisDetector(shrinkage).fit(correlated(n, d))
    X = np.vstack([correlated(200, d, seed=1), correlated(200, d, seed=2, shift=3.0)])
    scores = detector.score_samples(X)
    assert np.isfinite(scores).all()
    assert roc_auc_score(np.repeat([1, -1], 200), scores) > 0.95


def test_direction_matters_not_length():
    X = np.random.default_rng(0).normal(size=(2000, 2)) * [1.0, 0.1]
    detector = MahalanobisDetector().fit(X)
    along, across = detector.score_samples([[1.0, 0.0], [0.0, 1.0]])
    assert across < 10 * along


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_scores_do_not_depend_on_scale(scale):
    X, new = correlated(100, 8), correlated(20, 8, seed=1)
    expected = MahalanobisDetector().fit(X).score_samples(new)
    scaled = MahalanobisDetector().fit(X * scale).score_samples(new * scale)
    np.testing.assert_allclose(scaled, expected, rtol=1e-9)


def test_fakes_are_never_learned_from():
    genuine, fake = correlated(100, 6), correlated(40, 6, seed=1, shift=4.0)
    X, y = np.vstack([fake, genuine]), np.repeat([-1, 1], [40, 100])
    single, mixed = MahalanobisDetector().fit(genuine), MahalanobisDetector().fit(X, y)
    assert mixed.score_samples(X).tobytes() == single.score_samples(X).tobytes()
    assert mixed.offset_ == single.offset_


@pytest.mark.parametrize("shrinkage", ["ledoit-wolf", "oas"])
def test_estimated_shrinkage_never_leaves_a_singular_covariance(shrinkage):
    X = np.array([[1.0, 1.0, 0.0], [-1.0, -1.0, 0.0]] * 10)  # Ledoit and Wolf: 0
    detector = MahalanobisDetector(shrinkage).fit(X)
    on, off_axis, constant = detector.score_samples([[1, 1, 0], [1, -1, 0], [1, 1, 1]])
    assert on > off_axis
    assert on > constant
    assert detector.shrinkage_ >= 1e-6


def test_singular_covariance_is_an_error_that_says_what_to_do():
    X = correlated(60, 6)
    X[:, 5] = X[:, 4]
    with pytest.raises(ValueError, match="60 genuine rows of 6 features cannot be inverted"):
        MahalanobisDetector(0.0).fit(X)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e8 / 3])
def test_rows_that_are_all_the_same(value):
    with pytest.raises(ValueError, match="All 30 genuine rows are the same"):
        MahalanobisDetector().fit(np.full((30, 4), value))


def test_too_few_rows():
    MahalanobisDetector().fit(correlated(2, 4))
    with pytest.raises(ValueError, match="got n_samples=1, need at least 2"):
        MahalanobisDetector().fit(correlated(3, 4), [1, -1, -1])


@pytest.mark.parametrize("shrinkage", [-0.1, 1.1, "auto", None])
def test_parameters_are_checked(shrinkage):
    with pytest.raises(ValueError, match="'shrinkage' parameter of MahalanobisDetector must be"):
        MahalanobisDetector(shrinkage).fit(correlated(60, 6))


@pytest.mark.parametrize("n", [50, 2000])
def test_a_row_does_not_depend_on_its_batch(n):
    X = correlated(n, 64)
    detector = MahalanobisDetector().fit(X)
    single = np.concatenate([detector.score_samples(X[i : i + 1]) for i in range(50)])
    np.testing.assert_allclose(detector.score_samples(X)[:50], single, rtol=1e-11)
