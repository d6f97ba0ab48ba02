"""Backbones that are .onnx files, made here from a few nodes."""

import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from image_helpers import noise
from onnx import TensorProto, helper, numpy_helper

from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.embedding.backbones import _base, _lookup, _onnx_runtime
from sklearn_diffake.embedding.backbones._lookup import find_backbone

CROPS = np.stack(noise(7, (6, 6)))


def write(path, *, batch="batch", layout="NCHW", size=(6, 6), kind=TensorProto.FLOAT, **metadata):
    """Write a network that returns the mean of each channel, twice."""
    channels_first = layout == "NCHW"
    shape = [batch, 3, *size] if channels_first else [batch, *size, 3]
    axes = numpy_helper.from_array(np.array([2, 3] if channels_first else [1, 2]), "axes")
    nodes = [
        helper.make_node("ReduceMean", ["image", "axes"], ["mean"], keepdims=0),
        helper.make_node("Concat", ["mean", "mean"], ["vector"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", kind, shape)],
        [helper.make_tensor_value_info("vector", kind, [batch, 6])],
        [axes],
    )
    return finish(path, graph, **metadata)


def finish(path, graph, **metadata):
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"mean": "[0, 0, 0]", "std": "[1, 1, 1]", **metadata})
    onnx.save(model, path)
    return path


def embed(path, X=CROPS, **settings):
    return FaceEmbedder(path, device="cpu", **settings).fit_transform(X)


MEANS = np.tile(CROPS.mean(axis=(1, 2)) / 255, 2)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("batch", ["batch", 1, 4, 16])
@pytest.mark.parametrize("batch_size", [1, 3, 32])
def test_batches_of_every_kind(tmp_path, layout, batch, batch_size):
    path = write(tmp_path / "net.onnx", batch=batch, layout=layout)
    embeddings = embed(path, batch_size=batch_size)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(embeddings, MEANS, atol=1e-5)


def test_half_precision_graph(tmp_path):
    path = write(tmp_path / "net.onnx", kind=TensorProto.FLOAT16)
    embeddings = embed(path)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(embeddings, MEANS, atol=2e-3)


def test_metadata_holds_the_normalization(tmp_path):
    path = write(
        tmp_path / "net.onnx",
        mean=json.dumps([0.5, 0.25, 0]),
        std=json.dumps([0.5, 1, 2]),
        license="CC0",
    )
    expected = (MEANS[:, :3] - [0.5, 0.25, 0]) / [0.5, 1, 2]
    np.testing.assert_allclose(embed(path)[:, :3], expected, atol=1e-5)
    info = find_backbone(path).describe()
    assert info["name"] == "onnx"
    assert info["mean"] == [0.5, 0.25, 0]
    assert info["license"] == "CC0"


def test_without_metadata_it_is_that_of_imagenet(tmp_path):
    path = write(tmp_path / "net.onnx")
    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    info = find_backbone(path).describe()
    assert info["mean"] == list(_base.IMAGENET_MEAN)
    assert info["std"] == list(_base.IMAGENET_STD)
    assert info["license"] == "not declared in the file"


def test_open_input_size(tmp_path):
    path = write(tmp_path / "net.onnx", size=("height", "width"))
    assert find_backbone(path).input_size == (112, 112)
    assert embed(path).shape == (7, 6)


def test_rectangular_input(tmp_path):
    path = write(tmp_path / "net.onnx", size=(4, 9))
    assert find_backbone(path).input_size == (4, 9)
    assert embed(path).shape == (7, 6)


def test_fingerprint_is_that_of_the_content(tmp_path):
    first, copy = write(tmp_path / "a.onnx"), write(tmp_path / "b.onnx")
    second = write(tmp_path / "c.onnx", mean="[0, 0, 0.5]")
    assert find_backbone(first).fingerprint == find_backbone(copy).fingerprint
    assert find_backbone(first).fingerprint != find_backbone(second).fingerprint
    model = FaceEmbedder(first, device="cpu").fit(CROPS)
    first.write_bytes(second.read_bytes())
    with pytest.raises(ValueError, match="but the embedder was fitted with"):
        model.transform(CROPS)


def test_relative_path_keeps_its_meaning(tmp_path, monkeypatch):
    write(tmp_path / "net.onnx")
    monkeypatch.chdir(tmp_path)
    assert embed("net.onnx").shape == (7, 6)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert embed("~/net.onnx").shape == (7, 6)


def external(path, weight):
    """Write a network that keeps a large weight in a file beside it."""
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["image"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weight"], ["vector"]),
        ],
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 6, 6])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["batch", 8])],
        [numpy_helper.from_array(weight, "weight")],
    )
    finish(path, graph)
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location="net.data", size_threshold=0
    )


