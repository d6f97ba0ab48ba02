"""Parameters of FaceEmbedder that replace what a backbone declares; functions; mirroring."""

import dataclasses
import functools
import pickle
import sys
import warnings

import numpy as np
import onnx
import pytest
import tiny_backbones
import torch
from onnx import TensorProto, helper, numpy_helper
from sklearn.base import clone
from test_onnx_backbone import write

from sklearn_diffake import persistence
from sklearn_diffake.embedding import RECIPES, FaceEmbedder, ForgeryEmbedder
from sklearn_diffake.embedding.backbones._lookup import find_backbone
from sklearn_diffake.embedding.backbones._user_function import reference_of
from sklearn_diffake.embedding.backbones._views import averaged_over_views, views_of

CROPS = np.random.default_rng(0).integers(0, 256, (4, 12, 12, 3), dtype=np.uint8)
ARCFACE = {"size": 112, "margin": 0.0, "landmarks": None}
MEANS = CROPS.mean(axis=(1, 2)) / 255


def embed(backbone, X=CROPS, **settings):
    return FaceEmbedder(backbone, device="cpu", **settings).fit_transform(X)


# --- mean, std, input_size, crop -------------------------------------------------------------


@pytest.mark.parametrize("kind", ["torch", "onnx"])
def test_normalization_is_that_of_the_parameters(tmp_path, kind):
    backbone = "tiny_backbones:means"
    if kind == "onnx":
        backbone = write(tmp_path / "net.onnx", size=("height", "width"))
    vectors = embed(backbone, input_size=12, mean=0.5, std=[0.5, 0.25, 1])[:, :3]
    np.testing.assert_allclose(vectors, (MEANS - 0.5) / [0.5, 0.25, 1], atol=1e-5)
    info = FaceEmbedder(backbone, input_size=(12, 20), mean=0.5, std=0.25).fit(CROPS).backbone_info_
    assert (info["input_size"], info["mean"], info["std"]) == ([12, 20], [0.5] * 3, [0.25] * 3)


def test_what_is_given_is_as_if_it_were_declared(tmp_path):
    declaring = write(tmp_path / "a.onnx", mean="[0.5, 0.5, 0.5]", std="[0.5, 0.5, 0.5]")
    overridden = FaceEmbedder(declaring, mean=0.5, std=(0.5,) * 3, input_size=6).fit(CROPS)
    assert overridden.fingerprint_ == FaceEmbedder(declaring).fit(CROPS).fingerprint_


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"mean": 127.5}, "declares mean=127.5 .*not in 0..255: divide by 255"),
        ({"mean": 0.5, "std": 127.5}, "not in 0..255: divide by 255"),
        ({"std": 0}, "those of std positive"),
        ({"mean": [0.5, 0.5]}, "three numbers each"),
        ({"input_size": (8, 8, 8)}, r"FaceEmbedder got input_size=\(8, 8, 8\)"),
        ({"crop": (112,)}, r"FaceEmbedder got crop=\(112,\), expected \(size, margin\)"),
        ({"crop": (112, 9)}, "expected .size, margin. or"),
        ({"crop": (112, 0, [(0.3, 0.4)])}, "expected .size, margin. or"),
    ],
)
def test_parameters_out_of_range(parameters, message):
    with pytest.raises(ValueError, match=message):
        embed("tiny_backbones:means", **parameters)


def test_a_size_that_the_graph_does_not_take(tmp_path):
    path = write(tmp_path / "net.onnx", size=(6, 6))
    with pytest.raises(ValueError, match=r"takes images of 6 x 6 pixels, but input_size=\(7, 7\)"):
        embed(path, input_size=7)


@pytest.mark.parametrize("key", ["mean", "std"])
def test_metadata_for_values_up_to_255_is_refused(tmp_path, key):
    path = write(tmp_path / "net.onnx", **{key: "[127.5, 127.5, 127.5]"})
    with pytest.raises(ValueError, match=r"net.onnx' declares .*127.5.*: divide by 255"):
        embed(path)


