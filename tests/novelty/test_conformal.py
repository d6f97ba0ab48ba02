"""Thresholds that keep their promise on genuine rows, p-values, and batches."""

import warnings

import numpy as np
import pytest
import sklearn
from scipy.stats import beta, false_discovery_control
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_validate
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from sklearn_diffake.novelty import GaussianMixtureDetector, _p_values
from sklearn_diffake.novelty._conformal import ConformalDetector
from sklearn_diffake.novelty._mahalanobis import MahalanobisDetector
from sklearn_diffake.pairs import PairDifference

METHODS = ["split", "cv+"]


class Level(BaseEstimator):
    """The least detector: its score is the row itself; it remembers what it was fitted on."""

    def fit(self, X, y=None):
        self.seen_ = np.array(X)
        return self

    def score_samples(self, X):
        return np.asarray(X, dtype=float)[:, 0]


class Distance(Level):
    """A detector of which each fit is another: closeness to the mean of what it saw."""

    def score_samples(self, X):
        return -np.linalg.norm(np.asarray(X) - self.seen_.mean(axis=0), axis=1)


def genuine(n, d=3, seed=0):
    return np.random.default_rng(seed).standard_t(4, size=(n, d))


def rejected_shares(detector, n_fit, n_splits=200, **data):
    """Split genuine rows `n_splits` times: the fraction of rows not in fit that is rejected."""
    X = genuine(600, **data)
    fractions = []
    with sklearn.config_context(skip_parameter_validation=True):  # of the same values each time
        for seed in range(n_splits):
            rows = np.random.default_rng(seed).permutation(len(X))
            fitted = clone(detector).set_params(random_state=seed).fit(X[rows[:n_fit]])
            fractions.append(np.mean(fitted.predict(X[rows[n_fit:]]) == -1))
    return np.mean(fractions), np.std(fractions) / np.sqrt(n_splits)


SMALL = [  # calibration rows, target: where the correction matters most
    (10, 0.1),
    (20, 0.05),
    (30, 0.1),
]


@pytest.mark.parametrize(("n_calibration", "target"), SMALL)
@pytest.mark.parametrize("inner", [Level(), MahalanobisDetector()], ids=["level", "mahalanobis"])
def test_genuine_rows_are_rejected_no_more_often_than_promised(inner, n_calibration, target):
    detector = ConformalDetector(inner, target_bpcer=target, calibration_size=n_calibration)
    fraction, error = rejected_shares(detector, n_fit=n_calibration + 30)
    assert fraction <= target + error
    assert fraction > target / 3  # nor does it just accept everything


@pytest.mark.parametrize(("n_calibration", "target"), SMALL)
def test_the_promise_is_broken_without_the_finite_sample_correction(
    monkeypatch, n_calibration, target
):
    """The share of calibration scores alone, without the row itself, would not do."""
    monkeypatch.setattr(_p_values, "p_values_of_mass", lambda mass, n: np.round(mass / n, 12))
    detector = ConformalDetector(Level(), target_bpcer=target, calibration_size=n_calibration)
    fraction, error = rejected_shares(detector, n_fit=n_calibration + 30)
    assert fraction > target + 2 * error


def test_the_promise_is_broken_without_held_out_rows():
    """Nor would the threshold of the training rows' own scores."""
    inner, fractions = MahalanobisDetector(0.0, contamination=0.1), []
    for seed in range(100):
        fitted = clone(inner).fit(genuine(40, d=12, seed=seed))
        fractions.append(np.mean(fitted.predict(genuine(200, d=12, seed=1000 + seed)) == -1))
    assert np.mean(fractions) > 0.2
    detector = ConformalDetector(inner, target_bpcer=0.1, calibration_size=10)
    fraction, error = rejected_shares(detector, n_fit=40, d=12)
    assert fraction <= 0.1 + error


