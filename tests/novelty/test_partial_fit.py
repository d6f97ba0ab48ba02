"""Detectors that learn chunk by chunk."""

import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score

from sklearn_diffake import persistence
from sklearn_diffake.novelty import GaussianMixtureDetector, MahalanobisDetector
from sklearn_diffake.novelty._partial_fit import SAMPLE_ROWS
from sklearn_diffake.novelty._row_sample import RowSample

COVARIANCES = ["full", "tied", "diag", "spherical"]
STATE = ("location_", "whitening_", "shrinkage_")
DETECTORS = [
    MahalanobisDetector(),
    GaussianMixtureDetector(2, random_state=0),
    GaussianMixtureDetector(2, covariance_type="tied", shrinkage="auto", random_state=0),
]
each_detector = pytest.mark.parametrize("detector", DETECTORS, ids=repr)


def rows(n, d=5, seed=0):
    """Rows of two overlapping, heavy-tailed, correlated clusters."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(2, d, d)) / np.sqrt(d)
    second = rng.random(n) < 0.3
    return np.einsum("nd,nde->ne", rng.normal(size=(n, d)), mixing[second.astype(int)]) + second[
        :, np.newaxis
    ] * np.linspace(1, 3, d)


def in_chunks(detector, X, n_chunks, y=None):
    detector = clone(detector)
    labels = [None] * n_chunks if y is None else np.array_split(y, n_chunks)
    for chunk, label in zip(np.array_split(X, n_chunks), labels, strict=True):
        detector.partial_fit(chunk, label)
    return detector


@pytest.mark.parametrize("shrinkage", ["ledoit-wolf", "oas", 0.0, 0.3, 1])
@pytest.mark.parametrize(("n", "n_chunks"), [(300, 1), (300, 9), (20_000, 13)])
def test_mahalanobis_is_exact(shrinkage, n, n_chunks):
    X = rows(n) + np.linspace(0, 2, n)[:, np.newaxis]  # chunks differ
    reference = MahalanobisDetector(shrinkage).fit(X)
    chunked = in_chunks(reference, X, n_chunks)
    for name in STATE:
        np.testing.assert_allclose(getattr(chunked, name), getattr(reference, name), 1e-9, 1e-12)
    np.testing.assert_allclose(chunked.score_samples(X), reference.score_samples(X), rtol=1e-8)
    assert chunked.n_genuine_ == reference.n_genuine_ == n


@each_detector
@pytest.mark.parametrize("n_chunks", [1, 4])
def test_threshold_is_exact_while_all_rows_are_held(detector, n_chunks):
    X = rows(2000)
    chunked, reference = in_chunks(detector, X, n_chunks), clone(detector).fit(X)
    assert chunked.offset_ == pytest.approx(reference.offset_, rel=1e-9)
    np.testing.assert_allclose(chunked.score_samples(X), reference.score_samples(X), rtol=1e-8)


@each_detector
@pytest.mark.parametrize("contamination", [0.01, 0.05, 0.5])
def test_threshold_of_many_rows_rejects_the_fraction_to_the_stated_error(detector, contamination):
    X = rows(30_000)
    chunked = in_chunks(clone(detector).set_params(contamination=contamination), X, 5)
    error = np.sqrt(contamination * (1 - contamination) / SAMPLE_ROWS)
    rejected = np.mean(chunked.predict(X) == -1)
    assert rejected == pytest.approx(contamination, abs=3 * error)
    assert len(chunked.stream_.sample_.rows_) == SAMPLE_ROWS


@pytest.mark.parametrize("covariance_type", COVARIANCES)
@pytest.mark.parametrize("options", [{}, {"shrinkage": "auto"}, {"n_pca": None, "shrinkage": 0.1}])
def test_mixture_is_as_likely_as_that_of_all_rows(covariance_type, options):
    X, new = rows(30_000), rows(5000, seed=1)
    detector = GaussianMixtureDetector(
        2, covariance_type=covariance_type, random_state=0, **options
    )
    reference, chunked = clone(detector).fit(X), in_chunks(detector, X, 4)
    expected = reference.score_samples(new).mean()
    assert chunked.score_samples(new).mean() == pytest.approx(expected, abs=0.02)
    fakes = np.concatenate([new, rows(5000, seed=2) + 1.5])
    y = np.repeat([1, -1], 5000)
    expected = roc_auc_score(y, reference.score_samples(fakes))
    assert roc_auc_score(y, chunked.score_samples(fakes)) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag"])
def test_a_mixture_of_one_is_exact(covariance_type):
    X = rows(20_000) + np.linspace(0, 2, 20_000)[:, np.newaxis]
    reference = GaussianMixtureDetector(1, covariance_type=covariance_type).fit(X)
    chunked = in_chunks(reference, X, 3)
    np.testing.assert_allclose(chunked.score_samples(X), reference.score_samples(X), rtol=1e-6)


@pytest.mark.parametrize("covariance_type", ["full", "tied"])
def test_mean_and_covariance_of_the_mixture_are_those_of_all_rows(covariance_type):
    X = rows(20_000) + np.linspace(0, 2, 20_000)[:, np.newaxis]
    detector = GaussianMixtureDetector(
        3, covariance_type=covariance_type, reg_covar=0, random_state=0
    )
    mixture = in_chunks(detector, X, 3).mixture_
    weighted = mixture.weights_[:, np.newaxis] * mixture.means_
    np.testing.assert_allclose(weighted.sum(axis=0), 0, atol=1e-9)
    shape = (3, 5, 5)
    pooled = np.einsum("k,kde->de", mixture.weights_, np.broadcast_to(mixture.covariances_, shape))
    np.testing.assert_allclose(pooled + weighted.T @ mixture.means_, np.cov(X.T, ddof=0), 1e-8)
    np.testing.assert_allclose(
        mixture.precisions_ @ mixture.covariances_, np.broadcast_to(np.eye(5), shape)
        if covariance_type == "full" else np.eye(5), atol=1e-8,
    )  # fmt: skip


@each_detector
def test_fakes_are_not_learned_from_in_any_chunk(detector):
    X, y = rows(20_000), np.where(np.arange(20_000) % 10 < 3, -1, 1)
    X[y == -1] += 50
    y[:4000] = -1  # the first chunk has no genuine row, nor has a later one
    y[8000:12_000] = -1
    mixed = in_chunks(detector, X, 5, y)
    assert mixed.n_genuine_ == (y == 1).sum()
    genuine = clone(detector)
    for start in (4000, 12_000, 16_000):
        chunk = slice(start, start + 4000)
        genuine.partial_fit(X[chunk][y[chunk] == 1])
    assert mixed.score_samples(X).tobytes() == genuine.score_samples(X).tobytes()
    assert mixed.offset_ == genuine.offset_


@each_detector
def test_nothing_learned_is_not_fitted(detector):
    detector = clone(detector).partial_fit(rows(50), np.full(50, -1))
    with pytest.raises(NotFittedError):
        detector.score_samples(rows(3))
    with pytest.raises(ValueError, match=r"X has 4 features, but .* expecting 5"):
        detector.partial_fit(rows(50, d=4))


@each_detector
def test_rows_without_a_face_are_left_out(detector):
    X = rows(200)
    X[[3, 150]] = np.nan
    with pytest.warns(UserWarning, match=r"1 of 100 rows are not learned from.*row 3"):
        chunked = in_chunks(detector, X[:100], 1)
    with pytest.warns(UserWarning, match="5 of 5 rows are not learned from"):
        chunked.partial_fit(np.full((5, 5), np.nan))
    assert chunked.n_genuine_ == 99


@each_detector
def test_too_few_rows_are_kept_until_there_are_enough(detector):
    X, chunked = rows(300), clone(detector)
    with pytest.warns(UserWarning, match="cannot score yet, and goes on to learn: Too few genuine"):
        chunked.partial_fit(X[:1])
    with pytest.raises(NotFittedError):
        chunked.predict(X)
    chunked.partial_fit(X[1:])
    expected = clone(detector).fit(X).score_samples(X)
    np.testing.assert_allclose(chunked.score_samples(X), expected, rtol=1e-8)


def test_singular_at_first():
    X, chunked = rows(60, d=12), MahalanobisDetector(0.0)
    with pytest.warns(UserWarning, match="10 genuine rows of 12 features cannot be inverted"):
        chunked.partial_fit(X[:10])
    chunked.partial_fit(X[10:])
    expected = MahalanobisDetector(0.0).fit(X).score_samples(X)
    np.testing.assert_allclose(chunked.score_samples(X), expected, rtol=1e-8)


def test_many_equal_rows_are_no_start():
    detector = GaussianMixtureDetector(2)
    with pytest.raises(ValueError, match="All 8192 genuine rows are the same"):
        detector.partial_fit(np.ones((9000, 2)))


@each_detector
@pytest.mark.parametrize("n", [500, 12_000])
def test_goes_on_after_saving(detector, n, tmp_path):
    X, new_rows = rows(n), rows(3000, seed=1)
    chunked = in_chunks(detector, X, 3)
    path = tmp_path / "model.diffake"
    persistence.save(chunked, path)
    loaded = persistence.load(path)
    assert loaded.score_samples(X).tobytes() == chunked.score_samples(X).tobytes()
    for copy in (chunked, loaded):
        copy.partial_fit(new_rows)
    assert loaded.score_samples(X).tobytes() == chunked.score_samples(X).tobytes()
    assert loaded.offset_ == chunked.offset_


@each_detector
def test_a_clone_starts_from_nothing(detector):
    chunked = in_chunks(detector, rows(500), 2)
    fresh = clone(chunked)
    assert not hasattr(fresh, "stream_")
    with pytest.raises(NotFittedError):
        fresh.predict(rows(3))


@each_detector
def test_fit_keeps_nothing_to_go_on_from(detector):
    X, new_rows = rows(500), rows(400, seed=1)
    fitted = in_chunks(detector, X, 2).fit(X)
    assert fitted.stream_ is None
    fitted.partial_fit(new_rows, np.full(400, -1))
    assert fitted.n_genuine_ == 500
    with pytest.warns(UserWarning, match=r"fitted by fit, .* what was learned before is forgotten"):
        fitted.partial_fit(new_rows)
    expected = clone(detector).partial_fit(new_rows)
    assert fitted.n_genuine_ == 400
    np.testing.assert_array_equal(fitted.score_samples(X), expected.score_samples(X))


@each_detector
def test_a_fit_that_is_forgotten_gives_no_verdicts(detector):
    fitted = clone(detector).fit(rows(500))
    with pytest.warns(UserWarning, match=r"forgotten|cannot score yet"):
        fitted.partial_fit(rows(1))
    with pytest.raises(NotFittedError):
        fitted.predict(rows(3))


@each_detector
def test_rows_can_be_removed_from_the_model(detector):
    chunked = in_chunks(detector, X := rows(500), 2)
    scores, chunked.stream_ = chunked.score_samples(X), None
    np.testing.assert_array_equal(chunked.score_samples(X), scores)
    with pytest.warns(UserWarning, match="its stream_ was removed"):
        chunked.partial_fit(X)


@pytest.mark.parametrize("n_pca", [2, 0.9])
def test_a_projection_is_not_learned_in_chunks(n_pca):
    detector = GaussianMixtureDetector(n_pca=n_pca)
    assert not hasattr(detector, "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit") as raised:
        detector.partial_fit(rows(100))
    assert f"n_pca={n_pca} cannot be learned chunk by chunk" in str(raised.value.__cause__)


def test_all_features_are_kept_where_rows_are_many():
    detector = in_chunks(GaussianMixtureDetector(3, random_state=0), rows(100, d=12), 1)
    assert detector.pca_.n_components_ == 8
    detector = detector.partial_fit(rows(200, d=12))
    assert detector.pca_ is None


@pytest.mark.parametrize("parameter", [{"n_components": 3}, {"covariance_type": "diag"}])
def test_the_form_of_a_mixture_cannot_change(parameter):
    chunked = in_chunks(DETECTORS[1], rows(500), 1).set_params(**parameter)
    with pytest.raises(ValueError, match=f"{next(iter(parameter))} was .* for the chunks before"):
        chunked.partial_fit(rows(500))


@each_detector
def test_bad_chunks_change_nothing(detector):
    X = rows(500)
    chunked = in_chunks(detector, X, 2)
    scores = chunked.score_samples(X)
    bad = X.copy()
    bad[7, 2] = np.inf
    with pytest.raises(ValueError, match="infinity in row 7"):
        chunked.partial_fit(bad)
    with pytest.raises(ValueError, match="each of the 500 rows of X, got 2"):
        chunked.partial_fit(X, [1, 1])
    np.testing.assert_array_equal(chunked.score_samples(X), scores)
    assert chunked.n_genuine_ == 500


@each_detector
def test_memory_does_not_grow_with_the_rows(detector):
    def size(model):
        values = vars(model).values()
        nested = (size(v) for v in values if hasattr(v, "get_params"))
        return sum(v.nbytes for v in values if isinstance(v, np.ndarray)) + sum(nested)

    chunked = in_chunks(detector, rows(10_000), 2)
    n_bytes = size(chunked)
    for seed in range(1, 4):
        chunked.partial_fit(rows(10_000, seed=seed))
    assert size(chunked) == n_bytes


def test_single_rows_are_chunks_too():
    X = rows(40)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        chunked = in_chunks(MahalanobisDetector(), X, 40)
    expected = MahalanobisDetector().fit(X).score_samples(X)
    np.testing.assert_allclose(chunked.score_samples(X), expected, rtol=1e-9)


def test_the_sample_is_what_the_class_says():
    chunked = in_chunks(MahalanobisDetector(), X := rows(9000), 2)
    expected = RowSample(SAMPLE_ROWS).partial_fit(X).rows_
    np.testing.assert_array_equal(chunked.stream_.sample_.rows_, expected)


@pytest.mark.parametrize(
    ("detector", "name"),
    [
        (MahalanobisDetector(shrinkage=2.0), "shrinkage"),
        (MahalanobisDetector(contamination=0.9), "contamination"),
        (GaussianMixtureDetector(0), "n_components"),
    ],
)
def test_parameters_are_checked_before_a_chunk(detector, name):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of {type(detector).__name__}"):
        detector.partial_fit(rows(30))


def test_components_of_a_projection_cannot_be_learned_in_chunks():
    assert hasattr(GaussianMixtureDetector(2, n_pca=None), "partial_fit")
    assert not hasattr(GaussianMixtureDetector(2, n_pca=3), "partial_fit")
