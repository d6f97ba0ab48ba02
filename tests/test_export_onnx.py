"""Pipelines as ONNX models: the same numbers, in a runtime of its own."""

import stat

import numpy as np
import onnxruntime
import pytest
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_diffake import load_default
from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.faces import FaceAligner
from sklearn_diffake.novelty import (
    ConformalDetector,
    DeepSVDD,
    MahalanobisDetector,
    SumRuleDetector,
)
from sklearn_diffake.pairs import DifferenceScaler, PairDifference
from sklearn_diffake.persistence import _onnx, export_onnx

SIZE = (12, 20)


def pairs(n, size=SIZE, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 2, *size, 3), dtype=np.uint8)


def tiny(**parameters):
    return FaceEmbedder("tiny_backbones:Convolved", **parameters)


def run(path, crops):
    return onnxruntime.InferenceSession(path).run(None, {"crops": crops})[0]


def assert_equal_outputs(path, crops, expected):
    text = run(path, crops)
    assert text.shape == expected.shape
    np.testing.assert_allclose(text, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_the_packaged_model_gives_the_same_scores(tmp_path):
    model, path = load_default(), tmp_path / "default.onnx"
    export_onnx(model, path)
    crops = pairs(5, (160, 160), seed=7)
    assert_equal_outputs(path, crops, model[1:].score_samples(crops))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (output,) = onnxruntime.InferenceSession(path).get_outputs()
    assert output.name == "scores"


@pytest.mark.parametrize("views", [{"mirror": True}, {"scales": (1.0, 0.8)}, {"scales": (0.7,)}])
def test_views_are_part_of_the_model(tmp_path, views):
    pipe = Pipeline([("embed", tiny(**views))]).fit(pairs(2))
    export_onnx(pipe, tmp_path / "e.onnx")
    crops = pairs(4, seed=1)
    assert_equal_outputs(tmp_path / "e.onnx", crops, pipe.transform(crops))


@pytest.mark.parametrize(
    ("operator", "normalize"),
    [
        ("absolute", None),
        ("subtract", "embeddings"),
        ("squared", "both"),
        ("cubed", "difference"),
        ("concat", "both"),
        ("hadamard", "both"),
        ("cosine", "both"),
        ("probe", "both"),
    ],
)
def test_operators(tmp_path, operator, normalize):
    steps = [("embed", tiny()), ("diff", PairDifference(operator, normalize=normalize))]
    pipe = Pipeline(steps).fit(pairs(2))
    export_onnx(pipe, tmp_path / "d.onnx")
    crops = pairs(3, seed=2)
    assert_equal_outputs(tmp_path / "d.onnx", crops, pipe.transform(crops))


@pytest.mark.parametrize(
    ("linear", "detector"),
    [
        ([StandardScaler()], SumRuleDetector()),
        ([StandardScaler(with_mean=False, with_std=False)], MahalanobisDetector()),
        ([PCA(3), StandardScaler(with_mean=False)], SumRuleDetector()),
        ([PCA(4, whiten=True)], SumRuleDetector()),
        ([DifferenceScaler()], ConformalDetector(MahalanobisDetector())),
        ([DifferenceScaler(n_components=3)], SumRuleDetector()),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_linear_steps_and_detectors(tmp_path, linear, detector):
    steps = [("embed", tiny()), ("diff", PairDifference("subtract"))]
    steps += [(f"linear{i}", step) for i, step in enumerate(linear)] + [("detect", detector)]
    pipe = Pipeline(steps).fit(pairs(64))
    export_onnx(pipe, tmp_path / "s.onnx")
    crops = pairs(3, seed=3)
    assert_equal_outputs(tmp_path / "s.onnx", crops, pipe.score_samples(crops))


def fitted(*steps):
    return Pipeline([("embed", tiny()), ("diff", PairDifference()), *steps]).fit(pairs(32))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fitted(("detect", DeepSVDD(max_epochs=1))), r"'detect'.*got DeepSVDD"),
        (
            lambda: fitted(("detect", ConformalDetector(MahalanobisDetector(), method="cv+"))),
            r"'detect'.*several detectors",
        ),
        (lambda: FaceAligner(), "must be a Pipeline, got FaceAligner"),
        (lambda: Pipeline([("align", FaceAligner())]).fit(pairs(2)), "got nothing"),
        (lambda: fitted()[1:], "got PairDifference"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_cannot_be_exported_is_named(tmp_path, make, message):
    with pytest.raises(TypeError, match=message):
        export_onnx(make(), tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())


def test_unfitted_pipelines_are_refused(tmp_path):
    with pytest.raises(NotFittedError):
        export_onnx(Pipeline([("embed", tiny())]), tmp_path / "x.onnx")


def test_a_model_with_other_numbers_is_not_written(tmp_path, monkeypatch):
    pipe = fitted(("detect", SumRuleDetector()))
    graph = _onnx._graph(_onnx._exported_steps(fitted(("detect", MahalanobisDetector()))))
    monkeypatch.setattr(_onnx, "_graph", lambda steps: graph)
    with pytest.raises(RuntimeError, match="differs from the pipeline by"):
        export_onnx(pipe, tmp_path / "x.onnx")
    assert not list(tmp_path.iterdir())
