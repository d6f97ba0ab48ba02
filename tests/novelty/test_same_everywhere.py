"""One seed gives one answer: in any process, under any backend, before and after saving."""

from pathlib import Path

import forked_programs
import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_config
from pyod_cases import ALL as PYOD
from pyod_cases import pyod
from sklearn.base import clone
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.svm import OneClassSVM

from sklearn_diffake import novelty, persistence
from sklearn_diffake.novelty import (
    ConformalDetector,
    DeepSVDD,
    GaussianMixtureDetector,
    GenuineOnly,
    MahalanobisDetector,
    NearestReferenceDetector,
    PyODDetector,
    SumRuleDetector,
)
from sklearn_diffake.pairs import PairDifference

ROOT = Path(__file__).resolve().parents[2]
TABLE = np.random.default_rng(0).normal(size=(120, 6))
PAIRS = np.random.default_rng(1).normal(size=(120, 2, 6)).astype(np.float32)
GROUPS = np.arange(120) // 3
DEEP = {"max_epochs": 3, "device": "cpu", "random_state": 0}

# name: detector, its input, and what else it is fitted with
CASES = {
    "gaussian_mixture": (GaussianMixtureDetector(2, random_state=0), TABLE, {}),
    "mahalanobis": (MahalanobisDetector(), TABLE, {}),
    "oas": (MahalanobisDetector("oas"), TABLE, {}),
    "nearest_of_pairs": (NearestReferenceDetector(), PAIRS, {}),
    "nearest_of_distances": (NearestReferenceDetector(), np.abs(TABLE), {}),
    "sum_rule": (SumRuleDetector(), TABLE, {}),
    "split": (
        ConformalDetector(GaussianMixtureDetector(2, random_state=0), random_state=0),
        TABLE,
        {},
    ),
    "split_groups": (ConformalDetector(random_state=0), TABLE, {"groups": GROUPS}),
    "cv+": (ConformalDetector(method="cv+", random_state=0), TABLE, {"groups": GROUPS}),
    "split_pipeline": (
        ConformalDetector(
            make_pipeline(PairDifference(), MahalanobisDetector()),
            target_bpcer=0.05,
            random_state=0,
        ),
        PAIRS,
        {},
    ),
    "deep_svdd": (DeepSVDD(**DEEP), TABLE, {}),
    "soft_boundary": (DeepSVDD("soft-boundary", warm_up_epochs=1, **DEEP), TABLE, {}),
    "pretrained": (DeepSVDD(pretrain_epochs=2, early_stopping=True, **DEEP), TABLE, {}),
    "batch_norm": (DeepSVDD(batch_norm=True, **DEEP), TABLE, {}),
    "one_class_svm": (GenuineOnly(OneClassSVM()), TABLE, {}),
    "isolation_forest": (GenuineOnly(IsolationForest(n_estimators=20, random_state=0)), TABLE, {}),
    "local_outlier_factor": (GenuineOnly(LocalOutlierFactor(novelty=True)), TABLE, {}),
    "elliptic_envelope": (GenuineOnly(EllipticEnvelope(random_state=0)), TABLE, {}),
    **{f"pyod_{name}": (PyODDetector(pyod(name), random_state=0), TABLE, {}) for name in PYOD},
}
METHODS = ["score_samples", "decision_function", "predict"]

pytestmark = pytest.mark.filterwarnings("ignore:target_bpcer=0.01 needs:UserWarning")


def fit(name):
    detector, X, options = CASES[name]
    return clone(detector).fit(X, **options)


def answers(detector, X):
    """All that a fitted detector says of `X`, as bytes."""
    methods = METHODS + (["p_values"] if hasattr(detector, "p_values") else [])
    return [getattr(detector, method)(X).tobytes() for method in methods]


def fit_and_answer(detector, X, options):
    return answers(clone(detector).fit(X, **options), X)


@pytest.fixture(scope="module")
def expected():
    return {name: answers(fit(name), CASES[name][1]) for name in CASES}


@pytest.mark.parametrize(
    ("backend", "n_turns"), [("threading", 2), pytest.param("loky", 1, marks=pytest.mark.slow)]
)
def test_backends(backend, n_turns, expected):
    """Two threads also fit the same detector at the same time."""
    process = Parallel(n_jobs=2, backend=backend)(
        delayed(fit_and_answer)(*CASES[name]) for name in CASES for _ in range(n_turns)
    )
    assert process == [expected[name] for name in CASES for _ in range(n_turns)]


def test_dask(expected):
    names = [name for name in CASES if not name.startswith("pyod_") or name == "pyod_ECOD"]
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    cluster = pytest.importorskip("distributed").LocalCluster(  # loky has processes of its own
        processes=False, protocol="tcp://", **options
    )
    with cluster, cluster.get_client() as client, parallel_config("dask"):
        process = Parallel()(delayed(fit_and_answer)(*CASES[name]) for name in names)
        tasks = client.run(lambda dask_worker: dask_worker.state.executed_count)
    assert process == [expected[name] for name in names]
    assert len(tasks) == 2
    assert all(tasks.values())


def test_no_head_is_left_out():
    detectors = {type(detector).__name__ for detector, _, _ in CASES.values()}
    names = {name for name in novelty.__all__ if name.endswith(("Detector", "SVDD", "Only"))}
    assert detectors == names


@pytest.fixture(scope="module")
def reloaded(tmp_path_factory):
    """Answers of every model after it was saved here and loaded in another process."""
    folder = tmp_path_factory.mktemp("models")
    for name, (_, X, _) in CASES.items():
        persistence.save(fit(name), folder / f"{name}.diffake")
        np.save(folder / f"{name}.npy", X)
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from sklearn_diffake import persistence\n"
        "for file in Path(sys.argv[1]).glob('*.diffake'):\n"
        "    model, X = persistence.load(file), np.load(file.with_suffix('.npy'))\n"
        "    names = ['score_samples', 'decision_function', 'predict', 'p_values']\n"
        "    said = {n: getattr(model, n)(X) for n in names if hasattr(model, n)}\n"
        "    np.savez(file.with_suffix('.npz'), **said)\n"
    )
    forked_programs.run(code, folder, cwd=ROOT)
    output = {}
    for name in CASES:
        with np.load(folder / f"{name}.npz") as file:
            output[name] = [file[method].tobytes() for method in file.files]
    return output


@pytest.mark.parametrize("name", CASES)
def test_saved_and_loaded_in_another_process(name, reloaded, expected):
    assert reloaded[name] == expected[name]


@pytest.mark.parametrize("name", CASES)
def test_input_is_left_as_it_was(name):
    X = CASES[name][1]
    original = X.copy()
    fit(name).predict(X)
    np.testing.assert_array_equal(X, original)