def test_weights_in_a_second_file_count_too(tmp_path):
    rng = np.random.default_rng(0)
    prints = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        path = tmp_path / name / "net.onnx"
        external(path, rng.normal(size=(108, 8)).astype(np.float32))
        prints.append(find_backbone(path).fingerprint)
        assert embed(path).shape == (7, 8)
    graphs = [(tmp_path / name / "net.onnx").read_bytes() for name in ("one", "two")]
    assert graphs[0] == graphs[1]
    assert prints[0] != prints[1]
    with pytest.raises(ValueError, match=r"keeps its weights in \['net.data'\]: write one file"):
        find_backbone(path).export(str(tmp_path / "copy.onnx"))


def test_export_copies_the_file(tmp_path):
    backbone = find_backbone(write(tmp_path / "net.onnx"))
    backbone.export(str(tmp_path / "copy.onnx"))
    assert find_backbone(tmp_path / "copy.onnx").fingerprint == backbone.fingerprint
    assert backbone.suffix == ".onnx"


def two_inputs(path):
    image, second = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["b", 3, 6, 6])
        for name in ("image", "again")
    )
    node = helper.make_node("Add", ["image", "again"], ["sum"])
    out = helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["b", 3, 6, 6])
    return finish(path, helper.make_graph([node], "net", [image, second], [out]))


def gray(path):
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["b", 1, 6, 6])
    node = helper.make_node("Flatten", ["image"], ["flat"])
    out = helper.make_tensor_value_info("flat", TensorProto.FLOAT, ["b", 36])
    return finish(path, helper.make_graph([node], "net", [image], [out]))


def scalar(path):
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["b", 3, 6, 6])
    node = helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0)
    out = helper.make_tensor_value_info("mean", TensorProto.FLOAT, [])
    return finish(path, helper.make_graph([node], "net", [image], [out]))


def misspelt(path):
    path.write_bytes(write(path, author="Anna").read_bytes().replace(b"Anna", b"\xff" * 4))


def misspelt_input(path):
    """Name the input of a node in bytes that are not UTF-8; the name of the image stays."""
    node = helper.make_node("GlobalAveragePool", ["Anna"], ["mean"])
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["b", 3, 6, 6])
    out = helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["b", 3, 1, 1])
    graph = helper.make_graph([node], "net", [image], [out])
    model = helper.make_model(graph).SerializeToString()
    path.write_bytes(model.replace(b"Anna", b"\xff" * 4))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b""), "is not a readable .onnx model"),
        (lambda path: path.write_bytes(b"\x08\x07 nonsense"), "is not a readable .onnx model"),
        (lambda path: write(path, size=(6, 6), kind=TensorProto.DOUBLE), "takes tensor.double. of"),
        (gray, r"takes tensor.float. of shape \['b', 1, 6, 6\]; expected one input, float images"),
        (two_inputs, "expected one input"),
        (scalar, r"returned shape \(\), expected one vector per image"),
        (lambda path: write(path, size=(2**20, 2**20)), "takes images of 1048576 x 1048576 pixels"),
        (misspelt, "holds names that are not in UTF-8"),
        (misspelt_input, "holds names that are not in UTF-8"),
        (lambda path: write(path, mean="[0, 0]"), r"declares mean=\[0, 0\]"),
        (lambda path: write(path, mean="a half"), "declares mean='a half'"),
        (lambda path: write(path, std="[1, 0, 1]"), "those of std positive"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, make, message):
    path = tmp_path / "net.onnx"
    make(path)
    with pytest.raises(ValueError, match=message) as caught:
        embed(path)
    assert repr(str(path)) in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"net.onnx': no such file"):
        embed(tmp_path / "net.onnx")


def test_it_has_its_own_weights_and_number_format(tmp_path):
    path = write(tmp_path / "net.onnx")
    (tmp_path / "w.safetensors").touch()
    with pytest.raises(ValueError, match="holds its own weights: leave weights=None"):
        embed(path, weights=tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match="dtype='float16' does not fit"):
        embed(path, dtype="float16")


def test_onnxruntime_not_installed(tmp_path, monkeypatch):
    _lookup._find.cache_clear()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"pip install 'sklearn-diffake\[onnx\]'"):
        embed(write(tmp_path / "net.onnx"))


def test_cuda_is_asked_for_where_onnxruntime_has_it(tmp_path, monkeypatch):
    requested_providers = []
    session = onnxruntime.InferenceSession

    def note(path, options, providers):
        requested_providers.append(providers)
        return session(path, options, providers=["CPUExecutionProvider"])

    available = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "InferenceSession", note)
    path = str(write(tmp_path / "net.onnx"))
    _onnx_runtime._session(path, "cuda:1")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: available)
    for device in ("cpu", "cuda", "cuda:1"):
        _onnx_runtime._session(path, device)
    cpu = ["CPUExecutionProvider"]
    assert requested_providers == [
        cpu,  # an onnxruntime without CUDA
        cpu,
        [("CUDAExecutionProvider", {"device_id": 0}), *cpu],
        [("CUDAExecutionProvider", {"device_id": 1}), *cpu],
    ]
