"""Whatever changes embeddings changes the fingerprint that they are kept under."""

import importlib
import inspect
import json

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, save
from torch import nn

from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.embedding.backbones import _lookup, _torch
from sklearn_diffake.embedding.backbones._base import Backbone
from sklearn_diffake.embedding.backbones._lookup import Overrides, find_backbone
from sklearn_diffake.embedding.backbones._views import averaged_over_views, resize

DECLARED = {
    "input_size": ((8, 8), (8, 16)),
    "mean": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.25)),
    "std": ((0.5, 0.5, 0.5), (0.5, 0.25, 0.5)),
    "weights": (0, 1),
    "mirror": (False, True),
    "scales": ((1.0,), (1.0, 0.75)),
}
# What a backbone declares that is not its own to decide, or does not reach embeddings.
NEITHER = {
    *("name", "width", "license", "fingerprint", "build", "export", "suffix", "module", "crop"),
    "undeclared",
}
CROPS = np.random.default_rng(0).integers(0, 256, (4, 12, 12, 3), dtype=np.uint8)


class Network(nn.Module):
    """A convolution, whose sums depend on everything that is declared."""

    def __init__(self, seed):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.layer = nn.Conv2d(3, 4, 3)
        for values in self.layer.parameters():
            values.data = torch.randn(values.shape, generator=generator)

    def forward(self, x):
        return self.layer(x).relu().sum(dim=(2, 3))


def in_torch(path, weights, mirror, scales, **declared):
    backbone = _torch.torch_backbone("net", Network(weights), **declared, license="")
    return averaged_over_views(backbone, mirror=mirror, scales=scales)


def in_onnx(path, weights, input_size, mean, std, mirror, scales):
    values = Network(weights).layer.weight.detach().numpy()
    tensor = helper.make_tensor("w", TensorProto.FLOAT, values.shape, values.ravel().tolist())
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["map"]),
        helper.make_node("Relu", ["map"], ["relu"]),
        helper.make_node("GlobalAveragePool", ["relu"], ["mean"]),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])
        for name, shape in (("image", [3, *input_size]), ("mean", [4, 1, 1]))
    ]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], [tensor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"mean": json.dumps(mean), "std": json.dumps(std)})
    save(model, path)
    return find_backbone(path, None, Overrides(mirror=mirror, scales=scales))


def test_nothing_that_a_backbone_declares_is_forgotten_here():
    fields = set(inspect.signature(Backbone).parameters)
    assert fields == (DECLARED.keys() - {"weights"}) | NEITHER


@pytest.mark.parametrize("name", [None, *DECLARED])
@pytest.mark.parametrize("make", [in_torch, in_onnx])
def test_what_changes_embeddings_changes_the_fingerprint(tmp_path, make, name):
    usual = {name: values[0] for name, values in DECLARED.items()}
    second_settings = {**usual, **({} if name is None else {name: DECLARED[name][1]})}
    first = make(tmp_path / "a.onnx", **usual)
    second = make(tmp_path / "b.onnx", **second_settings)
    embeddings = [embed(backbone) for backbone in (first, second)]
    assert np.allclose(*embeddings) is (name is None)
    assert (first.fingerprint == second.fingerprint) is (name is None)


def embed(backbone):
    crops = np.stack([resize(image, backbone.input_size) for image in CROPS])
    return backbone.build("cpu", "float32")(crops)


@pytest.mark.parametrize("name", ["mean", "std", "input_size"])
def test_what_a_module_declares_reaches_the_store(tmp_path, monkeypatch, name):
    """The same network under another normalization is another network to the cache."""
    (tmp_path / "declaring.py").write_text(
        "from tiny_backbones import Means\n\n\n"
        "class Declaring(Means):\n    input_size = 8\n    mean, std = (0, 0, 0), (1, 1, 1)\n\n\n"
        "def usual():\n    return Declaring()\n\n\n"
        "def usual_again():\n    return Declaring()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    declaring = importlib.reload(importlib.import_module("declaring"))
    values = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5), "input_size": 4}
    _lookup._find.cache_clear()
    embedder = FaceEmbedder("declaring:usual", device="cpu", cache=tmp_path / "cache")
    embeddings_before = embedder.fit_transform(CROPS)
    monkeypatch.setattr(declaring.Declaring, name, values[name])
    _lookup._find.cache_clear()
    after = embedder.fit_transform(CROPS)
    assert embedder.n_embedded_ == len(CROPS)
    assert not np.allclose(embeddings_before, after)
