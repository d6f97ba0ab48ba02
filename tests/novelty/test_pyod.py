"""Detectors of PyOD behind scikit-learn's conventions."""

import copy
import warnings
from pathlib import Path

import forked_programs
import numpy as np
import pytest
from pyod_cases import ALL, NEW, NOVEL, REMAINING, ROWS, fitted, genuine, pyod, scores_of
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_diffake.base import any_labels
from sklearn_diffake.novelty._pyod import _ROW_WISE, PyODDetector, _row_keys

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ALL)
def test_planted_novelty_is_found(name):
    X, y = np.vstack([NEW, NOVEL]), np.repeat([1, -1], [len(NEW), len(NOVEL)])
    detector = fitted(name)
    scores = detector.score_samples(X)
    assert scores.dtype == np.float64
    assert roc_auc_score(y, scores) > 0.9
    np.testing.assert_array_equal(detector.decision_function(X), scores - detector.offset_)
    np.testing.assert_array_equal(detector.predict(X), np.where(scores >= detector.offset_, 1, -1))
    assert (detector.predict(NOVEL) == -1).mean() > (detector.predict(NEW) == -1).mean() + 0.3


@pytest.mark.parametrize("path", sorted(_ROW_WISE))
def test_scores_of_fit_are_kept_where_fit_leaves_the_row_out(path):
    detector = fitted(path.rpartition(".")[2])
    forgetful = copy.copy(detector)
    forgetful._known_keys_ = forgetful._known_keys_[:0]
    scores_of_fit = -np.ravel(detector.detector_.decision_scores_)
    leaves_out = not np.allclose(forgetful.score_samples(ROWS), scores_of_fit, rtol=1e-9)
    assert len(detector._known_keys_) == (len(ROWS) if leaves_out else 0)


@pytest.mark.parametrize("name", REMAINING)
def test_agrees_with_pyod(name):
    seed = {"random_state": 0} if name in ("IForest", "MCD", "GMM", "INNE", "PCA") else {}
    raw = pyod(name, contamination=0.1, **seed).fit(ROWS)
    detector = PyODDetector(pyod(name, **seed), contamination=0.1).fit(ROWS)
    probes = np.vstack([NEW, NOVEL])[::3]
    single = np.concatenate([raw.decision_function(row[None]) for row in probes])
    verdict = np.concatenate([raw.predict(row[None]) for row in probes])
    np.testing.assert_allclose(detector.score_samples(probes), -single, rtol=1e-10)
    np.testing.assert_array_equal(detector.predict(probes), 1 - 2 * verdict)
    np.testing.assert_allclose(detector.score_samples(ROWS), -raw.decision_scores_, rtol=1e-10)
    np.testing.assert_array_equal(detector.fit_predict(ROWS), 1 - 2 * raw.labels_)
    assert detector.offset_ == pytest.approx(-raw.threshold_, rel=1e-10)


@pytest.mark.parametrize("name", ALL)
def test_offset_is_a_quantile_of_our_own_scores(name):
    scores = fitted(name).score_samples(ROWS)
    assert fitted(name).offset_ == pytest.approx(np.quantile(scores, 0.05), rel=1e-9)
    assert (fitted(name).predict(ROWS) == -1).sum() == pytest.approx(0.05 * len(scores), abs=1)


@pytest.mark.parametrize(
    ("name", "options", "d", "maximum"),
    [
        ("KNN", {"n_neighbors": 1}, 6, 0.065),
        ("KNN", {"n_neighbors": 2}, 6, 0.065),
        ("LOF", {"n_neighbors": 5}, 6, 0.065),
        ("ECOD", {}, 6, 0.065),
        ("COPOD", {}, 6, 0.065),
        ("IForest", {}, 6, 0.065),
        ("INNE", {}, 6, 0.065),
        ("LUNAR", {}, 64, 0.08),  # 0.10 with rows as their own neighbors
        ("VAE", {}, 6, 0.065),
    ],
)
def test_unseen_genuine_rows_are_rejected_at_the_rate_asked_for(name, options, d, maximum):
    X, new = genuine(1500, d), genuine(4000, d, seed=1)
    detector = PyODDetector(pyod(name, **options), random_state=0).fit(X)
    assert 0.035 < (detector.predict(new) == -1).mean() < maximum


def test_a_training_row_is_not_its_own_neighbor():
    detector = PyODDetector(pyod("KNN", n_neighbors=1)).fit(ROWS)
    self_score = np.diag(np.full(len(ROWS), np.inf))
    distances = np.linalg.norm(ROWS[:, None] - ROWS[None], axis=-1) + self_score
    np.testing.assert_allclose(detector.score_samples(ROWS), -distances.min(axis=1))
    shifted = detector.score_samples(ROWS[:1] + 1e-6)
    np.testing.assert_allclose(shifted, -1e-6 * np.sqrt(ROWS.shape[1]), rtol=1e-3)