def test_a_module_that_declares_values_up_to_255_is_refused(monkeypatch):
    monkeypatch.setattr(tiny_backbones.Means, "mean", (123.7, 116.3, 103.5))
    with pytest.raises(ValueError, match="divide by 255"):
        embed(functools.partial(tiny_backbones.Means))


def bare(path):
    """Write a network whose file declares nothing."""
    model = onnx.load(write(path))
    del model.metadata_props[:]
    onnx.save(model, path)
    return path


def test_a_backbone_that_declares_nothing_warns_at_every_fit(tmp_path):
    for backbone in (bare(tmp_path / "net.onnx"), "tiny_backbones:undeclared"):
        for _ in range(2):
            with pytest.warns(UserWarning, match="declares no mean and no std: that of ImageNet"):
                FaceEmbedder(backbone, device="cpu").fit(CROPS)
        with pytest.warns(UserWarning, match="declares no std: that"):
            FaceEmbedder(backbone, device="cpu", mean=0.5).fit(CROPS)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            FaceEmbedder(backbone, device="cpu", mean=0.5, std=0.5).fit(CROPS)


def test_crop_in_metadata_and_parameter(tmp_path):
    path = write(tmp_path / "net.onnx", crop="[112, 0.1]")
    assert FaceEmbedder(path).fit(CROPS).backbone_info_["crop"] == dict(ARCFACE, margin=0.1)
    overridden = FaceEmbedder(path, crop=(128, 0)).fit(CROPS)
    assert overridden.backbone_info_["crop"] == dict(ARCFACE, size=128)
    with pytest.raises(ValueError, match=r"net.onnx' declares crop='wide'"):
        embed(write(tmp_path / "net.onnx", crop="wide"))


def test_weights_that_a_graph_lists_among_its_inputs(tmp_path):
    """Graphs of the old form list all, and quantized ones keep those that nothing takes."""
    path = write(tmp_path / "net.onnx")
    expected = embed(path)
    model = onnx.load(path)
    axes = helper.make_tensor_value_info("axes", TensorProto.INT64, [2])
    stale = helper.make_tensor_value_info("weights", TensorProto.FLOAT, [4, 3, 3, 3])
    old = helper.make_tensor_value_info("scales", TensorProto.FLOAT, [4])
    model.graph.input.extend([axes, old])
    model.graph.input.insert(0, stale)
    model.graph.initializer.append(numpy_helper.from_array(np.ones(4, np.float32), "scales"))
    onnx.save(model, path)
    np.testing.assert_array_equal(embed(path), expected)


# --- functions -------------------------------------------------------------------------------


def test_a_function_is_its_name():
    from_name = FaceEmbedder("tiny_backbones:colors", device="cpu").fit(CROPS)
    from_function = FaceEmbedder(tiny_backbones.colors, device="cpu").fit(CROPS)
    assert from_function.fingerprint_ == from_name.fingerprint_
    assert from_function.backbone_info_ == from_name.backbone_info_
    np.testing.assert_array_equal(from_function.transform(CROPS), from_name.transform(CROPS))
    assert clone(from_function).backbone is tiny_backbones.colors
    copy = pickle.loads(pickle.dumps(from_function))
    np.testing.assert_array_equal(copy.transform(CROPS), from_function.transform(CROPS))


def test_functions_and_classes_without_a_name():
    calls = []

    def local():
        calls.append(1)
        return tiny_backbones.Means()

    for function in (local, functools.partial(local), tiny_backbones.Means):
        vectors = embed(function, input_size=12)
        np.testing.assert_allclose(vectors, MEANS, atol=1e-5)
    assert len(calls) == 2  # loaded once each, for fit and transform
    assert reference_of(local) is None
    assert reference_of(tiny_backbones.Means) == "tiny_backbones:Means"


