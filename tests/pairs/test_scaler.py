import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import FeatureUnion, make_pipeline

from sklearn_diffake import persistence
from sklearn_diffake.pairs import DifferenceScaler, PairDifference

rng = np.random.default_rng(0)
ROWS = rng.normal(3.0, 50.0, size=(200, 6)) * np.arange(1, 7)


def mean_square(X):
    return np.square(X).sum(axis=1).mean()


@pytest.mark.parametrize("n_components", [None, 2, 6, 0.8])
def test_genuine_rows_have_length_one_on_average(n_components):
    scaled = DifferenceScaler(n_components).fit_transform(ROWS)
    assert mean_square(scaled) == pytest.approx(1.0)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-12)


def test_proportions_within_a_row_are_kept():
    scaler = DifferenceScaler().fit(ROWS)
    ratio = scaler.transform(ROWS) / (ROWS - ROWS.mean(axis=0))
    np.testing.assert_allclose(ratio, ratio[0, 0])


def test_components_are_those_of_most_variance():
    scaler = DifferenceScaler(2).fit(ROWS)
    assert scaler.transform(ROWS).shape == (200, 2)
    assert set(np.argmax(np.abs(scaler.components_), axis=1)) == {4, 5}
    numerous, few = (DifferenceScaler(fraction).fit(ROWS) for fraction in (0.99, 0.5))
    assert len(few.components_) < len(numerous.components_)


@pytest.mark.parametrize("n_components", [None, 3])
def test_fakes_are_not_learned_from(n_components):
    X, y = np.concatenate([ROWS, ROWS * 1000 + 7]), np.repeat([1, -1], 200)
    expected = DifferenceScaler(n_components).fit(ROWS)
    result = DifferenceScaler(n_components).fit(X, y)
    np.testing.assert_array_equal(result.transform(X), expected.transform(X))


@pytest.mark.parametrize(("width", "unit"), [(4, 1.0), (400, 1.0), (4, 1e3)])
def test_neither_width_nor_unit_gives_an_embedding_more_say(width, unit):
    pairs = np.random.default_rng(1).normal(scale=unit, size=(300, 2, width))
    branch = make_pipeline(PairDifference("subtract", normalize=None), DifferenceScaler())
    concatenated = FeatureUnion([("one", branch)]).fit_transform(pairs)
    assert concatenated.shape == (300, width)
    assert mean_square(concatenated) == pytest.approx(1.0)


def test_a_row_has_one_image_in_any_batch():
    scaler = DifferenceScaler(3).fit(ROWS)
    joint = scaler.transform(ROWS)
    single = np.concatenate([scaler.transform(row[None]) for row in ROWS])
    np.testing.assert_array_equal(joint, single)


@pytest.mark.parametrize("n_components", [None, 0.5])
def test_short_rows_get_length_one_in_one_fit_and_in_chunks(n_components):
    short = ROWS * 1e-4
    single_fit = DifferenceScaler(n_components).fit(short)
    chunks = DifferenceScaler(n_components).partial_fit(short[:90]).partial_fit(short[90:])
    for scaler in (single_fit, chunks):
        projected = scaler.transform(short)
        assert np.square(projected).sum(axis=1).mean() == pytest.approx(1)
    np.testing.assert_allclose(chunks.transform(short), single_fit.transform(short), atol=1e-9)


def test_constant_rows_stay_finite():
    np.testing.assert_array_equal(DifferenceScaler().fit_transform(np.ones((5, 3))), 0)


def test_too_many_components():
    with pytest.raises(
        ValueError, match=r"n_components must be .*n_samples=200, n_features=6\), got 7"
    ):
        DifferenceScaler(7).fit(ROWS)


def test_bad_rows_are_named():
    X = ROWS.copy()
    X[17, 2] = np.nan
    with pytest.raises(ValueError, match="NaN in row 17"):
        DifferenceScaler().fit(X)


def test_rows_without_a_face_alone_are_nothing_to_learn_from():
    with pytest.raises(ValueError, match="none of them has a usable face"):
        DifferenceScaler().fit(np.full((5, 3), np.nan))


def test_output_columns_are_named():
    names = DifferenceScaler(2).fit(ROWS).get_feature_names_out()
    assert names.tolist() == ["differencescaler0", "differencescaler1"]


