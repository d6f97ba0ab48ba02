"""The Gaussian mixture over genuine differences."""

import math
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline

from sklearn_diffake.novelty import GaussianMixtureDetector
from sklearn_diffake.pairs import PairDifference

COVARIANCES = ["full", "tied", "diag", "spherical"]


def clusters(n, d, seed=0, shift=0.0):
    """Three clusters of rows, moved along every axis by `shift`."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) + 6.0 * np.eye(3, d)[np.arange(n) % 3] + shift


def embedding_pairs(n, d=16, noise=0.3, seed=0):
    """Pairs of one identity; a larger `noise` for deepfakes."""
    rng = np.random.default_rng(seed)
    identity = rng.normal(size=(n, 1, d))
    return identity + noise * rng.normal(size=(n, 2, d))


@pytest.mark.parametrize("covariance_type", COVARIANCES)
@pytest.mark.parametrize("options", [{}, {"shrinkage": "auto"}, {"n_pca": 4}, {"n_pca": 0.95}])
def test_planted_fakes_are_found(covariance_type, options):
    detector = GaussianMixtureDetector(
        covariance_type=covariance_type, random_state=0, **options
    ).fit(clusters(600, 8))
    X = np.vstack([clusters(200, 8, seed=1), clusters(200, 8, seed=2, shift=3.0)])
    y = np.repeat([1, -1], 200)
    assert roc_auc_score(y, detector.decision_function(X)) > 0.95
    assert (detector.predict(X[y == -1]) == -1).mean() > 0.8
    assert (detector.predict(X[y == 1]) == 1).mean() > 0.85


@pytest.mark.parametrize("covariance_type", COVARIANCES)
@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_likelihood_is_that_of_scikit_learn(covariance_type, shift):
    X = clusters(400, 5, shift=shift)
    settings = {"covariance_type": covariance_type, "max_iter": 200, "random_state": 3}
    detector = GaussianMixtureDetector(3, n_pca=None, **settings).fit(X)
    reg_covar = 1e-6 * X.var(axis=0).mean()
    reference = GaussianMixture(3, reg_covar=reg_covar, **settings).fit(X)
    new = clusters(50, 5, seed=1, shift=shift)
    np.testing.assert_allclose(detector.score_samples(new), reference.score_samples(new), rtol=1e-6)
    assert detector.n_iter_ == reference.n_iter_
    assert detector.converged_ == reference.converged_ == True  # noqa: E712


def test_likelihood_by_hand():
    X = np.array([[-1.0], [1.0], [-1.0], [1.0]])
    detector = GaussianMixtureDetector(1, reg_covar=0).fit(X)
    expected = [-0.5 * math.log(2 * math.pi) - 0.5 * x**2 for x in (0.0, 3.0)]
    np.testing.assert_allclose(detector.score_samples([[0.0], [3.0]]), expected, rtol=1e-12)


def test_likelihood_with_pca_is_that_of_the_projection():
    X, new = clusters(300, 6), clusters(40, 6, seed=1)
    detector = GaussianMixtureDetector(n_pca=2, random_state=0).fit(X)
    pca = PCA(2, svd_solver="full").fit(X)
    Z = pca.transform(X)
    reference = GaussianMixture(3, reg_covar=1e-6 * Z.var(axis=0).mean(), random_state=0).fit(Z)
    np.testing.assert_allclose(
        detector.score_samples(new), reference.score_samples(pca.transform(new)), rtol=1e-6
    )


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("covariance_type", COVARIANCES)
def test_scale_of_the_data_does_not_matter(covariance_type, scale):
    # Squared differences of unit embeddings have variances near 1e-8 and less.
    X, new = clusters(300, 6), clusters(40, 6, seed=1, shift=1.0)
    settings = {"covariance_type": covariance_type, "reg_covar": 1e-3, "random_state": 0}
    scores = GaussianMixtureDetector(**settings).fit(X).score_samples(new)
    scaled = GaussianMixtureDetector(**settings).fit(X * scale).score_samples(new * scale)
    np.testing.assert_allclose(scaled, scores - 6 * math.log(scale), rtol=1e-9)


@pytest.mark.parametrize("options", [{}, {"n_pca": 3}, {"shrinkage": "auto"}])
def test_fakes_are_never_learned_from(options):
    genuine, fake = clusters(200, 6), clusters(60, 6, seed=1, shift=4.0)
    X = np.insert(genuine, np.linspace(0, 200, 60).astype(int), fake, axis=0)
    y = np.where((X[:, np.newaxis] == fake).all(axis=2).any(axis=1), -1, 1)
    assert (y == -1).sum() == 60
    single = GaussianMixtureDetector(random_state=0, **options).fit(genuine)
    mixed = GaussianMixtureDetector(random_state=0, **options).fit(X, y)
    assert mixed.score_samples(X).tobytes() == single.score_samples(X).tobytes()
    assert mixed.offset_ == single.offset_
    unlabeled = GaussianMixtureDetector(random_state=0, **options).fit(X)
    assert not np.array_equal(unlabeled.score_samples(X), single.score_samples(X))


@pytest.mark.parametrize("contamination", [0.01, 0.1, 0.5])
def test_offset_rejects_the_requested_fraction(contamination):
    X = clusters(300, 4)
    detector = GaussianMixtureDetector(contamination=contamination, random_state=0).fit(X)
    assert np.mean(detector.predict(X) == -1) == pytest.approx(contamination)


@pytest.mark.parametrize("covariance_type", COVARIANCES)
@pytest.mark.parametrize("n", [50, 2000])
def test_a_row_does_not_depend_on_its_batch(covariance_type, n):
    X = clusters(n, 64)
    detector = GaussianMixtureDetector(covariance_type=covariance_type, random_state=0).fit(X)
    single = np.concatenate([detector.score_samples(X[i : i + 1]) for i in range(50)])
    np.testing.assert_allclose(detector.score_samples(X)[:50], single, rtol=1e-12)


@pytest.mark.parametrize("covariance_type", COVARIANCES)
@pytest.mark.parametrize(
    "options",
    [{}, {"n_pca": None}, {"n_pca": None, "shrinkage": "auto"}, {"shrinkage": 0.2}, {"n_pca": 50}],
)
def test_more_features_than_rows(covariance_type, options):
    detector = GaussianMixtureDetector(
        covariance_type=covariance_type, random_state=0, **options
    ).fit(clusters(50, 300))
    genuine, fake = clusters(50, 300, seed=1), 30.0 * clusters(50, 300, seed=2)
    scores = detector.score_samples(np.vstack([genuine, fake]))
    assert np.isfinite(scores).all()
    assert roc_auc_score(np.repeat([1, -1], 50), scores) > 0.95


@pytest.mark.parametrize(
    ("n", "d", "options", "remaining"),
    [
        (50, 300, {}, 4),  # 50 // (4 * 3)
        (50, 300, {"n_components": 1}, 12),
        (50, 300, {"covariance_type": "tied"}, 12),
        (50, 300, {"covariance_type": "diag"}, None),
        (50, 300, {"covariance_type": "spherical"}, None),
        (50, 300, {"shrinkage": "auto"}, None),
        (50, 300, {"shrinkage": 0.1}, None),
        (120, 10, {}, None),  # exactly enough
        (119, 10, {}, 9),
        (7, 5, {}, 1),
        (50, 20, {"n_pca": None}, None),
        (50, 20, {"n_pca": 7}, 7),
    ],
)
def test_when_features_are_reduced(n, d, options, remaining):
    detector = GaussianMixtureDetector(random_state=0, **options).fit(clusters(n, d))
    assert remaining == (detector.pca_ and detector.pca_.n_components_)
    assert detector.mixture_.n_features_in_ == (remaining or d)


def test_the_setting_of_difffake_is_not_reduced():
    assert GaussianMixtureDetector()._n_pca(23_000, 1792) is None


def test_fraction_of_variance_retained():
    X = clusters(300, 6) * [10, 5, 1, 0.1, 0.1, 0.1]
    pca = GaussianMixtureDetector(n_pca=0.95, random_state=0).fit(X).pca_
    assert 1 <= pca.n_components_ < 6
    assert pca.explained_variance_ratio_.sum() >= 0.95


def test_labels_decide_how_many_rows_there_are():
    X = clusters(200, 10)  # enough for ten features only if all are genuine
    y = np.where(np.arange(200) < 100, 1, -1)
    assert GaussianMixtureDetector(random_state=0).fit(X).pca_ is None
    assert GaussianMixtureDetector(random_state=0).fit(X, y).pca_.n_components_ == 8


def test_shrinkage_is_a_pull_towards_the_identity():
    X = clusters(300, 6)
    detector = GaussianMixtureDetector(1, shrinkage=0.4, reg_covar=0).fit(X)
    covariance = np.cov(X, rowvar=False, bias=True)
    shrunk = 0.6 * covariance + 0.4 * np.trace(covariance) / 6 * np.eye(6)
    np.testing.assert_allclose(0.6 * detector.mixture_.covariances_[0], shrunk, rtol=1e-10)
    assert detector.shrinkage_ == 0.4


@pytest.mark.parametrize("n", [30, 3000])
def test_automatic_shrinkage_is_that_of_ledoit_and_wolf(n):
    X = clusters(n, 20)
    detector = GaussianMixtureDetector(shrinkage="auto", random_state=0).fit(X)
    assert detector.shrinkage_ == pytest.approx(ledoit_wolf_shrinkage(X))
    assert GaussianMixtureDetector(random_state=0).fit(X).shrinkage_ == 0.0


def test_automatic_shrinkage_leaves_the_data_a_say():
    isotropic = np.vstack([np.eye(40), -np.eye(40)])  # Ledoit and Wolf: 1
    detector = GaussianMixtureDetector(1, shrinkage="auto").fit(isotropic)
    assert detector.shrinkage_ == 0.99
    assert np.isfinite(detector.score_samples(isotropic)).all()


@pytest.mark.parametrize("covariance_type", COVARIANCES)
@pytest.mark.parametrize("n_pca", ["auto", None])
def test_constant_features(covariance_type, n_pca):
    X = clusters(300, 6)
    X[:, [1, 4]] = 0.1
    detector = GaussianMixtureDetector(
        covariance_type=covariance_type, n_pca=n_pca, random_state=0
    ).fit(X)
    assert np.isfinite(detector.score_samples(X)).all()
    shifted = X[:1].copy()
    shifted[0, 4] = 6.0
    assert detector.score_samples(shifted) < detector.score_samples(X[:1])


@pytest.mark.parametrize("value", [0.0, 0.1, 1e8 / 3])
def test_rows_that_are_all_the_same(value):
    with pytest.raises(ValueError, match="All 30 genuine rows are the same"):
        GaussianMixtureDetector().fit(np.full((30, 4), value))


@pytest.mark.filterwarnings("ignore:Number of distinct clusters:")
@pytest.mark.parametrize("covariance_type", COVARIANCES)
@pytest.mark.parametrize("n_different", [1, 5])
def test_mostly_duplicates(covariance_type, n_different):
    X = np.zeros((60, 4))
    X[:n_different] = clusters(n_different, 4)
    detector = GaussianMixtureDetector(covariance_type=covariance_type, random_state=0).fit(X)
    scores = detector.score_samples(np.vstack([np.zeros((1, 4)), np.full((1, 4), 50.0)]))
    assert np.isfinite(scores).all()
    assert scores[0] > scores[1]


def test_too_few_rows():
    for n_components in (1, 3, 5):
        detector = GaussianMixtureDetector(n_components, random_state=0)
        detector.fit(clusters(2 * n_components, 4))
        with pytest.raises(
            ValueError,
            match=f"Too few genuine rows for n_components={n_components}: got "
            f"n_samples={2 * n_components - 1}, need at least {2 * n_components}",
        ):
            detector.fit(clusters(2 * n_components - 1, 4))


def test_rows_are_counted_without_fakes():
    with pytest.raises(ValueError, match="got n_samples=5, need at least 6"):
        GaussianMixtureDetector().fit(clusters(50, 4), [1] * 5 + [-1] * 45)


def test_float32_input():
    X = clusters(300, 6).astype(np.float32)
    detector = GaussianMixtureDetector(random_state=0).fit(X)
    assert detector.score_samples(X).dtype == np.float64
    np.testing.assert_array_equal(
        detector.score_samples(X),
        clone(detector).fit(X.astype(float)).score_samples(X.astype(float)),
    )


def test_a_fit_can_be_repeated():
    X = clusters(2000, 6)
    scores = {
        GaussianMixtureDetector(random_state=0).fit(X).score_samples(X).tobytes() for _ in range(5)
    }
    assert len(scores) == 1


def test_a_fit_that_does_not_converge_says_so():
    X = np.random.default_rng(0).normal(size=(500, 4))
    with pytest.warns(ConvergenceWarning):
        detector = GaussianMixtureDetector(8, max_iter=1, n_pca=None, random_state=0).fit(X)
    assert not detector.converged_
    assert detector.n_iter_ == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert GaussianMixtureDetector(1).fit(X).converged_


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_pca": 7}, "n_pca=7 exceeds what 60 genuine rows of 6 features hold: at most 6"),
        ({"n_pca": 0}, "'n_pca' parameter of GaussianMixtureDetector must be"),
        ({"n_pca": 1.0}, "'n_pca' parameter of GaussianMixtureDetector must be"),
        ({"shrinkage": 1.0}, "'shrinkage' parameter of GaussianMixtureDetector must be"),
        ({"covariance_type": "round"}, "'covariance_type' parameter"),
        ({"reg_covar": -1e-6}, "'reg_covar' parameter"),
        ({"n_components": 0}, "'n_components' parameter"),
        ({"contamination": 0.7}, "'contamination' parameter"),
    ],
)
def test_parameters_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        GaussianMixtureDetector(**options).fit(clusters(60, 6))


def test_singular_covariance_without_regularisation_is_an_error():
    X = clusters(60, 6)
    X[:, 5] = X[:, 4]
    with pytest.raises(ValueError, match="ill-defined empirical covariance"):
        GaussianMixtureDetector(n_pca=None, reg_covar=0, random_state=0).fit(X)


def test_search_over_operators_and_components():
    X = np.concatenate([embedding_pairs(120), embedding_pairs(120, noise=1.0, seed=1)])
    y = np.repeat([1, -1], 120)
    pipe = Pipeline([("diff", PairDifference()), ("detect", GaussianMixtureDetector())])
    grid = {
        "diff__operator": ["absolute", "squared", "cosine"],
        "detect__n_components": [1, 2],
        "detect__random_state": [0],
    }
    folds = StratifiedKFold(4, shuffle=True, random_state=0)
    search = GridSearchCV(pipe, grid, cv=folds, scoring="roc_auc", error_score="raise").fit(X, y)
    assert search.cv_results_["mean_test_score"].min() > 0.9
    assert search.best_score_ > 0.95
    best = search.best_estimator_
    repeated = clone(best).fit(X[y == 1])  # the refit saw no fake either
    np.testing.assert_array_equal(best.score_samples(X), repeated.score_samples(X))


def test_saved_and_loaded_without_pickle():
    skops_io = pytest.importorskip("skops.io")
    X = clusters(200, 8)
    for options in ({}, {"n_pca": 3}):
        detector = GaussianMixtureDetector(random_state=0, **options).fit(X)
        data = skops_io.dumps(detector)
        untrusted = skops_io.get_untrusted_types(data=data)
        assert untrusted == [
            "sklearn_diffake.novelty._gaussian_mixture.GaussianMixtureDetector"
        ]  # all the rest is numpy's and scikit-learn's
        loaded = skops_io.loads(data, trusted=untrusted)
        assert loaded.score_samples(X).tobytes() == detector.score_samples(X).tobytes()
        np.testing.assert_array_equal(loaded.predict(X), detector.predict(X))
