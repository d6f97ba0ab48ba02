"""A configuration may name detectors, and these only."""

import ast
import sys
from importlib.util import find_spec
from pathlib import Path

import forked_programs
import pytest
from sklearn.base import clone

from sklearn_diffake import novelty
from sklearn_diffake.benchmark._registry import (
    _PYOD,
    DETECTORS,
    LOADERS,
    ConfigError,
    detector_name,
    find_loader,
    make_detector,
)

ROOT = Path(__file__).resolve().parents[2]
PLAIN = [name for name in DETECTORS if not name.startswith("pyod.")]


@pytest.mark.parametrize("name", [*PLAIN, "pyod.KNN", "pyod.ECOD", "pyod.DeepSVDD"])
def test_detectors_are_built_by_name(name):
    params = {"n_features": 4} if name == "pyod.DeepSVDD" else {}
    detector = make_detector({"name": name, **params}, seed=5, device="cpu")
    assert isinstance(clone(detector), novelty.PyODDetector if "pyod" in name else object)
    assert "auto" not in [detector.get_params().get("device")]
    seeds = [v for k, v in detector.get_params().items() if k.endswith("random_state")]
    assert set(seeds) <= {5}


@pytest.mark.parametrize("name", _PYOD)
def test_every_name_of_pyod_is_there(name):
    file = Path(find_spec(f"pyod.models.{_PYOD[name]}").origin)
    classes = [n.name for n in ast.parse(file.read_text()).body if isinstance(n, ast.ClassDef)]
    assert name in classes


def test_parameters_and_inner_detectors_are_handed_on():
    spec = {
        "name": "ConformalDetector",
        "target_bpcer": 0.1,
        "detector": {"name": "pyod.KNN", "n_neighbors": 7, "contamination": 0.2},
    }
    detector = make_detector(spec, seed=5, device="cpu")
    inner = detector.detector
    assert (detector.target_bpcer, inner.contamination) == (0.1, 0.2)
    assert inner.detector.n_neighbors == 7
    assert make_detector({"name": "GaussianMixtureDetector", "n_pca": "none"}, seed=0,
                         device="cpu").n_pca is None  # fmt: skip
    svm = make_detector({"name": "OneClassSVM", "nu": 0.3}, seed=0, device="cpu")
    assert isinstance(svm, novelty.GenuineOnly)
    assert svm.estimator.nu == 0.3
    assert make_detector({"name": "LocalOutlierFactor"}, seed=0, device="cpu").estimator.novelty
    provided = make_detector({"name": "IsolationForest", "random_state": 9}, seed=0, device="cpu")
    assert provided.estimator.random_state == 9


@pytest.mark.parametrize(
    "name", ["os.system", "sklearn.svm.OneClassSVM", "pyod.models.knn.KNN", ""]
)
def test_nothing_else_is_imported(name):
    with pytest.raises(ConfigError, match="is no detector"):
        make_detector({"name": name}, seed=0, device="cpu")


def test_a_detector_that_cannot_be_imported_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyod.models.knn", None)  # importing it fails
    message = r"need pyod \(not installed\): pip install 'sklearn-diffake\[pyod\]'"
    with pytest.raises(ConfigError, match=message) as caught:
        make_detector({"name": "pyod.KNN"}, seed=0, device="cpu")
    assert caught.value.key == "name"


def test_loaders_are_the_public_ones():
    assert "load_dfdc" in LOADERS
    assert "describe" not in LOADERS
    for name in LOADERS:
        loader, arguments = find_loader(name)
        assert callable(loader)
        assert not {"return_X_y", "as_frame", "options"} & set(arguments)
    assert {"root", "version", "mode", "n_frames"} <= set(find_loader("load_celeb_df")[1])


def test_importing_it_loads_nothing_heavy():
    code = "import sys, sklearn_diffake.benchmark as b; print(*sys.modules)"
    modules = forked_programs.run(code, cwd=ROOT, libraries=forked_programs.SCIKIT_LEARN).split()
    assert "sklearn_diffake.benchmark" in modules
    heavy = {"torch", "pyod", "skorch", "cv2", "matplotlib", "dask", "distributed"}
    assert heavy.isdisjoint(modules)


def test_templates_are_not_offered_to_a_benchmark():
    """A row would have several reference videos, of which splits know one only."""
    for name in LOADERS:
        _, arguments = find_loader(name)
        assert not {"templates", "return_X_y", "as_frame"} & set(arguments)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("gaussian-mixture", "GaussianMixtureDetector"),
        ("GaussianMixtureDetector", "GaussianMixtureDetector"),
        ("deep_svdd", "DeepSVDD"),
        ("pyod.deepsvdd", "pyod.DeepSVDD"),
        ("isolation-forest", "IsolationForest"),
    ],
)
def test_spellings_of_detectors(text, name):
    assert detector_name(text) == name


def test_every_detector_has_one_spelling():
    assert [detector_name(name.lower()) for name in DETECTORS] == list(DETECTORS)
    with pytest.raises(ConfigError, match="did you mean 'MahalanobisDetector'"):
        detector_name("MahalanobisDetecto")