@pytest.mark.parametrize("inner", [Distance(), MahalanobisDetector()])
def test_cross_validation_keeps_its_weaker_promise(inner):
    detector = ConformalDetector(inner, method="cv+", target_bpcer=0.1, cv=4)
    fraction, error = rejected_shares(detector, n_fit=39)
    assert fraction <= 0.1 + error  # as a rule
    bound = detector.fit(genuine(39)).bpcer_bound_
    assert bound == pytest.approx(2 * (0.1 * 40 + 3) / 43)
    assert fraction <= bound


def test_true_rate_of_one_threshold_varies_as_beta():
    target, n = 0.1, 49
    rates = []
    for seed in range(400):
        X = np.random.default_rng(seed).uniform(size=(n + 1, 1))
        detector = ConformalDetector(
            Level(), target_bpcer=target, calibration_size=n, random_state=0
        ).fit(X)
        rates.append(detector.offset_)  # of uniform scores
    expected = beta(5, n + 1 - 5)
    assert np.mean(rates) == pytest.approx(expected.mean(), abs=3 * expected.std() / 20)
    assert np.std(rates) == pytest.approx(expected.std(), rel=0.15)


def identities(n_groups, seed, spread=1.0):
    """Rows of identities that differ much in level and in number of rows."""
    rng = np.random.default_rng(seed)
    sizes = np.minimum(rng.geometric(0.3, n_groups) ** 3, 400)
    groups = np.repeat(np.arange(n_groups), sizes)
    level = rng.normal(size=n_groups)[groups]
    return (spread * level + 0.1 * rng.normal(size=len(groups)))[:, np.newaxis], groups


@pytest.mark.parametrize("method", METHODS)
def test_new_identities_are_rejected_no_more_often_than_promised(method):
    target, fractions, ungrouped = 0.1, [], []
    for seed in range(200):
        X, groups = identities(40, seed)
        old = groups < 20
        new = np.unique(groups[~old], return_index=True)[1]  # one row of every new identity
        detector = ConformalDetector(
            Level(), target_bpcer=target, method=method, calibration_size=19, random_state=seed
        )
        detector.fit(X[old], groups=groups[old])
        assert detector.n_calibration_ == (19 if method == "split" else 20)
        fractions.append(np.mean(detector.predict(X[~old][new]) == -1))
        detector.set_params(calibration_size=0.9).fit(X[old])
        ungrouped.append(np.mean(detector.predict(X[~old][new]) == -1))
    assert np.mean(fractions) <= target + np.std(fractions) / np.sqrt(200)
    assert np.mean(ungrouped) > 1.5 * target


@pytest.mark.parametrize("method", METHODS)
def test_no_identity_is_on_both_sides(method):
    X, groups = identities(12, 0)
    X = np.column_stack([X, groups])
    detector = ConformalDetector(Level(), method=method, cv=4, random_state=0, target_bpcer=0.4)
    detector.fit(X, groups=[f"person {g}" for g in groups])
    assert len(detector.detectors_) == (1 if method == "split" else 4)
    held_out = 0
    for inner, scores in zip(detector.detectors_, detector.calibration_scores_, strict=True):
        remaining = ~np.isin(groups, inner.seen_[:, 1])
        np.testing.assert_array_equal(np.sort(X[remaining, 0]), scores)
        held_out += len(np.unique(groups[remaining]))
    assert held_out == detector.n_calibration_ == (4 if method == "split" else 12)


def test_folds_of_groups_are_drawn_at_random():
    """Folds balanced by the size of groups would put the large ones aside, always."""
    X, groups = identities(12, 0)
    detector = ConformalDetector(Level(), method="cv+", cv=4, target_bpcer=0.4)
    sizes = {
        len(detector.set_params(random_state=seed).fit(X, groups=groups).detectors_[0].seen_)
        for seed in range(10)
    }
    assert len(sizes) > 3


