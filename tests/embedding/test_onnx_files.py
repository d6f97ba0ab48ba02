"""The files beside an ONNX graph that hold its weights: which are read, and which refused."""

import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from sklearn_diffake.embedding.backbones._lookup import find_backbone, fingerprint_of
from sklearn_diffake.embedding.backbones._onnx_graph import (
    _locations,
    external_files,
    is_plain_path,
)

LONG = f"{'weights-' * 30}.data"  # of more than 127 bytes: its length takes two


def external(name):
    """Return a tensor whose numbers are in another file."""
    tensor = TensorProto(name="weight", data_type=TensorProto.FLOAT, dims=[108, 8])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=name)
    return tensor


def write(path, name):
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["image"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weight"], ["vector"]),
        ],
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 6, 6])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["batch", 8])],
        [external(name)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def weights(seed):
    return np.random.default_rng(seed).normal(size=(108, 8)).astype(np.float32).tobytes()


@pytest.mark.parametrize(
    "name", ["net.data", LONG, "inside/net.data", "./net.data", "poids-é.data"]
)
def test_external_weights_belong_to_the_fingerprint(tmp_path, name):
    prints = []
    for seed in (0, 1, 0):
        folder = tmp_path / str(len(prints))
        (folder / "inside").mkdir(parents=True)
        (folder / name).write_bytes(weights(seed))
        prints.append(find_backbone(write(folder / "net.onnx", name)).fingerprint)
    assert prints[0] == prints[2] != prints[1]


@pytest.mark.parametrize(
    "name",
    [
        "../outside.data", "inside/../../outside.data", "/etc/passwd", "C:outside.data",
        "C:\\outside.data", "..\\outside.data", "\\\\server\\share", "net.data:stream", "con",
        "nul.data", "a\0b", "", ".", "no-such-file", "inside", "*/_ORT_MEM_ADDR_/*",
        "link/outside.data",
    ],
)  # fmt: skip
def test_other_names_are_refused_before_the_graph_is_opened(tmp_path, name, monkeypatch):
    folder = tmp_path / "folder"
    (folder / "inside").mkdir(parents=True)
    (tmp_path / "outside.data").write_bytes(weights(0))
    os.symlink(tmp_path, folder / "link")
    path = write(folder / "net.onnx", name)
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(ValueError, match="keeps weights in") as caught:
        find_backbone(path)
    assert str(path) in str(caught.value)


def test_a_graph_in_a_model_has_no_files(tmp_path):
    (tmp_path / "net.data").write_bytes(weights(0))
    content = write(tmp_path / "net.onnx", "net.data").read_bytes()
    with pytest.raises(ValueError, match=r"keeps weights in the file 'net.data', in memory"):
        fingerprint_of(str(tmp_path / "net.onnx"), content, ".onnx")


def test_names_are_found_wherever_a_graph_may_hold_tensors():
    """Every place of onnx.proto3, with the numbers that the package onnx gives to its fields."""
    attribute = helper.make_attribute("a", external("in an attribute"))
    list_attribute = onnx.AttributeProto(name="b", tensors=[external("in a list")])
    inner = helper.make_graph([], "inner", [], [], [external("in a graph")])
    graph_attribute = onnx.AttributeProto(name="c", g=inner, graphs=[inner])
    sparse = onnx.SparseTensorProto(values=external("values"), indices=external("indices"))
    sparse_attribute = onnx.AttributeProto(name="d", sparse_tensor=sparse, sparse_tensors=[sparse])
    node = onnx.NodeProto(attribute=[attribute, list_attribute, graph_attribute, sparse_attribute])
    deep = onnx.GraphProto(initializer=[external("in training")])
    function = onnx.FunctionProto(node=[onnx.NodeProto(
        attribute=[helper.make_attribute("e", external("in a function"))])])  # fmt: skip
    function.attribute_proto.append(helper.make_attribute("f", external("by default")))
    graph = onnx.GraphProto(node=[node], sparse_initializer=[sparse])
    model = onnx.ModelProto(graph=graph, functions=[function])
    model.training_info.append(onnx.TrainingInfoProto(initialization=deep, algorithm=deep))
    with pytest.raises(ValueError, match="keeps weights in"):
        external_files(model.SerializeToString(), None, "net")
    assert set(_locations(model.SerializeToString())) == {
        "in an attribute", "in a list", "in a graph", "values", "indices", "in training",
        "in a function", "by default",
    }  # fmt: skip


def test_a_name_may_come_before_its_key(tmp_path):
    name = b"net.data"
    entry = b"\x12" + bytes([len(name)]) + name + b"\x0a\x88\x00" + b"location"
    tensor = b"\x6a" + bytes([len(entry)]) + entry
    graph = b"\x2a" + bytes([len(tensor)]) + tensor
    content = b"\x3a" + bytes([len(graph)]) + graph
    (tmp_path / "net.data").touch()
    assert external_files(content, tmp_path, "net") == [tmp_path / "net.data"]


@pytest.mark.parametrize("cut", [1, 5, 20, 60])
def test_what_is_no_protocol_buffer(tmp_path, cut):
    content = write(tmp_path / "net.onnx", "net.data").read_bytes()[:-cut]
    with pytest.raises(ValueError, match=r"'net' is not a readable .onnx model|keeps weights in"):
        external_files(content, tmp_path, "net")
    with pytest.raises(ValueError, match=r"is not a readable .onnx model: it is a model in"):
        external_files(b"\x08\x00\x00\x00ORTM", tmp_path, "net")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x0f", "a field has the unknown wire type 7"),
        (b"\x80" * 12, "an integer has more than 64 bits"),
        (b"\x3a\x05ab", "a field is longer than the message that holds it"),
        (b"\x09\x00", "a field is longer than the message that holds it"),
    ],
)
def test_broken_fields_are_named(content, message):
    with pytest.raises(ValueError, match=rf"'net' is not a readable \.onnx model: {message}"):
        external_files(content, None, "net")


def test_fields_of_fixed_length_are_skipped(tmp_path):
    content = b"\x09" + bytes(8) + b"\x0d" + bytes(4)
    tensor = external("net.data").SerializeToString()
    graph = b"\x2a" + bytes([len(tensor)]) + tensor
    content += b"\x3a" + bytes([len(graph)]) + graph
    (tmp_path / "net.data").touch()
    assert external_files(content, tmp_path, "net") == [tmp_path / "net.data"]


@pytest.mark.parametrize("name", ["a", "a/b.data", "a b", "café", ".hidden", "console"])
def test_plain_paths(name):
    assert is_plain_path(name)