@pytest.mark.parametrize("n_components", [None, 1, 3, 6, 0.5, 0.99])
@pytest.mark.parametrize("n_chunks", [1, 2, 33])
def test_chunks_give_what_all_rows_give(n_components, n_chunks):
    X = ROWS + np.linspace(0, 90, len(ROWS))[:, np.newaxis]  # chunks differ
    full, chunked = (DifferenceScaler(n_components) for _ in range(2))
    for chunk in np.array_split(X, n_chunks):
        chunked.partial_fit(chunk)
    np.testing.assert_allclose(chunked.transform(X), full.fit_transform(X), atol=1e-9)
    names = full.get_feature_names_out()
    assert chunked.get_feature_names_out().tolist() == names.tolist()


def test_chunks_without_genuine_rows_change_nothing():
    chunked = DifferenceScaler().partial_fit(ROWS, -np.ones(200))
    with pytest.raises(NotFittedError):
        chunked.transform(ROWS)
    missing = np.where(np.arange(200)[:, np.newaxis] < 50, np.nan, ROWS)
    chunked.partial_fit(missing, np.repeat([1, -1], 100)).partial_fit(ROWS, -np.ones(200))
    expected = DifferenceScaler().fit(ROWS[50:100]).transform(ROWS)
    np.testing.assert_allclose(chunked.transform(ROWS), expected)
    with pytest.raises(ValueError, match="5 features, but DifferenceScaler is expecting 6"):
        chunked.partial_fit(ROWS[:, :5])


def test_waits_for_as_many_rows_as_components():
    chunked = DifferenceScaler(4).partial_fit(ROWS[:3])
    with pytest.raises(NotFittedError):
        chunked.transform(ROWS)
    chunked.partial_fit(ROWS[3:])
    expected = DifferenceScaler(4).fit(ROWS).transform(ROWS)
    np.testing.assert_allclose(chunked.transform(ROWS), expected, atol=1e-9)
    with pytest.raises(ValueError, match="n_components=7 is more than there are features"):
        DifferenceScaler(7).partial_fit(ROWS)


@pytest.mark.parametrize("n_components", [None, 2, 0.5])
def test_constant_chunks_stay_finite(n_components):
    scaler = DifferenceScaler(n_components).partial_fit(np.ones((5, 3)))
    np.testing.assert_array_equal(scaler.transform(np.ones((5, 3))), 0)


def test_chunks_after_fit_start_again():
    scaler = DifferenceScaler().fit(ROWS)
    with pytest.warns(UserWarning, match=r"fitted by fit, .* forgotten"):
        scaler.partial_fit(ROWS[:90])
    expected = DifferenceScaler().fit(ROWS[:90]).transform(ROWS)
    np.testing.assert_allclose(scaler.transform(ROWS), expected)


@pytest.mark.parametrize("n_components", [None, 3])
def test_goes_on_after_saving(n_components, tmp_path):
    chunked = DifferenceScaler(n_components).partial_fit(ROWS[:90])
    persistence.save(chunked, tmp_path / "scaler.diffake")
    loaded = persistence.load(tmp_path / "scaler.diffake").partial_fit(ROWS[90:])
    expected = DifferenceScaler(n_components).fit(ROWS).transform(ROWS)
    np.testing.assert_allclose(loaded.transform(ROWS), expected, atol=1e-9)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("n_components", [-0.5, 0.0, 1.5, 0, -1, "all"])
def test_n_components_is_checked(method, n_components):
    with pytest.raises(ValueError, match="The 'n_components' parameter of DifferenceScaler"):
        getattr(DifferenceScaler(n_components), method)(np.eye(3))


@pytest.mark.parametrize(
    ("method", "n_components"), [("fit", None), ("partial_fit", None), ("partial_fit", 0.5)]
)
def test_constant_differences_are_not_scaled(method, n_components):
    scaler = getattr(DifferenceScaler(n_components), method)(np.ones((4, 3)))
    assert scaler.scale_ == 1.0
    np.testing.assert_allclose(scaler.transform(np.ones((1, 3))), 0, atol=1e-12)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    ("n_components", "n_kept"), [(1, 1), (4, 4), (0.5, 1), (0.7, 2), (0.97, 3)]
)
def test_components_explain_the_fraction_of_the_variance(method, n_components, n_kept):
    deviations = np.diag([6.0, 4.0, 3.0, 1.0])  # variances 36, 16, 9 and 1 of 62
    rows = np.vstack([deviations, -deviations])
    scaler = getattr(DifferenceScaler(n_components), method)(rows)
    np.testing.assert_allclose(np.abs(scaler.components_), np.eye(4)[:n_kept], atol=1e-12)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_as_many_components_as_rows(method):
    rows = np.random.default_rng(0).normal(size=(3, 5))
    scaler = getattr(DifferenceScaler(3), method)(rows)
    assert scaler.transform(rows).shape == (3, 3)