@pytest.mark.parametrize("method", METHODS)
def test_rows_are_fitted_on_or_held_out(method):
    X = genuine(60)
    detector = ConformalDetector(Level(), method=method, random_state=0, target_bpcer=0.1).fit(X)
    held_out = []
    for inner, scores in zip(detector.detectors_, detector.calibration_scores_, strict=True):
        assert not np.isin(inner.seen_[:, 0], scores).any()
        assert len(inner.seen_) + len(scores) == 60
        held_out.extend(scores)
    assert len(set(held_out)) == detector.n_calibration_ == (18 if method == "split" else 60)


def test_p_values_by_hand():
    X = np.arange(1.0, 11.0)[:, np.newaxis]
    detector = ConformalDetector(Level(), calibration_size=9, target_bpcer=0.2, random_state=0)
    detector.fit(X)
    s = detector.calibration_scores_[0]
    probes = np.array([s[0] - 0.5, s[0], s[0] + 0.1, s[4], s[8], s[8] + 9])[:, np.newaxis]
    np.testing.assert_allclose(detector.p_values(probes), [0.1, 0.2, 0.2, 0.6, 1.0, 1.0])
    assert detector.offset_ == s[1]  # the first with p = 3 / 10
    assert detector.predict(probes).tolist() == [-1, -1, -1, 1, 1, 1]


def test_p_values_of_groups_by_hand():
    X = np.array([[1.0], [2.0], [3.0], [4.0], [5.0], [9.0]])
    groups = ["a", "a", "a", "b", "c", "d"]
    detector = ConformalDetector(Level(), calibration_size=3, target_bpcer=0.3, random_state=1)
    detector.fit(X, groups=groups)
    assert detector.calibration_scores_[0].tolist() == [1, 2, 3, 5, 9]  # b is fitted on
    p = detector.p_values([[0.0], [1.0], [2.5], [3.0], [5.0], [10.0]])
    np.testing.assert_allclose(p, [1 / 4, 4 / 12, 5 / 12, 2 / 4, 3 / 4, 1.0])


@pytest.mark.parametrize("cv", [2, 3])
def test_cross_validated_p_values_by_hand(cv):
    X = genuine(31)
    detector = ConformalDetector(
        Distance(), method="cv+", cv=cv, random_state=0, target_bpcer=0.1
    ).fit(X)
    new = genuine(20, seed=1)
    lower = np.zeros(20)
    for inner in detector.detectors_:
        held_out = X[~np.isin(X[:, 0], inner.seen_[:, 0])]
        lower += (inner.score_samples(held_out) <= inner.score_samples(new)[:, None]).sum(axis=1)
    np.testing.assert_allclose(detector.p_values(new), (1 + lower) / 32)


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("target", [0.29, 0.1, 0.07, 1 / 3])
def test_verdicts_follow_from_p_values(method, grouped, target):
    X = np.round(genuine(300), 1)  # with ties
    groups = np.random.default_rng(0).integers(0, 60, 300) if grouped else None
    detector = ConformalDetector(Distance(), method=method, target_bpcer=target, random_state=0)
    detector.fit(X, groups=groups)
    new = np.vstack([X, np.round(genuine(300, seed=1), 1)])
    p, decision = detector.p_values(new), detector.decision_function(new)
    np.testing.assert_array_equal(decision < 0, p <= target)
    np.testing.assert_array_equal(detector.predict(new) == -1, p <= target)
    np.testing.assert_array_equal(decision, detector.score_samples(new) - detector.offset_)
    assert 0 < np.mean(p <= target) < 1
    order = np.argsort(p)
    if method == "split":
        assert (np.diff(decision[order]) >= -1e-12)[np.diff(p[order]) > 0].all()
    else:
        assert np.corrcoef(np.argsort(order), np.argsort(np.argsort(decision)))[0, 1] > 0.95


@pytest.mark.parametrize("size", [3, 7, 49])
def test_weights_may_be_added_up_in_any_order(size):
    X = np.arange(39.0 * size)[:, np.newaxis]
    groups = np.random.default_rng(0).permutation(39).repeat(size)
    detector = ConformalDetector(Level(), method="cv+", target_bpcer=0.1, random_state=0)
    detector.fit(X, groups=groups)
    new = X + 0.5  # three whole groups lie below one of them: (1 + 3) / 40
    p = detector.p_values(new)
    assert (p == 0.1).any()
    np.testing.assert_array_equal(detector.decision_function(new) < 0, p <= 0.1)