def test_training_rows_are_known_whatever_their_form():
    X = np.round(ROWS)
    X[0] = [0, 9, -1, 0, 9, 0]
    detector = PyODDetector(pyod("KNN", n_neighbors=1)).fit(X)
    row = X[:1]
    expected = detector.score_samples(row)
    assert expected < 0
    for identical in (np.where(row == 0, -0.0, row), row.astype(np.float32), row.tolist()):
        assert detector.score_samples(identical) == expected
    assert detector.score_samples(np.asfortranarray(X))[0] == expected


def test_rows_that_differ_have_different_keys():
    few = np.array(np.meshgrid(*[[0.0, 1.0, 2.0, -1.0, 0.5, 3.0]] * 6)).reshape(6, -1).T
    close = 1.0 + np.spacing(1.0) * np.arange(20_000)[:, None]
    for X in (few, close, few.astype(np.float32) / 3):
        keys = _row_keys(np.asarray(X, dtype=np.float64))
        assert len(np.unique(keys)) == len(X)
    assert (
        _row_keys(np.array([[1.0, -2.5]])) == 3214665063451771702
    )  # in any process and version: files keep them


@pytest.mark.parametrize("name", ALL)
def test_a_row_has_one_score_in_any_batch(name):
    X = np.vstack([ROWS, NEW, NOVEL])[::6]
    detector = fitted(name)
    joint = detector.score_samples(X)
    single = np.concatenate([detector.score_samples(row[None]) for row in X])
    np.testing.assert_allclose(single, joint, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(detector.score_samples(X[::-1])[::-1], joint, rtol=1e-10)
    np.testing.assert_array_equal(detector.score_samples(X), joint)
    assert not detector.batch_dependent_


@pytest.mark.filterwarnings("ignore:Precision loss occurred:RuntimeWarning")
@pytest.mark.parametrize("name", ["ECOD", "COPOD"])
@pytest.mark.parametrize("kind", ["ties", "constant", "symmetric", "skewed", "two rows"])
def test_tails_are_those_of_pyod_with_the_row_alone(name, kind):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2 if kind == "two rows" else 80, 4))
    if kind == "ties":
        X = np.round(X)
    elif kind == "constant":
        X[:, 1:3] = 0.1
    elif kind == "symmetric":
        X = np.vstack([X, 2.0 - X])
    elif kind == "skewed":
        X = np.exp(X)
    new = np.vstack([X[:5] + 1e-3, rng.normal(size=(20, 4)).round(1), [[50.0] * 4], X[:9, ::-1]])
    new = new[~(new[:, None] == X).all(axis=2).any(axis=1)]
    raw = pyod(name).fit(X)
    single = np.concatenate([raw.decision_function(row[None]) for row in new])
    scores = PyODDetector(pyod(name)).fit(X).score_samples(new)
    np.testing.assert_allclose(scores, -single, rtol=1e-10)


@pytest.mark.parametrize("name", ALL)
def test_fakes_change_nothing(name):
    mixed = np.insert(ROWS, [0, 70, 150], NOVEL[:3] * 100, axis=0)
    y = np.insert(np.ones(len(ROWS)), [0, 70, 150], -1)
    detector = PyODDetector(pyod(name), random_state=0).fit(mixed, y)
    assert detector.score_samples(NEW).tobytes() == fitted(name).score_samples(NEW).tobytes()
    assert detector.offset_ == fitted(name).offset_


@pytest.mark.parametrize("name", ALL)
def test_clone_and_nested_parameters(name):
    copy = clone(fitted(name))
    assert not hasattr(copy, "detector_")
    assert copy.detector is not fitted(name).detector
    assert type(copy.detector) is type(fitted(name).detector)
    assert scores_of(copy) == fitted(name).score_samples(NEW).tobytes()
    assert {f"detector__{key}" for key in copy.detector.get_params()} <= set(copy.get_params())
    copy.set_params(detector__contamination=0.3, contamination=0.2).fit(ROWS)
    assert copy.detector_.contamination == 0.2
    assert copy.detector.contamination == 0.3


def test_search_over_nested_parameters():
    X, y = np.vstack([ROWS, NOVEL]), np.repeat([1, -1], [len(ROWS), len(NOVEL)])
    pipe = Pipeline([("scale", StandardScaler()), ("detect", PyODDetector(pyod("KNN")))])
    grid = [
        {"detect__detector__n_neighbors": [1, 4]},
        {"detect": [PyODDetector(), PyODDetector(pyod("IForest"), random_state=0)]},
        {"detect__detector": [pyod("DeepSVDD", n_features=2)]},
    ]
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    search = GridSearchCV(pipe, grid, cv=folds, scoring="roc_auc", error_score="raise").fit(X, y)
    assert search.cv_results_["mean_test_score"].min() > 0.9
    scores = [
        clone(pipe).set_params(detect__detector__n_neighbors=k).fit(X, y).score_samples(X)
        for k in (1, 4)
    ]
    assert not np.allclose(*scores)


