"""dlib's face recognition network: its file, and the torch module that computes the same."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_diffake.embedding.backbones._dlib import DLIB_RESNET
from sklearn_diffake.embedding.backbones.networks._crop_layers import SquareCrop
from sklearn_diffake.embedding.backbones.networks._dlib_format import read_dlib_layers
from sklearn_diffake.embedding.backbones.networks._dlib_resnet import (
    CROP_CENTER,
    CROP_SIDE,
    INPUT_SIZE,
    DlibResNet,
    dlib_resnet_file,
    dlib_resnet_module,
    dlib_resnet_state,
    read_dlib_resnet,
)
from sklearn_diffake.utils import _optional

HAS_WEIGHTS = find_spec("face_recognition_models") is not None
needs_weights = pytest.mark.skipif(not HAS_WEIGHTS, reason="needs face_recognition_models")
PATH = "network.dat"


def integer(value):
    magnitude = abs(value)
    length = max(1, (magnitude.bit_length() + 7) // 8)
    return bytes([length | (0x80 if value < 0 else 0)]) + magnitude.to_bytes(length, "little")


def integers(*values):
    return b"".join(map(integer, values))


def text(name):
    return integer(len(name)) + name.encode()


def tensor(values):
    return integers(2, values.size, 1, 1, 1) + values.astype("<f4").tobytes()


STATE = b"110" + 3 * integers(2, 0, 0, 0, 0)
VIEW = integers(1, 1, 1, 1, 1)
MULTIPLIERS = integers(16, -4, 16, -4, 16, -4, 0, 11)


def convolution(values):
    return text("con_4") + tensor(values) + integers(*[1] * 7) + 2 * VIEW + MULTIPLIERS


def affine(values):
    return text("affine_") + tensor(values) + 2 * VIEW + integer(0)


def matrix(values):
    return text("fc_2") + integers(1, 1) + tensor(values) + 2 * VIEW + integer(1) + MULTIPLIERS


def network_file(layers):
    """Write a network as dlib serializes it."""
    content = integer(1) + text("loss_metric_2") + integers(1, 1, 1, 1) + integers(2, 1, 2, 3)
    content += text("input_rgb_image_sized") + integers(*[1] * 6, 150, 150)
    first, *remaining = [layer + STATE for layer in layers]
    return content + first + integer(1) + b"".join(remaining)


@pytest.fixture(scope="module")
def random_network():
    """Parameters of every layer, and the file that holds them."""
    rng = np.random.default_rng(0)
    params, layers = [], []
    for module in DlibResNet().modules():
        if isinstance(module, nn.Conv2d):
            n = module.out_channels
            values = rng.normal(size=module.weight.numel() + n), rng.normal(size=2 * n)
            params += values
            layers += [convolution(values[0]), affine(values[1]), text("relu_")]
    params.append(rng.normal(size=256 * 128))
    pools = [text("max_pool_2") + integers(*[1] * 6), text("avg_pool_2") + integers(*[1] * 6)]
    return params, network_file([*layers, *pools, text("add_prev_"), matrix(params[-1])])


def test_the_file_of_a_network_is_read(random_network):
    params, content = random_network
    layers = read_dlib_layers(content, PATH)
    assert [layer.name for layer in layers[:3]] == ["con_4", "affine_", "con_4"]
    for layer, expected in zip(layers, params, strict=True):
        np.testing.assert_array_equal(layer.params, expected.astype(np.float32))


def test_affine_layers_are_folded_into_convolutions(random_network):
    params, content = random_network
    state = dlib_resnet_state(read_dlib_layers(content, PATH), PATH)
    network = DlibResNet()
    network.load_state_dict(state)
    filters, affine_params = (torch.from_numpy(values.astype(np.float32)) for values in params[:2])
    scales, shifts = affine_params.view(2, 32, 1, 1)
    images = torch.randn(2, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    filtered = nn.functional.conv2d(images, filters[:-32].view(32, 3, 7, 7), filters[-32:], 2)
    expected = filtered * scales + shifts
    torch.testing.assert_close(network.stem(images), expected, atol=1e-4, rtol=1e-4)
    expected = torch.from_numpy(params[-1].astype(np.float32)).view(256, 128).T
    torch.testing.assert_close(network.project.weight.detach(), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content[:-1], "the file ends before"),
        (lambda content: content.replace(b"affine_", b"affinx_", 1), "a layer 'affinx_'"),
        (lambda content: content.replace(b"loss_metric_2", b"loss_metric_9"), "loss_metric_9"),
        (lambda content: content.replace(b"max_pool_2", b"\x80ax_pool_2"), "not supported"),
        (lambda content: content.replace(STATE, b"1x0" + STATE[3:], 1), "three flags"),
        (lambda content: b"\x09" + content[1:], "an integer of 9 bytes"),
        (lambda content: content + b"\x7f", "an integer of 15 bytes"),
        (lambda content: content + integer(200), "the name of a layer has 200 bytes"),
        (lambda content: content + text("add_prev_") + b"110" + integer(3), "version 3"),
        (
            lambda content: content + text("affine_") + integers(2, -1, 1, 1, 1),
            r"the shape \(-1, 1, 1, 1\)",
        ),
        (
            lambda content: content + text("affine_") + tensor(np.array([1, np.nan])),
            "values that are not finite",
        ),
    ],
)
def test_other_content_is_refused_by_name(random_network, change, message):
    with pytest.raises(ValueError, match=message) as caught:
        read_dlib_layers(change(random_network[1]), PATH)
    assert PATH in str(caught.value)


def test_other_networks_are_refused(random_network):
    layers = read_dlib_layers(random_network[1], PATH)
    with pytest.raises(ValueError, match="56 layers with weights, expected 29 times"):
        dlib_resnet_state(layers[3:], PATH)
    layers[2] = layers[2]._replace(params=layers[2].params[1:])
    with pytest.raises(ValueError, match=r"'con_4' of 'blocks.0.first' has 9247 values"):
        dlib_resnet_state(layers, PATH)


def test_a_corrupt_file_is_refused(tmp_path, random_network):
    path = tmp_path / PATH
    path.write_bytes(random_network[1])
    with pytest.raises(ValueError, match=r"network.dat' is corrupt: its SHA-256"):
        read_dlib_resnet(path)


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(_optional, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"need face_recognition_models \(not installed\): pip"):
        dlib_resnet_file()
    spec = type("Spec", (), {"origin": str(tmp_path / "__init__.py")})
    monkeypatch.setattr(_optional, "find_spec", lambda name: spec)
    with pytest.raises(ImportError, match=r"resnet_model_v1.dat' does not exist"):
        dlib_resnet_file()


def test_the_crop_is_the_square():
    """Coordinates of pixels, cut out: those of the square's pixels."""
    positions = torch.arange(160) + 0.5
    faces = torch.stack(torch.meshgrid(positions, positions, indexing="xy"))[None]
    crop = SquareCrop(CROP_CENTER, CROP_SIDE, INPUT_SIZE)
    x, y = crop(faces)[0]
    step = CROP_SIDE / INPUT_SIZE
    edge = CROP_CENTER[0] - CROP_SIDE / 2, CROP_CENTER[1] - CROP_SIDE / 2
    expected = (torch.arange(INPUT_SIZE) + 0.5) * step
    torch.testing.assert_close(x[0], edge[0] + expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(y[:, 0], edge[1] + expected, atol=1e-3, rtol=0)
    doubled = nn.functional.interpolate(faces, scale_factor=2, mode="bilinear")
    torch.testing.assert_close(crop(doubled)[0, 0], x, atol=0.1, rtol=0)
    half = faces.bfloat16()
    assert torch.equal(crop(half), crop(half.float()).bfloat16())  # places in full precision


@needs_weights
def test_equal_to_dlib():
    dlib = pytest.importorskip("dlib")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 150, 150, 3), dtype=np.uint8)
    smooth = np.repeat(np.repeat(images[:, ::10, ::10], 10, axis=1), 10, axis=2)
    images = np.concatenate([images, smooth])
    reference = dlib.face_recognition_model_v1(str(dlib_resnet_file()))
    expected = np.array(reference.compute_face_descriptor(list(images)))
    mean, std = (
        255 * torch.tensor(values).view(3, 1, 1) for values in (DLIB_RESNET.mean, DLIB_RESNET.std)
    )
    network = dlib_resnet_module()[1]
    with torch.inference_mode():
        x = torch.from_numpy(images).permute(0, 3, 1, 2).float()
        embeddings = network((x - mean) / std).numpy()
    np.testing.assert_allclose(embeddings, expected, atol=1e-5)


@needs_weights
def test_gradients_reach_the_crop():
    faces = torch.rand(1, 3, 160, 160, requires_grad=True)
    dlib_resnet_module()(faces).square().sum().backward()
    gradient = faces.grad[0].abs().sum(0)
    inside = slice(46, 144), slice(31, 129)
    assert gradient[inside].sum() > 0.99 * gradient.sum() > 0