def test_a_module_itself_is_refused():
    with pytest.raises(TypeError, match="a torch module: it would be copied by every clone"):
        embed(tiny_backbones.colors())
    with pytest.raises(ValueError, match="must be an instance of 'str'"):
        ForgeryEmbedder(tiny_backbones.colors).fit(CROPS)


def test_a_function_that_can_be_imported_is_saved_by_its_name(tmp_path):
    path = tmp_path / "model.diffake"
    model = FaceEmbedder(tiny_backbones.means, mirror=True, crop=(112, 0), device="cpu").fit(CROPS)
    persistence.save(model, path)
    assert model.backbone is tiny_backbones.means
    with pytest.raises(ValueError, match=r"contains \['tiny_backbones:means'\].*not trusted"):
        persistence.load(path)
    loaded = persistence.load(path, trusted=["tiny_backbones:means"])
    assert loaded.backbone == "tiny_backbones:means"
    np.testing.assert_array_equal(loaded.transform(CROPS), model.transform(CROPS))


def test_others_cannot_be_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "network", tiny_backbones.means, raising=False)
    in_script = type(tiny_backbones.means)(tiny_backbones.means.__code__, vars(tiny_backbones))
    in_script.__module__, in_script.__qualname__ = "__main__", "network"
    for function in (lambda: tiny_backbones.Means(), in_script):
        model = FaceEmbedder(function, device="cpu").fit(CROPS)
        with pytest.raises(TypeError, match="cannot be imported where the model is loaded"):
            persistence.save(model, tmp_path / "model.diffake")


# --- mirror ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["torch", "onnx"])
def test_mirrored_embeddings_are_means_over_both_images(tmp_path, kind):
    backbone = "tiny_backbones:colors" if kind == "torch" else flat(tmp_path / "net.onnx")
    direct, flipped = embed(backbone), embed(backbone, np.ascontiguousarray(CROPS[:, :, ::-1]))
    assert np.abs(direct - flipped).max() > 0.01
    averaged = embed(backbone, mirror=True)
    np.testing.assert_allclose(averaged, (direct + flipped) / 2, atol=1e-5)
    np.testing.assert_array_equal(
        embed(backbone, np.ascontiguousarray(CROPS[:, :, ::-1]), mirror=True), averaged
    )


def test_scales_average_over_tighter_crops():
    backbone, size = "tiny_backbones:colors", {"input_size": CROPS.shape[1]}
    direct, scaled = embed(backbone, **size), embed(backbone, scales=(0.5,), **size)
    inner = np.ascontiguousarray(CROPS[:, 3:9, 3:9])
    np.testing.assert_allclose(scaled, embed(backbone, inner, **size), atol=1e-5)
    averaged = embed(backbone, scales=[1, 0.5], **size)
    np.testing.assert_allclose(averaged, (direct + scaled) / 2, atol=1e-5)
    flipped = np.ascontiguousarray(CROPS[:, :, ::-1])
    four = embed(backbone, mirror=True, scales=[1, 0.5], **size)
    expected = (averaged + embed(backbone, flipped, scales=[1, 0.5], **size)) / 2
    np.testing.assert_allclose(four, expected, atol=1e-5)


@pytest.mark.parametrize(("n_crops", "sizes"), [(2, [8]), (8, [32]), (9, [9] * 4), (20, [20] * 4)])
def test_views_of_few_crops_are_one_batch(n_crops, sizes):
    batch_sizes = []

    def build(device, dtype):
        def forward(images):
            batch_sizes.append(len(images))
            return images.mean(axis=(1, 2)) * images[:, 0, 0]

        return forward

    backbone = find_backbone("tiny_backbones:means", None)
    backbone = dataclasses.replace(backbone, build=build)
    crops = np.random.default_rng(1).integers(0, 256, (n_crops, 12, 12, 3), dtype=np.uint8)
    views = {"mirror": True, "scales": (1.0, 0.5)}
    embeddings = averaged_over_views(backbone, **views).build("cpu", "float32")(crops)
    assert batch_sizes == sizes
    expected = [build(None, None)(view) for view in views_of(crops, **views)]
    np.testing.assert_allclose(embeddings, np.mean(expected, axis=0), rtol=1e-12)