@pytest.mark.parametrize("name", ["ROD", "COF"])
def test_detectors_that_depend_on_the_batch_are_marked(name):
    with pytest.warns(UserWarning, match=rf"{name} for a row depends on the other rows"):
        detector = PyODDetector(pyod(name)).fit(ROWS[:40])
    assert detector.batch_dependent_


@pytest.mark.parametrize("name", ["KDE", "LODA", "CBLOF"])
def test_detectors_that_nobody_listed(name):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        detector = PyODDetector(pyod(name), random_state=0).fit(ROWS)
    assert not detector.batch_dependent_
    assert (detector.predict(ROWS) == -1).sum() == pytest.approx(0.05 * len(ROWS), abs=1)
    y, X = np.repeat([1, -1], [len(NEW), len(NOVEL)]), np.vstack([NEW, NOVEL])
    assert roc_auc_score(y, detector.score_samples(X)) > 0.9
    np.random.seed(5)
    assert scores_of(detector) == detector.score_samples(NEW).tobytes()


def test_parameters_that_the_data_decide():
    detector = PyODDetector(pyod("DeepSVDD", n_features=99)).fit(ROWS)
    assert detector.detector_.n_features == ROWS.shape[1]
    assert detector.detector.n_features == 99
    assert PyODDetector(pyod("AutoEncoder")).fit(ROWS[:20]).detector_.batch_size == 20


def test_ecod_is_the_default():
    assert type(PyODDetector().fit(ROWS).detector_) is type(pyod("ECOD"))


@pytest.mark.parametrize(
    ("detector", "error", "message"),
    [
        (IsolationForest(), TypeError, r"got IsolationForest.* use GenuineOnly"),
        (type(pyod("KNN")), TypeError, "must be an instance of a PyOD detector"),
        (StandardScaler(), ValueError, "'detector' parameter of PyODDetector must be"),
        ("KNN", ValueError, "'detector' parameter of PyODDetector must be"),
    ],
)
def test_what_is_no_pyod_detector(detector, error, message):
    with pytest.raises(error, match=message):
        PyODDetector(detector).fit(ROWS)


def test_too_few_rows():
    with pytest.raises(ValueError, match=r"ECOD: got n_samples=1, need at least 2"):
        PyODDetector().fit(ROWS[:5], [-1, 1, -1, -1, -1])


class NotANumber(type(pyod("KNN"))):
    """A detector of a user's own, with a fault."""

    def fit(self, X, y=None):
        super().fit(X)
        self.decision_scores_[3] = np.nan


def test_scores_that_are_not_numbers():
    with pytest.raises(ValueError, match="NotANumber gives genuine row 3 the score nan"):
        PyODDetector(NotANumber()).fit(ROWS)


def test_import_stays_light():
    code = (
        "import sys, sklearn_diffake.novelty._pyod\n"
        "print([m for m in ('torch', 'pyod', 'numba', 'matplotlib') if m in sys.modules])"
    )
    printed = forked_programs.run(code, cwd=ROOT, libraries=forked_programs.SCIKIT_LEARN)
    assert printed.strip() == "[]"


# The checks fit many times, on few rows.
CHECKED = {
    "IForest": {"n_estimators": 20},
    "INNE": {"n_estimators": 20},
    "LUNAR": {"n_epochs": 3},
    "AutoEncoder": {"epoch_num": 1},
    "VAE": {"epoch_num": 1},
    "DeepSVDD": {"epochs": 1},
}
CHECKED_BY_DEFAULT = ["ECOD", "IForest", "KNN", "GMM", "AutoEncoder"]  # of each kind


def known_failures(detector):
    if type(detector.detector).__name__ == "LUNAR":
        return {
            "check_estimators_overwrite_params": "LUNAR holds weights of torch before it is "
            "fitted, whose joblib hash differs from that of their own copy"
        }
    return {}


def checks_of(names):
    """Parametrize a test with scikit-learn's checks of these detectors of PyOD."""
    detectors = [PyODDetector(pyod(name, **CHECKED.get(name, {}))) for name in names]
    return parametrize_with_checks(detectors, expected_failed_checks=known_failures)


few_rows = pytest.mark.filterwarnings(
    "ignore:n_neighbors .20. is greater than:UserWarning", "ignore::RuntimeWarning"
)


@few_rows
@checks_of(CHECKED_BY_DEFAULT)
def test_scikit_learn_checks(estimator, check):
    with any_labels():
        check(estimator)


@pytest.mark.slow
@few_rows
@checks_of(name for name in ALL if name not in CHECKED_BY_DEFAULT)
def test_scikit_learn_checks_of_the_others(estimator, check):
    with any_labels():
        check(estimator)