def test_margin_does_not_depend_on_chunks(monkeypatch):
    X, new = genuine(100), genuine(50, seed=1)
    detector = ConformalDetector(Distance(), method="cv+", target_bpcer=0.1, random_state=0).fit(X)
    full = detector.score_samples(new)
    monkeypatch.setattr(_p_values, "_CHUNK", 100)
    assert detector.score_samples(new).tobytes() == full.tobytes()


@pytest.mark.parametrize(
    ("n", "options", "message", "level"),
    [
        (100, {}, "at least 99 genuine calibration pairs, there are 30: .* Fit on 330", 1 / 31),
        (98, {"method": "cv+"}, "at least 99 genuine .* there are 98: .* Fit on 99 gen", 1 / 99),
        (100, {"target_bpcer": 0.03}, "at least 33 genuine .* Fit on 110 genuine pairs", 1 / 31),
        (30, {"calibration_size": 18, "target_bpcer": 0.05}, "at least 19 .* are 18", 1 / 19),
    ],
)
def test_too_few_calibration_rows_are_warned_about(n, options, message, level):
    detector = ConformalDetector(Level(), random_state=0, **options)
    X = genuine(n)
    with pytest.warns(UserWarning, match=message):
        detector.fit(X)
    assert detector.level_ == pytest.approx(level)
    p = detector.p_values(X)
    np.testing.assert_array_equal(detector.predict(X) == -1, p <= detector.level_)
    assert np.isfinite(detector.decision_function(X)).all()


