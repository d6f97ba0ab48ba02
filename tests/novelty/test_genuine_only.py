"""scikit-learn's own detectors, fitted on genuine rows only."""

from pathlib import Path

import forked_programs
import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KernelDensity, LocalOutlierFactor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from sklearn.utils.estimator_checks import parametrize_with_checks
from skops import io as skops_io

from sklearn_diffake.base import any_labels
from sklearn_diffake.novelty._genuine_only import GenuineOnly

ROOT = Path(__file__).resolve().parents[2]
FOUR = SVM, FOREST, NEIGHBORS, ENVELOPE = [
    OneClassSVM(nu=0.1),
    IsolationForest(n_estimators=20, contamination=0.1, random_state=0),
    LocalOutlierFactor(novelty=True),
    EllipticEnvelope(random_state=0),
]
IDS = [type(estimator).__name__ for estimator in FOUR]


@pytest.fixture
def rows():
    """Genuine and fake rows, mixed, and their labels."""
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(size=(120, 4)), rng.normal(4.0, size=(40, 4))])
    order = rng.permutation(160)
    return X[order], np.repeat([1, -1], [120, 40])[order]


class Spy(OutlierMixin, BaseEstimator):
    """Keeps what it is fitted on, and takes the first value of a row for its score."""

    seen: list = []

    def __init__(self, level=0.0):
        self.level = level

    def fit(self, X, y=None, sample_weight=None):
        assert y is None
        self.seen.append(X)
        self.X_, self.sample_weight_, self.offset_ = X, sample_weight, 7.0
        return self

    def decision_function(self, X):
        return np.array([np.ravel(row)[0] for row in X], dtype=float) - self.level


@pytest.mark.parametrize("estimator", FOUR, ids=IDS)
def test_fakes_change_nothing(rows, estimator):
    X, y = rows
    single = clone(estimator).fit(X[y == 1])
    detector = GenuineOnly(estimator).fit(X, y)
    for method in ("score_samples", "decision_function", "predict"):
        result = getattr(detector, method)(X)
        assert result.tobytes() == getattr(single, method)(X).tobytes()
    assert detector.offset_ == single.offset_
    np.testing.assert_array_equal(detector.fit_predict(X, y), single.predict(X))
    assert roc_auc_score(y, detector.decision_function(X)) > 0.95
    misled = clone(estimator).fit(X)
    assert not np.allclose(misled.score_samples(X), detector.score_samples(X))


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, sparse.csr_array, list])
def test_containers(rows, container):
    X, y = rows
    detector = GenuineOnly(OneClassSVM()).fit(container(X), pd.Series(y))
    expected = OneClassSVM().fit(X[y == 1])
    np.testing.assert_allclose(detector.score_samples(container(X)), expected.score_samples(X))
    assert detector.n_features_in_ == 4


def test_feature_names_are_those_the_estimator_saw(rows):
    frame = pd.DataFrame(rows[0], columns=list("abcd"))
    assert GenuineOnly().fit(frame, rows[1]).feature_names_in_.tolist() == list("abcd")
    assert not hasattr(GenuineOnly().fit(*rows), "feature_names_in_")
    assert not hasattr(GenuineOnly(), "n_features_in_")


@pytest.mark.parametrize(
    "images", [np.arange(24.0).reshape(6, 2, 2), [[0], [4], [8], [12], [16], [20]]]
)
def test_rows_of_any_kind(images):
    detector = GenuineOnly(Spy(level=5.0)).fit(images, [1, -1, 1, 1, -1, 1])
    assert type(detector.estimator_.X_) is type(images)
    assert [np.ravel(row)[0] for row in detector.estimator_.X_] == [0, 8, 12, 20]
    assert detector.offset_ == 0.0
    np.testing.assert_array_equal(detector.score_samples(images), [-5, -1, 3, 7, 11, 15])
    np.testing.assert_array_equal(detector.decision_function(images), [-5, -1, 3, 7, 11, 15])
    np.testing.assert_array_equal(detector.predict(images), [-1, -1, 1, 1, 1, 1])


def test_neither_folds_nor_refit_see_a_fake(rows):
    X, y = rows
    X[:, 0] = np.where(y == -1, -99.0, X[:, 0])
    Spy.seen.clear()
    pipe = Pipeline([("same", "passthrough"), ("detect", GenuineOnly(Spy()))])
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    grid = {"detect__estimator__level": [0.0, 1.0]}
    search = GridSearchCV(pipe, grid, cv=folds, scoring="roc_auc", error_score="raise").fit(X, y)
    assert len(Spy.seen) == 2 * 3 + 1
    assert min(seen[:, 0].min() for seen in Spy.seen) > -99.0
    assert len(Spy.seen[-1]) == (y == 1).sum()
    assert search.best_score_ == 1.0


def test_search_swaps_detectors(rows):
    grid = {"detect__estimator": FOUR, "detect__contamination": [None, 0.05]}
    pipe = Pipeline([("scale", StandardScaler()), ("detect", GenuineOnly())])
    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    search = GridSearchCV(pipe, grid, cv=folds, scoring="roc_auc", error_score="raise").fit(*rows)
    assert search.cv_results_["mean_test_score"].min() > 0.95


@pytest.mark.parametrize("estimator", FOUR, ids=IDS)
def test_contamination_resets_the_threshold(rows, estimator):
    X, y = rows
    detector = GenuineOnly(estimator, contamination=0.25).fit(X, y)
    scores = detector.score_samples(X)
    np.testing.assert_array_equal(scores, clone(estimator).fit(X[y == 1]).score_samples(X))
    assert detector.offset_ == np.quantile(scores[y == 1], 0.25)
    np.testing.assert_array_equal(detector.decision_function(X), scores - detector.offset_)
    assert (detector.predict(X[y == 1]) == -1).mean() == 0.25


