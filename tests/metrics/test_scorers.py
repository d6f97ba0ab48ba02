"""Metrics as scorers: in searches, with metadata routing."""

import pickle
import re

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import get_scorer as sklearn_scorer
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate

from sklearn_diffake import metrics
from sklearn_diffake.metrics import get_scorer, get_scorer_names, get_scorers, video_level
from sklearn_diffake.novelty import MahalanobisDetector

NEEDS_NOTHING = sorted(set(get_scorer_names()) - {"neg_worst_apcer"})


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = np.tile([1, -1, 1, -1], 60)
    technique = np.where(y == 1, "", np.where(rng.random(240) < 0.5, "swap", "warp"))
    X = (
        rng.normal(size=(240, 3))
        + (1.2 * (technique == "swap") + 2.5 * (technique == "warp"))[:, None]
    )
    video = np.array([f"v{i // 4}{label}" for i, label in enumerate(y)])
    return X, y, technique, video


def expected(name, y, decision, **metadata):
    """What a scorer should say, from the functions."""
    options = {"neg_bpcer10": 0.1, "neg_bpcer20": 0.05, "neg_bpcer100": 0.01}
    if name in options:
        return -metrics.bpcer_at_apcer(y, decision, apcer=options[name], **metadata)
    if name == "roc_auc":
        return sklearn.metrics.roc_auc_score(y, decision)
    if name == "average_precision_fake":
        return metrics.average_precision_fake(y, decision)
    return -getattr(metrics, name.removeprefix("neg_"))(y, decision, **metadata)


@pytest.mark.parametrize("name", NEEDS_NOTHING)
def test_is_the_function_on_decisions(name, data):
    X, y, _, _ = data
    detector = MahalanobisDetector().fit(X, y)
    outcome = get_scorer(name)(detector, X, y)
    assert outcome == pytest.approx(expected(name, y, detector.decision_function(X)), abs=1e-12)


def test_roc_auc_is_scikit_learns(data):
    X, y, _, _ = data
    for model in (MahalanobisDetector(), LogisticRegression()):
        model.fit(X, y)
        assert get_scorer("roc_auc")(model, X, y) == sklearn_scorer("roc_auc")(model, X, y)


def test_classifier_that_knows_probabilities_only(data):
    from sklearn.ensemble import RandomForestClassifier

    X, y, _, _ = data
    forest = RandomForestClassifier(n_estimators=5, random_state=0).fit(X[:120], y[:120])
    outcome = get_scorer("neg_equal_error_rate")(forest, X, y)
    assert outcome == -metrics.equal_error_rate(y, forest.predict_proba(X)[:, 1])
    with pytest.raises(AttributeError, match="decision_function"):
        get_scorer("neg_bpcer")(forest, X, y)


def test_grid_search_with_several(data):
    X, y, _, _ = data
    search = GridSearchCV(
        MahalanobisDetector(),
        {"contamination": [0.01, 0.2]},
        scoring=get_scorers(),
        refit="neg_bpcer",
        cv=StratifiedKFold(3),
    ).fit(X, y)
    for name in NEEDS_NOTHING:
        assert np.isfinite(search.cv_results_[f"mean_test_{name}"]).all()
    assert search.best_params_ == {"contamination": 0.01}  # rejects fewer


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("name", ["neg_worst_apcer", "neg_bpcer10"])
@pytest.mark.parametrize("pool", [None, "mean"])
def test_metadata_follow_the_folds(name, pool, data):
    X, y, technique, video = data
    scorer = get_scorer(name, pool=pool)
    requested = {"technique": technique} | ({} if pool is None else {"video": video})
    scorer.set_score_request(**dict.fromkeys(requested, True))
    result = cross_validate(
        MahalanobisDetector(),
        X,
        y,
        cv=StratifiedKFold(3),
        scoring=scorer,
        params=requested,
        return_estimator=True,
        return_indices=True,
    )
    for outcome, detector, test in zip(
        result["test_score"], result["estimator"], result["indices"]["test"], strict=True
    ):
        decision, labels, created = detector.decision_function(X[test]), y[test], technique[test]
        if pool is not None:
            pooled = video_level(decision, video[test], pool, y_true=labels)
            decision, labels, created = pooled.score, pooled.y_true, created[pooled.first_row]
        assert outcome == pytest.approx(
            expected(name, labels, decision, technique=created), abs=1e-12
        )


@pytest.mark.usefixtures("routing")
def test_missing_and_useless_metadata(data):
    X, y, technique, video = data
    detector = MahalanobisDetector().fit(X, y)
    with pytest.raises(ValueError, match=r"'neg_worst_apcer' needs technique .*technique=True"):
        get_scorer("neg_worst_apcer")(detector, X, y)
    with pytest.raises(ValueError, match=r"'roc_auc' needs video"):
        get_scorer("roc_auc", pool="min")(detector, X, y)
    scorer = get_scorer("roc_auc").set_score_request(technique=True, video=True)
    with pytest.raises(ValueError, match="'roc_auc' cannot use technique"):
        scorer(detector, X, y, technique=technique)
    with pytest.raises(ValueError, match=r"cannot use video.*pool='mean'"):
        scorer(detector, X, y, video=video)