@pytest.mark.parametrize("scales", [(), (0.0,), (1.1,), (1, 1.0), ("a",), (np.nan,)])
def test_scales_are_checked(scales):
    with pytest.raises(ValueError, match=r"scales=.*expected one or more different numbers in"):
        FaceEmbedder("tiny_backbones:means", scales=scales, device="cpu").fit(CROPS)


def flat(path):
    """Write a network that returns its pixels."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["b", 3, 6, 6])
    vector = helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["b", 108])
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["image"], ["vector"])], "net", [image], [vector]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"mean": "[0, 0, 0]", "std": "[1, 1, 1]"})
    onnx.save(model, path)
    return path


@pytest.mark.parametrize(("scales", "atol"), [((1.0,), 1e-6), ((1.0, 0.7), 3e-3)])
def test_the_module_for_gradients_computes_the_same(scales, atol):
    """But for views of other scales, which are rounded to whole levels of color."""
    model = FaceEmbedder(
        "tiny_backbones:means", mirror=True, scales=scales, input_size=12, device="cpu"
    )
    module = model.fit(CROPS).find_backbone().module
    x = torch.from_numpy(CROPS).permute(0, 3, 1, 2).float() / 255
    np.testing.assert_allclose(module(x).numpy(), model.transform(CROPS), atol=atol)


@pytest.mark.parametrize("kind", ["torch", "onnx"])
def test_saved_with_weights(tmp_path, kind, monkeypatch):
    """The weights are those of the network; what is made of them is in the parameters."""
    monkeypatch.setenv("SKLEARN_DIFFAKE_HOME", str(tmp_path / "home"))
    backbone = "tiny_backbones:colors" if kind == "torch" else flat(tmp_path / "net.onnx")
    model = FaceEmbedder(backbone, mirror=True, mean=0.25, std=(0.5, 1, 1), device="cpu")
    expected = model.fit_transform(CROPS)
    persistence.save(model, tmp_path / "model.diffake", include_weights=True)
    if kind == "onnx":
        backbone.unlink()
    loaded = persistence.load(tmp_path / "model.diffake", trusted=["tiny_backbones:colors"])
    assert "home" in str(loaded.weights if kind == "torch" else loaded.backbone)
    np.testing.assert_array_equal(loaded.transform(CROPS), expected)


def test_models_of_the_first_version_are_loaded():
    """They call the terms of the weights by the British word."""
    model = FaceEmbedder("tiny_backbones:means", device="cpu").fit(CROPS)
    state = model.__getstate__()
    info = dict(state["backbone_info_"], licence="MIT")  # codespell:ignore
    del info["license"], info["crop"], info["mirror"], info["scales"]
    state = {k: v for k, v in state.items() if k not in ("mirror", "scales", "crop", "mean", "std")}
    old = FaceEmbedder.__new__(FaceEmbedder)
    old.__setstate__({**state, "backbone_info_": info})
    assert old.backbone_info_["license"] == "MIT"
    assert "licence" not in old.backbone_info_  # codespell:ignore
    np.testing.assert_array_equal(old.transform(CROPS), model.transform(CROPS))


def test_recipes_feed_networks_what_they_want(tmp_path):
    path = write(tmp_path / "net.onnx", size=("h", "w"))
    fed = {name: embed(path, **recipe)[:, :3] for name, recipe in RECIPES.items()}
    large = np.full((1, 112, 112, 3), 200, np.uint8)
    for name, expected in (("sface", 200), ("arcface", 72.5 / 127.5), ("facenet", 72.5 / 128)):
        vector = embed(path, large, **RECIPES[name])[0, :3]
        np.testing.assert_allclose(vector, expected, rtol=1e-4)
    assert set(fed) == set(RECIPES)