def test_estimator_without_a_threshold(rows):
    X, y = rows
    with pytest.raises(ValueError, match=r"KernelDensity\(\) has no threshold. Set con"):
        GenuineOnly(KernelDensity()).fit(X, y)
    detector = GenuineOnly(KernelDensity(), contamination=0.1).fit(X, y)
    assert (detector.predict(X[y == 1]) == -1).mean() == 0.1
    assert (detector.predict(X[y == -1]) == -1).mean() > 0.9


def test_threshold_inside_a_pipeline(rows):
    X, y = rows
    pipe = make_pipeline(StandardScaler(), OneClassSVM())
    detector = GenuineOnly(pipe).fit(X, y)
    assert detector.offset_ == pytest.approx(detector.estimator_[-1].offset_[0])
    np.testing.assert_array_equal(detector.predict(X), clone(pipe).fit(X[y == 1]).predict(X))


def test_transductive_factor_is_refused(rows):
    with pytest.raises(ValueError, match=r"LocalOutlierFactor\(\) cannot score.* Set novelty=True"):
        GenuineOnly(LocalOutlierFactor()).fit(*rows)
    with pytest.raises(
        ValueError, match=r"StandardScaler\(\) cannot score.* nor decision_function"
    ):
        GenuineOnly(StandardScaler()).fit(*rows)
    assert type(GenuineOnly().fit(*rows).estimator_) is LocalOutlierFactor


def test_sample_weight_goes_with_its_rows(rows):
    X, y = rows
    weight = np.arange(len(X), dtype=float)
    spy = GenuineOnly(Spy()).fit(X, y, sample_weight=weight).estimator_
    np.testing.assert_array_equal(spy.sample_weight_, weight[y == 1])
    assert GenuineOnly(Spy()).fit(X, y, sample_weight=None).estimator_.sample_weight_ is None
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        GenuineOnly(Spy()).fit(X, y, sample_weight=weight[1:])
    with pytest.raises(TypeError, match="nonsense"):
        GenuineOnly(Spy()).fit(X, y, nonsense=weight)


def test_sample_weight_is_routed(rows):
    X, y = rows
    weight = np.arange(len(X), dtype=float)
    with sklearn.config_context(enable_metadata_routing=True):
        detector = GenuineOnly(Spy().set_fit_request(sample_weight=True))
        pipe = Pipeline([("same", "passthrough"), ("detect", detector)])
        result = pipe.fit(X, y, sample_weight=weight)[-1].estimator_.sample_weight_
        np.testing.assert_array_equal(result, weight[y == 1])
        assert pipe.fit(X, y)[-1].estimator_.sample_weight_ is None
        with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
            GenuineOnly(Spy()).fit(X, y, sample_weight=weight)


@pytest.mark.parametrize("contamination", [0.0, 0.6, "auto"])
def test_contamination_is_checked(rows, contamination):
    with pytest.raises(ValueError, match="'contamination' parameter of GenuineOnly must be"):
        GenuineOnly(contamination=contamination).fit(*rows)


def test_no_genuine_row(rows):
    with pytest.raises(ValueError, match="No genuine row to learn from"):
        GenuineOnly().fit(rows[0], np.full(len(rows[0]), -1))


LOAD = """
import sys, numpy as np
from skops import io
X = np.load("X.npy")
for name in sys.argv[1:]:
    model = io.load(name, trusted=io.get_untrusted_types(file=name))
    np.save(f"{name}.npy", model.score_samples(X))
"""


def test_saved_without_pickle_and_loaded_elsewhere(rows, tmp_path):
    X, y = rows
    np.save(tmp_path / "X.npy", X)
    detectors = {name: GenuineOnly(e).fit(X, y) for name, e in zip(IDS, FOUR, strict=True)}
    result = set()
    for name, detector in detectors.items():
        skops_io.dump(detector, tmp_path / name)
        result |= set(skops_io.get_untrusted_types(file=tmp_path / name))
    assert result <= {
        "sklearn_diffake.novelty._genuine_only.GenuineOnly",
        "sklearn.tree._tree.Tree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
    }
    forked_programs.run(LOAD, *IDS, cwd=tmp_path)
    for name, detector in detectors.items():
        scores = np.load(tmp_path / f"{name}.npy")
        assert scores.tobytes() == detector.score_samples(X).tobytes()


CHECKED_BY_DEFAULT = [  # of each kind
    GenuineOnly(SVM),
    GenuineOnly(NEIGHBORS),
    GenuineOnly(KernelDensity(), contamination=0.1),
    GenuineOnly(make_pipeline(StandardScaler(), OneClassSVM())),
]
CHECKED_WHEN_SLOW = [
    GenuineOnly(FOREST),
    GenuineOnly(ENVELOPE),
    GenuineOnly(OneClassSVM(), contamination=0.1),
    GenuineOnly(IsolationForest(n_estimators=10, random_state=0), contamination=0.1),
]
few_rows = pytest.mark.filterwarnings(
    "ignore:n_neighbors .20. is greater than:UserWarning",
    "ignore:The covariance matrix associated:UserWarning",
)


@few_rows
@parametrize_with_checks(CHECKED_BY_DEFAULT)
def test_scikit_learn_checks(estimator, check):
    with any_labels():
        check(estimator)


@pytest.mark.slow
@few_rows
@parametrize_with_checks(CHECKED_WHEN_SLOW)
def test_scikit_learn_checks_of_the_others(estimator, check):
    with any_labels():
        check(estimator)