def without_scores(X, rows):
    """Return a copy of X in which some rows are NaN, as those of pairs without a face are."""
    X = X.copy()
    X[rows] = np.nan
    return X


@pytest.mark.parametrize("name", NEEDS_NOTHING)
def test_rows_without_a_score_are_left_out(name, data):
    X, y, _, _ = data
    detector = MahalanobisDetector().fit(X, y)
    rows = [0, 1, 6, 9, 11]  # of which 2 are genuine
    with pytest.warns(UserWarning, match=r"5 of 240 rows .* left out: 2 genuine and 3 deepfakes"):
        outcome = get_scorer(name)(detector, without_scores(X, rows), y)
    assert outcome == get_scorer(name)(detector, np.delete(X, rows, axis=0), np.delete(y, rows))


@pytest.mark.usefixtures("routing")
def test_rows_without_a_score_and_metadata(data):
    X, y, technique, video = data
    detector = MahalanobisDetector().fit(X, y)
    scorer = get_scorer("neg_bpcer10", pool="mean").set_score_request(technique=True, video=True)
    rows = np.r_[0, 1, 6, 9, np.flatnonzero(video == video[12])]
    with pytest.warns(UserWarning, match="6 of 240 rows"):
        outcome = scorer(detector, without_scores(X, rows), y, technique=technique, video=video)
    X, y, technique, video = (np.delete(array, rows, axis=0) for array in data)
    assert outcome == scorer(detector, X, y, technique=technique, video=video)


def test_a_fold_without_any_score(data):
    X, y, _, _ = data
    detector = MahalanobisDetector().fit(X, y)
    with pytest.raises(ValueError, match="None of the 240 rows has a score"):
        get_scorer("roc_auc")(detector, without_scores(X, slice(None)), y)
    X = X.copy()
    X[3] = np.nan
    with pytest.raises(ValueError, match="NaN"):  # scikit-learn's own leaves nothing out
        sklearn_scorer("roc_auc")(detector, X, y)


def test_a_search_where_pairs_have_no_face(data):
    X, y, _, _ = data
    X = without_scores(X, [0, 1, 100, 200])
    with pytest.warns(UserWarning, match="left out|not learned from") as caught:
        search = GridSearchCV(
            MahalanobisDetector(),
            {"contamination": [0.01, 0.2]},
            scoring=get_scorer("neg_bpcer"),
            cv=StratifiedKFold(3),
            error_score="raise",
        ).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    excluded = [str(warning.message) for warning in caught if "left out" in str(warning.message)]
    assert len(excluded) == 2 * 3
    assert sum(int(message.split()[0]) for message in excluded) == 2 * 4


def test_one_class_says_so(data):
    X, y, _, _ = data
    detector = MahalanobisDetector().fit(X, y)
    genuine = X[y == 1], y[y == 1]
    assert get_scorer("neg_bpcer")(detector, *genuine) <= 0
    for name in sorted(set(NEEDS_NOTHING) - {"neg_bpcer"}):
        with pytest.raises(ValueError, match="y_true must hold"):
            get_scorer(name)(detector, *genuine)


def test_names():
    assert get_scorer_names() == sorted(get_scorer_names())
    with pytest.raises(ValueError, match="'name' parameter"):
        get_scorer("f1")
    with pytest.raises(ValueError, match="'pool' parameter"):
        get_scorer("roc_auc", pool="mode")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("neg_equal_eror_rate", "did you mean 'neg_equal_error_rate'?"),
        ("ROC_AUC", "did you mean 'roc_auc'?"),
        ("f1", "expected one of average_precision_fake, neg_apcer"),
    ],
)
def test_a_name_that_is_not_quite_right(name, advice):
    with pytest.raises(ValueError, match=f"got '{name}': {re.escape(advice)}"):
        get_scorer(name)
    with pytest.raises(ValueError, match=re.escape(advice)):
        get_scorers(["roc_auc", name])


@pytest.mark.usefixtures("routing")
def test_several_scorers(data):
    X, y, _, video = data
    detector = MahalanobisDetector().fit(X, y)
    assert list(get_scorers(("roc_auc", "neg_apcer"))) == ["roc_auc", "neg_apcer"]
    assert list(get_scorers()) == NEEDS_NOTHING
    (scorer,) = get_scorers(["neg_bpcer10"], pool="mean").values()
    scorer.set_score_request(video=True)
    pooled = get_scorer("neg_bpcer10", pool="mean").set_score_request(video=True)
    assert scorer(detector, X, y, video=video) == pooled(detector, X, y, video=video)
    assert get_scorers(["roc_auc"])["roc_auc"] is not get_scorers(["roc_auc"])["roc_auc"]
    with pytest.raises(ValueError, match="'names' parameter"):
        get_scorers("roc_auc")