@pytest.mark.parametrize(("n", "target"), [(99, 0.01), (19, 0.05), (9, 0.1), (2, 1 / 3)])
def test_just_enough_calibration_rows(n, target):
    detector = ConformalDetector(Level(), calibration_size=n, target_bpcer=target, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector.fit(genuine(n + 1))
    assert detector.level_ == target
    assert detector.p_values([[-1e9]]) <= target
    with pytest.warns(UserWarning, match=f"at least {n} genuine calibration groups"):
        detector.set_params(calibration_size=n - 1).fit(genuine(n), groups=np.arange(n))


@pytest.mark.parametrize("n", [1, 3, 18, 19, 1000])
def test_verdicts_from_few_calibration_pairs_are_warned_about(n):
    detector = ConformalDetector(Level(), calibration_size=n, target_bpcer=0.5, random_state=0)
    detector.fit(genuine(n + 1))
    for verdict in (
        detector.predict,
        detector.predict_with_abstention,
        detector.benjamini_hochberg,
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            verdict([[-1e9]])
        assert [str(w.message)[:21] for w in caught] == ["few-calibration-pairs"] * (n < 19)
        assert all(w.filename == __file__ for w in caught)
        assert not caught or f"p is at least {1 / (n + 1):.4g}" in str(caught[0].message)


def test_abstain_band():
    X = genuine(200)
    options = {"target_bpcer": 0.05, "abstain": 0.2, "calibration_size": 39, "random_state": 0}
    detector = ConformalDetector(Level(), **options).fit(X)
    p, verdict = detector.p_values(X), detector.predict_with_abstention(X)
    np.testing.assert_array_equal(verdict, np.select([p <= 0.05, p <= 0.2], [-1, 0], 1))
    assert set(verdict) == {-1, 0, 1}
    assert (p == 0.2).any()  # both ends of the band are met exactly
    assert (p == 0.05).any()
    np.testing.assert_array_equal(verdict == -1, detector.predict(X) == -1)
    detector.set_params(abstain=None).fit(X)
    np.testing.assert_array_equal(detector.predict_with_abstention(X), detector.predict(X))
    for abstain in (0.05, 0.01):
        with pytest.raises(ValueError, match="must be above target_bpcer"):
            detector.set_params(abstain=abstain).fit(X)


def test_benjamini_hochberg_controls_false_discoveries():
    fdr, false, power = 0.2, [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        detector = ConformalDetector(Level(), calibration_size=200, random_state=seed)
        detector.fit(rng.normal(size=(201, 1)))
        batch = np.concatenate([rng.normal(size=(80, 1)), rng.normal(-3.0, size=(20, 1))])
        picked = detector.benjamini_hochberg(batch, fdr=fdr) == -1
        false.append(picked[:80].sum() / max(1, picked.sum()))
        power.append(picked[80:].mean())
    error = np.std(false) / np.sqrt(200)
    assert np.mean(false) <= fdr * 0.8 + error  # 80 % of the batch are genuine
    assert np.mean(false) > 0.1  # it is used up, not avoided
    assert np.mean(power) > 0.7


def test_benjamini_hochberg_depends_on_the_batch():
    detector = ConformalDetector(Level(), target_bpcer=0.02, random_state=0).fit(genuine(200))
    lone = np.vstack([[[-50.0] * 3], genuine(99, seed=1)])
    numerous = np.vstack([[[-50.0] * 3]] * 50 + [genuine(50, seed=1)])
    assert detector.benjamini_hochberg(lone, fdr=0.1)[0] == 1
    assert (detector.benjamini_hochberg(numerous, fdr=0.1)[:50] == -1).all()
    expected = false_discovery_control(detector.p_values(numerous)) <= 0.1
    np.testing.assert_array_equal(detector.benjamini_hochberg(numerous, fdr=0.1) == -1, expected)
    with pytest.raises(ValueError, match="must be above 0 and below 1"):
        detector.benjamini_hochberg(numerous, fdr=1.5)


@pytest.mark.parametrize("method", METHODS)
def test_fakes_are_neither_learned_from_nor_calibrated_on(method):
    real, fake = genuine(120), genuine(50, seed=1) + 20.0
    X = np.insert(real, np.linspace(0, 120, 50).astype(int), fake, axis=0)
    y = np.where(np.isin(X[:, 0], fake[:, 0]), -1, 1)
    groups = np.arange(170) // 2
    detector = ConformalDetector(Distance(), method=method, target_bpcer=0.1, random_state=0)
    single = clone(detector).fit(real, groups=groups[y == 1])
    mixed = clone(detector).fit(X, y, groups=groups)
    assert mixed.score_samples(X).tobytes() == single.score_samples(X).tobytes()
    assert mixed.offset_ == single.offset_
    assert (mixed.predict(fake) == -1).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "inner",
    [
        GaussianMixtureDetector(2, random_state=0),
        IsolationForest(n_estimators=20, random_state=0),
        OneClassSVM(),
        LocalOutlierFactor(novelty=True),
        make_pipeline(StandardScaler(), MahalanobisDetector()),
    ],
    ids=lambda inner: type(inner).__name__,
)
def test_any_detector_can_be_wrapped(method, inner):
    detector = ConformalDetector(inner, method=method, target_bpcer=0.05, cv=3, random_state=0)
    detector.fit(genuine(200))
    assert np.mean(detector.predict(genuine(500, seed=1)) == -1) < 0.15
    assert (detector.predict(genuine(50, seed=2) + 15.0) == -1).all()
    assert not hasattr(inner, "n_features_in_")  # it was cloned


def test_a_whole_pipeline_of_pairs():
    rng = np.random.default_rng(0)
    identity = rng.normal(size=(200, 1, 8))
    pairs = identity + 0.3 * rng.normal(size=(200, 2, 8))
    inner = make_pipeline(PairDifference(), MahalanobisDetector())
    detector = ConformalDetector(inner, target_bpcer=0.05, random_state=0).fit(pairs)
    swapped = np.stack([pairs[:100, 0], pairs[100:, 1]], axis=1)
    assert (detector.predict(swapped) == -1).mean() > 0.9
    lists = ConformalDetector(inner, target_bpcer=0.05, random_state=0).fit(pairs.tolist())
    assert lists.offset_ == detector.offset_


def test_groups_are_routed_through_a_pipeline():
    X, groups = identities(30, 0)
    y = np.ones(len(X))
    expected = ConformalDetector(Level(), target_bpcer=0.2, random_state=0).fit(X, groups=groups)
    pipe = Pipeline([("detect", clone(expected))]).fit(X, y, detect__groups=groups)
    assert pipe["detect"].n_calibration_ == expected.n_calibration_ == 9
    with sklearn.config_context(enable_metadata_routing=True):
        detector = clone(expected).set_fit_request(groups=True)
        pipe = Pipeline([("scale", StandardScaler()), ("detect", detector)])
        assert pipe.fit(X, y, groups=groups)["detect"].n_calibration_ == 9
        folds = cross_validate(
            pipe, X, params={"groups": groups}, scoring=lambda *_: 0.0, return_estimator=True
        )
        for fitted in folds["estimator"]:
            assert fitted["detect"].n_calibration_ <= 9


def test_search_over_what_is_inside():
    X = np.vstack([genuine(200), genuine(200, seed=1) + 3.0])
    y = np.repeat([1, -1], 200)
    detector = ConformalDetector(GaussianMixtureDetector(random_state=0), random_state=0)
    grid = [
        {"detector__n_components": [1, 2], "target_bpcer": [0.05, 0.1]},
        {"detector": [MahalanobisDetector()], "method": METHODS, "target_bpcer": [0.1]},
    ]
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    search = GridSearchCV(detector, grid, cv=folds, scoring="roc_auc", error_score="raise")
    assert search.fit(X, y).cv_results_["mean_test_score"].min() > 0.9


class Broken(Level):
    """A detector that fails on some rows."""

    def __init__(self, value=np.nan):
        self.value = value

    def score_samples(self, X):
        return np.where(np.asarray(X)[:, 0] > 50, self.value, np.asarray(X)[:, 0])


@pytest.mark.parametrize(
    ("detector", "X", "error", "message"),
    [
        (ConformalDetector(LocalOutlierFactor()), genuine(50), TypeError, "neither score_samples"),
        (ConformalDetector(Broken()), np.full((9, 1), 99.0), ValueError, "scores row 0 with NaN"),
        (ConformalDetector(Broken(np.inf)), np.full((9, 1), 99.0), ValueError, "infinite scores"),
        (ConformalDetector(), genuine(1), ValueError, "n_samples=1 in 1 groups, need at least 2"),
        (ConformalDetector(method="cv+", cv=7), genuine(6), ValueError, "n_splits=7"),
        (ConformalDetector(calibration_size=9), genuine(9), ValueError, "test_size=9"),
        (ConformalDetector(target_bpcer=0), genuine(9), ValueError, "'target_bpcer' parameter"),
        (ConformalDetector(calibration_size=1.0), genuine(9), ValueError, "'calibration_size' par"),
        (ConformalDetector(method="jackknife"), genuine(9), ValueError, "'method' parameter"),
        (ConformalDetector(cv=1), genuine(9), ValueError, "'cv' parameter"),
        (ConformalDetector("svm"), genuine(9), ValueError, "'detector' parameter"),
    ],
)
def test_what_cannot_be_calibrated(detector, X, error, message):
    with pytest.raises(error, match=message):
        detector.fit(X)


def test_bad_rows_are_named_by_their_number_in_the_whole():
    X = genuine(60)
    X[47, 1] = np.nan
    with pytest.raises(ValueError, match="X contains NaN in row 47"):
        ConformalDetector(random_state=0).fit(X)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        ConformalDetector(random_state=0).fit(genuine(60), groups=[1, 2])
    with pytest.raises(ValueError, match="scores row 1 with NaN"):
        ConformalDetector(Broken(), target_bpcer=0.1).fit(genuine(60)).predict([[1.0], [99.0]])
