"""The rules that all detectors share."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import _fit_context

from sklearn_diffake.base import (
    BaseDetector,
    check_finite,
    genuine_mask,
    genuine_rows,
    take_rows,
    threshold_warning,
)
from sklearn_diffake.novelty import MahalanobisDetector


class DistanceToMean(BaseDetector):
    """The least detector: minus the distance to the mean of genuine rows."""

    def __init__(self, *, contamination=0.05):
        self.contamination = contamination

    def _fit(self, X):
        self.seen_ = X
        self.mean_ = X.mean(axis=0)

    def _score(self, X):
        return -np.linalg.norm(X - self.mean_, axis=1)


class GroupedDetector(DistanceToMean):
    """A detector with groups of its own."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, groups=None):
        return self._fit_genuine(X, y, groups=groups)

    def _fit(self, X, groups=None):
        super()._fit(X)
        self.groups_ = groups


class ImageDetector(DistanceToMean):
    """A detector whose rows are images, with a threshold of its own."""

    def _validate(self, X, *, reset):
        X = np.asarray(X, dtype=float)
        return X.reshape(len(X), -1)

    def _offset(self, X):
        return -1.5


@pytest.fixture
def rows():
    return np.random.default_rng(0).normal(size=(100, 3))


@pytest.mark.parametrize(
    "X",
    [
        ["a", "b", "c", "d"],
        np.array(["a", "b", "c", "d"], dtype=object),
        pd.Series(["a", "b", "c", "d"], index=[7, 7, 1, 0]),
    ],
    ids=["list", "array", "series"],
)
def test_genuine_rows_of_any_container(X):
    remaining = genuine_rows(X, [1, -1, -1, 1])
    assert type(remaining) is type(X)
    assert list(remaining) == ["a", "d"]


def test_genuine_rows_of_pairs():
    frame = pd.DataFrame({"reference": list("abc"), "probe": list("xyz")})
    assert genuine_rows(frame, pd.Series([-1, 1, 1])).probe.tolist() == ["y", "z"]
    images = np.arange(3 * 2 * 4).reshape(3, 2, 2, 2)
    np.testing.assert_array_equal(genuine_rows(images, [1, 1, -1]), images[:2])


@pytest.mark.parametrize("y", [None, [1, 1]])
def test_nothing_is_copied_when_all_are_genuine(y):
    X = np.zeros((2, 3))
    assert genuine_rows(X, y) is X


@pytest.mark.parametrize(
    "y", [[1, -1], [1.0, -1.0], np.array([1, -1], dtype=object), np.array([1, -1], np.int8)]
)
def test_labels_of_any_numeric_kind(y):
    assert genuine_mask(y, 2).tolist() == [True, False]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([-1, -1, -1], "No genuine row to learn from: all 3 rows are labeled -1"),
        ([1, 1], "one label for each of the 3 rows of X, got 2"),
        (["real", "fake", "real"], "y must be .1 .genuine. or -1 .deepfake., got 'real' in row 0"),
        ([1, 0, -1], "y must be .*got 0 in row 1.*recode"),
        ([1, np.nan, -1], "got nan in row 1"),
        ([[1, 1], [1, 1], [1, 1]], "1d array"),
    ],
)
def test_bad_labels(y, message):
    with pytest.raises(ValueError, match=message):
        genuine_mask(y, 3)


def test_take_rows():
    assert take_rows([1, 2, 3], np.array([False, True, True])) == [2, 3]


@pytest.mark.parametrize(("value", "subject"), [(np.nan, "NaN"), (-np.inf, "infinity")])
@pytest.mark.parametrize("shape", [(5,), (5, 2), (5, 2, 4)])
def test_check_finite_names_the_first_bad_row(value, subject, shape):
    X = np.zeros(shape)
    check_finite(X)
    X[3] = X[4] = value
    with pytest.raises(ValueError, match=rf"Input Z contains {subject} in row 3 \(and in 1 later"):
        check_finite(X, name="Z")


@pytest.mark.parametrize("contamination", [0.01, 0.05, 0.2, 0.5])
def test_offset_rejects_the_requested_fraction(rows, contamination):
    detector = DistanceToMean(contamination=contamination).fit(rows)
    assert np.mean(detector.predict(rows) == -1) == pytest.approx(contamination)
    assert detector.offset_ == np.quantile(detector.score_samples(rows), contamination)