def test_pickle(data):
    X, y, _, _ = data
    detector = MahalanobisDetector().fit(X, y)
    scorer = get_scorer("neg_bpcer20")
    assert pickle.loads(pickle.dumps(scorer))(detector, X, y) == scorer(detector, X, y)


@pytest.mark.parametrize("name", [3, None, ["roc_auc"]])
def test_scorers_of_what_is_no_name(name):
    with pytest.raises(ValueError, match="must be the name of a scorer"):
        get_scorers([name])


@pytest.fixture
def score_reader():
    """Return a detector whose decisions are the only column of X."""

    class ScoreReader(OutlierMixin, BaseEstimator):
        def fit(self, X, y=None):
            return self

        def decision_function(self, X):
            return np.asarray(X)[:, 0]

        def __sklearn_is_fitted__(self):
            return True

    return ScoreReader()


def test_values_by_hand(score_reader):
    y = np.r_[np.ones(4), -np.ones(200)]
    score = np.r_[180.5, 191.5, 197.5, 300.0, np.arange(200)]
    values = {
        name: scorer(score_reader, (score - 197.0)[:, np.newaxis], y)
        for name, scorer in get_scorers().items()
    }
    assert values == {
        "roc_auc": pytest.approx((181 + 192 + 198 + 200) / 800),
        "average_precision_fake": pytest.approx(metrics.average_precision_fake(y, score)),
        "neg_equal_error_rate": pytest.approx(-metrics.equal_error_rate(y, score)),
        "neg_bpcer10": 0.0,
        "neg_bpcer20": -0.25,
        "neg_bpcer100": -0.75 + 0.25,
        "neg_apcer": -3 / 200,
        "neg_bpcer": -0.5,
    }


USES_TECHNIQUE = {"neg_bpcer10", "neg_bpcer20", "neg_bpcer100", "neg_worst_apcer"}


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("name", get_scorer_names())
def test_which_scorers_use_the_technique(name, score_reader):
    y, score = np.repeat([1, -1], 4), np.array([[9.0], [8], [7], [-3], [6], [-5], [-4], [-1]])
    technique = np.array([*[""] * 4, "x", "y", "y", "y"])
    scorer = get_scorer(name).set_score_request(technique=True)
    if name in USES_TECHNIQUE:
        value = scorer(score_reader, score, y, technique=technique)
        assert value == (-1.0 if name == "neg_worst_apcer" else -0.25)
    else:
        with pytest.raises(ValueError, match="cannot use") as caught:
            scorer(score_reader, score, y, technique=technique)
        expected = f"The scorer {name!r} cannot use technique, which was passed to it."
        assert str(caught.value) == expected


@pytest.mark.usefixtures("routing")
def test_messages_about_metadata(score_reader):
    y, score, video = [1, -1], np.array([[1.0], [-1.0]]), ["a", "b"]
    with pytest.raises(ValueError, match="cannot use") as caught:
        get_scorer("roc_auc").set_score_request(video=True)(score_reader, score, y, video=video)
    assert str(caught.value) == (
        "The scorer 'roc_auc' cannot use video, which was passed to it. Set how to pool videos: "
        "get_scorer(..., pool='mean')."
    )
    for name, pool, metadata in (
        ("roc_auc", "max", "video"), ("neg_worst_apcer", None, "technique"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="needs") as caught:
            get_scorer(name, pool=pool)(score_reader, score, y)
        assert str(caught.value) == (
            f"The scorer {name!r} needs {metadata} of every row: enable metadata routing, request "
            f"it by set_score_request({metadata}=True), and pass it."
        )
    scorer = get_scorer("roc_auc", pool="max").set_score_request(video=True)
    with pytest.raises(ValueError, match=r"^video must have one value for each of the 2 rows"):
        scorer(score_reader, score, y, video=["a"])


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize(
    ("pool", "bpcer"),
    [("mean", 0.0), ("median", 0.0), ("trimmed", 0.0), ("min", 1.0), ("max", 0.0), (None, 0.2)],
)
def test_each_way_of_pooling(pool, bpcer, score_reader):
    y, score = [1, 1, 1, 1, 1, -1], np.array([[5.0], [4], [-1], [3], [2], [-9]])
    scorer = get_scorer("neg_bpcer", pool=pool)
    metadata = {} if pool is None else {"video": [*"aaaaa", "b"]}
    if metadata:
        scorer.set_score_request(video=True)
    assert scorer(score_reader, score, y, **metadata) == -bpcer


def test_message_counts_the_rows_without_a_score(score_reader):
    score = np.array([[1.0], [np.nan], [-1.0], [np.nan], [np.nan]])
    with pytest.warns(UserWarning, match="left out") as caught:
        value = get_scorer("roc_auc")(score_reader, score, [1, 1, -1, -1, -1])
    assert value == 1.0
    assert str(caught[0].message) == (
        "3 of 5 rows have no score (NaN) and are left out: 1 genuine and 2 deepfakes. In pairs of "
        "pictures, no face was found."
    )
