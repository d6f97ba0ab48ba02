import numpy as np
import pytest
from sklearn.pipeline import FeatureUnion, make_pipeline

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
    many, few = (DifferenceScaler(share).fit(ROWS) for share in (0.99, 0.5))
    assert len(few.components_) < len(many.components_)


@pytest.mark.parametrize("n_components", [None, 3])
def test_fakes_are_not_learned_from(n_components):
    X, y = np.concatenate([ROWS, ROWS * 1000 + 7]), np.repeat([1, -1], 200)
    expected = DifferenceScaler(n_components).fit(ROWS)
    found = DifferenceScaler(n_components).fit(X, y)
    np.testing.assert_array_equal(found.transform(X), expected.transform(X))


@pytest.mark.parametrize(("width", "unit"), [(4, 1.0), (400, 1.0), (4, 1e3)])
def test_neither_width_nor_unit_gives_an_embedding_more_say(width, unit):
    pairs = np.random.default_rng(1).normal(scale=unit, size=(300, 2, width))
    branch = make_pipeline(PairDifference("subtract", normalize=None), DifferenceScaler())
    joined = FeatureUnion([("one", branch)]).fit_transform(pairs)
    assert joined.shape == (300, width)
    assert mean_square(joined) == pytest.approx(1.0)


def test_a_row_has_one_image_in_any_batch():
    scaler = DifferenceScaler(3).fit(ROWS)
    together = scaler.transform(ROWS)
    alone = np.concatenate([scaler.transform(row[None]) for row in ROWS])
    np.testing.assert_array_equal(together, alone)


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


def test_output_columns_are_named():
    names = DifferenceScaler(2).fit(ROWS).get_feature_names_out()
    assert names.tolist() == ["differencescaler0", "differencescaler1"]