def test_decision_and_verdict_follow_from_scores(rows):
    detector = DistanceToMean().fit(rows)
    scores = detector.score_samples(rows)
    np.testing.assert_array_equal(detector.decision_function(rows), scores - detector.offset_)
    np.testing.assert_array_equal(
        detector.predict(rows), np.where(scores >= detector.offset_, 1, -1)
    )
    detector.offset_ = scores[0]
    assert detector.predict(rows[:1]) == [1]  # on the threshold is genuine


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("method", ["fit", "fit_predict"])
def test_fakes_are_never_learned_from(rows, method, order):
    single = DistanceToMean().fit(rows)
    X = np.insert(rows, [0, 50, 100], 1e6, axis=0)
    y = np.where(X[:, 0] == 1e6, -1, 1)
    mixed = DistanceToMean()
    getattr(mixed, method)(np.asarray(X, order=order), y)
    np.testing.assert_array_equal(mixed.seen_, single.seen_)
    assert mixed.mean_.tobytes() == single.mean_.tobytes()
    assert mixed.offset_ == single.offset_


def test_layout_in_memory_does_not_matter(rows):
    detector = DistanceToMean().fit(np.asfortranarray(rows))
    assert detector.seen_.flags.c_contiguous  # sums run in one order
    np.testing.assert_array_equal(detector.seen_, rows)


def test_fit_predict_gives_a_verdict_on_every_row(rows):
    X = np.vstack([rows, [[50.0, 0.0, 0.0]]])
    verdict = DistanceToMean().fit_predict(X, [1] * 100 + [-1])
    assert verdict.shape == (101,)
    assert verdict[-1] == -1


def test_data_that_go_with_rows_are_cut_alike(rows):
    groups = np.arange(100)
    y = np.where(groups % 4 == 0, -1, 1)
    detector = GroupedDetector().fit(rows, y, groups=groups)
    np.testing.assert_array_equal(detector.groups_, groups[y == 1])
    assert GroupedDetector().fit(rows, y).groups_ is None
    assert GroupedDetector().fit_predict(rows, y, groups=groups).shape == (100,)


def test_input_and_threshold_can_be_replaced():
    images = np.zeros((4, 2, 2, 3))
    images[3, 0, 0, 0] = 2.0
    detector = ImageDetector().fit(images, [1, 1, 1, -1])
    assert detector.offset_ == -1.5
    assert detector.predict(images).tolist() == [1, 1, 1, -1]


@pytest.mark.parametrize("contamination", [0, 0.6, -0.1, "auto"])
def test_contamination_is_checked(rows, contamination):
    with pytest.raises(ValueError, match="'contamination' parameter of DistanceToMean must be"):
        DistanceToMean(contamination=contamination).fit(rows)


def test_bad_rows_are_named_in_fit_and_in_scoring(rows):
    bad = rows.copy()
    bad[17, 1] = np.nan
    with pytest.raises(ValueError, match="X contains NaN in row 17"):
        DistanceToMean().fit(bad)
    with pytest.raises(ValueError, match="X contains NaN in row 17"):
        DistanceToMean().fit(rows).score_samples(bad)


def test_base_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        BaseDetector()


@pytest.mark.parametrize(("n_rows", "few"), [(3, True), (19, True), (20, False), (200, False)])
def test_a_threshold_from_few_rows_is_warned_of(n_rows, few):
    X = np.random.default_rng(0).normal(size=(n_rows, 2))
    detector = MahalanobisDetector(contamination=0.05)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        detector.fit(X)
        detector.predict(X)
    texts = [str(w.message) for w in caught if str(w.message).startswith("few-genuine-pairs")]
    assert len(texts) == few
    assert detector.n_genuine_ == n_rows
    if few:
        assert f"rests on {n_rows} genuine pairs only; at least 20 are needed" in texts[0]
        assert threshold_warning(detector) == texts[0]
    else:
        assert threshold_warning(detector) is None


def test_deepfakes_do_not_count_as_rows_of_the_threshold():
    X = np.random.default_rng(0).normal(size=(30, 2))
    detector = MahalanobisDetector().fit(X, np.repeat([1, -1], [10, 20]))
    with pytest.warns(UserWarning, match=r"few-genuine-pairs: .* 10 genuine pairs"):
        detector.predict(X)
    assert detector.n_genuine_ == 10
