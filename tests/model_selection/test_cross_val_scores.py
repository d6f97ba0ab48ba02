"""cross_val_scores: every row by a detector that was fitted without it."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from image_helpers import noise
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, RepeatedKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.svm import OneClassSVM

from sklearn_diffake.base import BaseDetector, LabelError
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.faces import ImageError
from sklearn_diffake.metrics import get_scorer
from sklearn_diffake.model_selection import (
    IdentityGroupKFold,
    LeaveOneTechniqueOut,
    cross_val_scores,
)
from sklearn_diffake.novelty import ConformalDetector, MahalanobisDetector, SumRuleDetector
from sklearn_diffake.pairs import PairDifference


@pytest.fixture
def data():
    """Rows, labels and persons, in no order."""
    rng = np.random.default_rng(0)
    y = rng.permutation(np.tile([1, 1, -1], 40))
    people = rng.permutation(np.repeat([f"p{i}" for i in range(12)], 10))
    return rng.normal(size=(120, 3)) + 2.0 * (y == -1)[:, np.newaxis], y, people


def by_hand(estimator, X, y, splits, method="decision_function"):
    """The scores, by the loop that the function replaces."""
    scores = np.full(len(X), np.nan)
    for train, test in splits:
        genuine = train[y[train] == 1]
        fitted = clone(estimator).fit(X[genuine], y[genuine])
        scores[test] = getattr(fitted, method)(X[test])
    return scores


@pytest.mark.parametrize("method", ["decision_function", "score_samples"])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_is_the_loop(method, n_jobs, data):
    X, y, people = data
    cv = IdentityGroupKFold(3)
    scores, folds = cross_val_scores(
        MahalanobisDetector(),
        X,
        y,
        groups=people,
        cv=cv,
        method=method,
        n_jobs=n_jobs,
        return_folds=True,
    )
    splits = list(cv.split(X, y, people))
    np.testing.assert_array_equal(scores, by_hand(MahalanobisDetector(), X, y, splits, method))
    for number, (_, test) in enumerate(splits):
        assert (folds[test] == number).all()


@pytest.mark.parametrize(("cv", "n_folds"), [(None, 5), (3, 3)])
def test_a_number_of_folds_keeps_people_apart(cv, n_folds, data):
    X, y, people = data
    scores = cross_val_scores(MahalanobisDetector(), X, y, groups=people, cv=cv)
    splits = IdentityGroupKFold(n_folds).split(X, y, people)
    np.testing.assert_array_equal(scores, by_hand(MahalanobisDetector(), X, y, splits))


def test_a_number_of_folds_without_groups_is_stratified(data):
    X, y, _ = data
    order = np.argsort(y, kind="stable")  # all deepfakes first
    scores, folds = cross_val_scores(
        MahalanobisDetector(), X[order], y[order], cv=4, return_folds=True
    )
    splits = list(StratifiedKFold(4).split(X[order], y[order]))
    np.testing.assert_array_equal(
        scores, by_hand(MahalanobisDetector(), X[order], y[order], splits)
    )
    assert all(set(y[order][folds == fold]) == {1, -1} for fold in range(4))


def test_without_labels_every_row_is_genuine(data):
    X, _, _ = data
    scores = cross_val_scores(MahalanobisDetector(), X, cv=KFold(3))
    splits = KFold(3).split(X)
    np.testing.assert_array_equal(scores, by_hand(MahalanobisDetector(), X, np.ones(120), splits))


@pytest.mark.parametrize("detector", [OneClassSVM(), make_pipeline(PCA(2), MahalanobisDetector())])
def test_no_step_learns_from_deepfakes(detector, data):
    X, y, people = data
    expected = cross_val_scores(detector, X, y, groups=people, cv=3)
    cv = list(IdentityGroupKFold(3).split(X, y, people))
    for train, test in cv:
        moved = X.copy()
        moved[train[y[train] == -1]] += 1000.0
        scores = cross_val_scores(detector, moved, y, cv=[(train, test)])
        np.testing.assert_array_equal(scores[test], expected[test])
        with_fakes = cross_val_scores(detector, moved, y, cv=[(train, test)], fit_on="all")
        assert (with_fakes[test] != expected[test]).any()


def test_rows_that_are_never_tested_are_nan(data):
    X, y, _ = data
    train, test = np.arange(60), np.zeros(120, dtype=bool)
    test[80:] = True  # a mask
    scores, folds = cross_val_scores(
        MahalanobisDetector(), X, y, cv=[(train, test)], return_folds=True
    )
    assert np.isnan(scores[:80]).all()
    assert np.isfinite(scores[80:]).all()
    assert folds.tolist() == [-1] * 80 + [0] * 40


def test_rows_that_are_tested_twice_are_refused(data):
    X, y, _ = data
    cv = RepeatedKFold(n_splits=3, n_repeats=2, random_state=0)
    row = next(test for number, (_, test) in enumerate(cv.split(X)) if number == 3)[0]
    with pytest.raises(ValueError, match=rf"Row {row} is tested by the splits \d and 3"):
        cross_val_scores(MahalanobisDetector(), X, y, cv=cv)


def test_genuine_rows_that_serve_several_techniques_are_refused(data):
    X, y, _ = data
    technique = np.where(y == 1, "", np.where(np.arange(120) % 2, "swap", "warp"))
    with pytest.raises(ValueError, match="is tested by the splits 0 and 1"):
        cross_val_scores(MahalanobisDetector(), X, y, groups=technique, cv=LeaveOneTechniqueOut())


def test_what_needs_deepfakes(data):
    X, y, _ = data
    search = GridSearchCV(
        MahalanobisDetector(),
        {"contamination": [0.05, 0.2]},
        scoring=get_scorer("neg_equal_error_rate"),
        cv=StratifiedKFold(3),
    )
    with pytest.raises(ValueError, match=r'LogisticRegression is a classifier.*fit_on="all"'):
        cross_val_scores(LogisticRegression(), X, y)
    with pytest.raises(ValueError, match=r'GridSearchCV chooses parameters.*fit_on="all"'):
        cross_val_scores(search, X, y)
    for estimator in (LogisticRegression(), search):
        scores = cross_val_scores(estimator, X, y, cv=3, fit_on="all")
        assert np.isfinite(scores).all()
        assert scores[y == 1].mean() > scores[y == -1].mean()


def test_parameters_of_fit_are_split_too(data):
    X, y, people = data

    class Recorder(BaseDetector):
        received = []

        def __init__(self, contamination=0.05):
            self.contamination = contamination

        def fit(self, X, y=None, *, people=None, note=None):
            self.received.append((len(X), sorted(set(people)), note))
            return self._fit_genuine(X, y)

        def _fit(self, X):
            pass

        def _score(self, X):
            return X[:, 0]

    params = {"people": people.tolist(), "note": "x" * 120}
    cross_val_scores(Recorder(), X, y, groups=people, cv=3, params=params)
    for (n_rows, names, note), (train, _) in zip(
        Recorder.received, IdentityGroupKFold(3).split(X, y, people), strict=True
    ):
        genuine = train[y[train] == 1]
        assert n_rows == len(genuine)
        assert names == sorted(set(people[genuine]))
        assert note == "x" * 120


def test_groups_of_a_conformal_detector(data):
    X, y, people = data
    detector = ConformalDetector(MahalanobisDetector(), target_bpcer=0.4, random_state=0)
    params = {"groups": people}
    scores = cross_val_scores(detector, X, y, groups=people, cv=3, params=params)
    train, test = next(IdentityGroupKFold(3).split(X, y, people))
    fitted = clone(detector).fit(X[train], y[train], groups=people[train])
    np.testing.assert_allclose(scores[test], fitted.decision_function(X[test]), rtol=1e-9)


@pytest.mark.parametrize("form", ["list", "pandas", "polars", "dense"])
def test_pairs_of_pictures_in_every_form(form):
    first, second = noise(12), noise(12, seed=1)
    pairs = list(zip(first, second, strict=True))
    X = {
        "list": lambda: pairs,
        "pandas": lambda: pd.DataFrame(
            {"reference": first, "probe": second}, index=range(12, 0, -1)
        ),
        "polars": lambda: pl.DataFrame(
            {
                "reference": pl.Series(first, dtype=pl.Object),
                "probe": pl.Series(second, dtype=pl.Object),
            }
        ),
        "dense": lambda: np.stack([np.stack(pair) for pair in pairs]),
    }[form]()
    embedder = FaceEmbedder("tiny_backbones:colors", device="cpu")
    pipe = make_pipeline(embedder, PairDifference("cosine"), SumRuleDetector())
    scores = cross_val_scores(pipe, X, cv=KFold(3), method="score_samples")
    expected = pipe.fit(pairs[4:]).score_samples(pairs[:4])
    np.testing.assert_allclose(scores[:4], expected, rtol=1e-5)


@pytest.mark.parametrize("bad_row", [1, 9])
def test_an_unusable_picture_is_named_by_its_row_in_the_table(bad_row):
    pairs = list(zip(noise(12), noise(12, seed=1), strict=True))
    pairs[bad_row] = (pairs[bad_row][0], "missing.png")
    embedder = FaceEmbedder("tiny_backbones:colors", device="cpu")
    pipe = make_pipeline(embedder, PairDifference("cosine"), SumRuleDetector())
    with pytest.raises(ImageError, match=f"^row {bad_row}, column 1, file 'missing.png'") as caught:
        cross_val_scores(pipe, pairs, cv=KFold(3))
    assert caught.value.row == bad_row


def test_pairs_without_a_face_have_no_score(data):
    X, y, people = data
    X = X.copy()
    X[[3, 50]] = np.nan
    with pytest.warns(UserWarning, match="not learned from"):
        scores, folds = cross_val_scores(
            MahalanobisDetector(), X, y, groups=people, return_folds=True
        )
    assert np.flatnonzero(np.isnan(scores)).tolist() == [3, 50]
    assert (folds >= 0).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "predict"}, "'method' parameter"),
        ({"fit_on": "fakes"}, "'fit_on' parameter"),
        ({"cv": [([0, 1], [2, 3])], "y": [-1, -1, 1, 1]}, r"Split 0 has no genuine row \(\+1\)"),
        ({"y": [1, -1]}, "y must have one label for each of the 4 rows of X, got 2"),
    ],
)
def test_bad_arguments(settings, message):
    with pytest.raises(ValueError, match=message):
        cross_val_scores(SumRuleDetector(), np.ones((4, 1)), **settings)


def test_other_labels_are_refused():
    with pytest.raises(LabelError, match="got 0 in row 1"):
        cross_val_scores(SumRuleDetector(), np.ones((4, 1)), [1, 0, 1, 0])


def test_a_generator_of_splits_that_was_used_is_refused(data):
    X, y, _ = data
    splits = iter([(np.arange(60), np.arange(60, 120))])
    cross_val_scores(MahalanobisDetector(), X, y, cv=splits)
    with pytest.raises(ValueError, match=r"got none\. A generator of splits can be used only once"):
        cross_val_scores(MahalanobisDetector(), X, y, cv=splits)


@pytest.mark.parametrize(
    ("test", "message"),
    [([59, 80], "Split 0 trains on row 59"), ([80, 80], "Split 0 tests a row more than once")],
)
def test_splits_that_test_what_they_train_on_are_refused(data, test, message):
    X, y, _ = data
    with pytest.raises(ValueError, match=message):
        cross_val_scores(MahalanobisDetector(), X, y, cv=[(np.arange(60), np.array(test))])
