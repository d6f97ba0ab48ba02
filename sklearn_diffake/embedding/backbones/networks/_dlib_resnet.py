"""The face recognition network of dlib as a torch module. Loads torch.

King, "Dlib-ml: A Machine Learning Toolkit", JMLR 2009. Network and weights are those of
``dlib_face_recognition_resnet_model_v1.dat`` (public domain, CC0), which the package
``face_recognition_models`` carries.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from sklearn_diffake.embedding.backbones.networks._crop_layers import SquareCrop
from sklearn_diffake.embedding.backbones.networks._dlib_format import DlibLayer, read_dlib_layers
from sklearn_diffake.utils._optional import dlib_model_file

#: Side of the square images that the network takes, in pixels.
INPUT_SIZE = 150
#: Center (x, y) and side of the network's square in a crop of ``FaceAligner(160, margin=0.2)``.
CROP_CENTER, CROP_SIDE = (80.0, 95.0), 100.8
#: Length of the embedding.
WIDTH = 128

_FILE = "dlib_face_recognition_resnet_model_v1.dat"
_SHA256 = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
_STEM_CHANNELS = 32
_STAGES = ((3, 32), (4, 64), (3, 128), (3, 256), (1, 256))  # blocks and channels


class DlibResNet(nn.Module):
    """Residual network with 29 convolutions whose output vectors distinguish people.

    dlib's affine layers are folded into the convolutions before them.

    Parameters
    ----------
    width : int, default=128
        Length of the output.
    bias : bool, default=False
        Whether the last layer adds a constant; dlib's does not.
    """

    def __init__(self, width: int = WIDTH, *, bias: bool = False) -> None:
        super().__init__()
        channels = _STEM_CHANNELS
        self.stem = nn.Conv2d(3, channels, 7, stride=2)
        self.pool = nn.MaxPool2d(3, 2)
        self.blocks = nn.Sequential()
        for stage, (n_blocks, stage_channels) in enumerate(_STAGES):
            for i in range(n_blocks):
                strided = stage > 0 and i == 0
                self.blocks.append(_Block(channels, stage_channels, strided=strided))
                channels = stage_channels
        self.project = nn.Linear(channels, width, bias=bias)

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Return the input of the last layer, of shape (b, 256)."""
        x = self.pool(functional.relu(self.stem(images)))
        return self.blocks(x).mean(dim=(2, 3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return embeddings of shape (b, width), not normalized.

        Parameters
        ----------
        images : Tensor of shape (b, 3, 150, 150)
            RGB, normalized with `MEAN` and `STD`.
        """
        return self.project(self.features(images))


class _Block(nn.Module):
    """Two convolutions and a shortcut; in a strided block the shortcut is averaged 2 x 2.

    Where convolutions and shortcut differ in size or channels, the smaller one is padded with
    zeros at the end, as in dlib.
    """

    def __init__(self, channels: int, out_channels: int, *, strided: bool) -> None:
        super().__init__()
        self.strided = strided
        stride, padding = (2, 0) if strided else (1, 1)
        self.first = nn.Conv2d(channels, out_channels, 3, stride=stride, padding=padding)
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.second(functional.relu(self.first(x)))
        if self.strided:
            x = functional.avg_pool2d(x, 2)
            shape = [max(extents) for extents in zip(x.shape[1:], y.shape[1:], strict=True)]
            x, y = _pad(x, shape), _pad(y, shape)
        return functional.relu(x + y)


def _pad(x: torch.Tensor, shape: list[int]) -> torch.Tensor:
    channels, height, width = (
        target - extent for target, extent in zip(shape, x.shape[1:], strict=True)
    )
    return functional.pad(x, (0, width, 0, height, 0, channels))


def dlib_resnet_module() -> nn.Sequential:
    """Make the network that takes normalized crops of ``FaceAligner(160, margin=0.2)``.

    Returns
    -------
    Sequential
        A `SquareCrop` and a `DlibResNet` with dlib's weights, in evaluation mode.

    Raises
    ------
    ImportError
        If ``face_recognition_models`` is not installed.
    ValueError
        If its file is not that of the release.
    """
    with torch.device("meta"):  # no random weights, which the file replaces
        module = crop_and_network()
    module[1].load_state_dict(read_dlib_resnet(dlib_resnet_file()), assign=True)
    return module.requires_grad_()


def crop_and_network() -> nn.Sequential:
    """Make the same network with weights that are still random."""
    return nn.Sequential(SquareCrop(CROP_CENTER, CROP_SIDE, INPUT_SIZE), DlibResNet()).eval()


def dlib_resnet_file() -> Path:
    """Return the path of dlib's file of weights.

    Raises
    ------
    ImportError
        If the package that carries it is not installed or lacks it.
    """
    return dlib_model_file(_FILE, "The weights of 'dlib-resnet'")


def read_dlib_resnet(path: Path) -> dict[str, torch.Tensor]:
    """Read the state of a `DlibResNet` from dlib's own file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict of str to Tensor
        float32; each affine layer is folded into the convolution before it.

    Raises
    ------
    ValueError
        If the SHA-256 checksum of the file is not that of the release.
    """
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise ValueError(
            f"weights file {str(path)!r} is corrupt: its SHA-256 checksum is not that of the "
            "release. Install face_recognition_models again."
        )
    return dlib_resnet_state(read_dlib_layers(content, str(path)), str(path))


def dlib_resnet_state(layers: list[DlibLayer], path: str) -> dict[str, torch.Tensor]:
    """Turn the layers of dlib's file into the state of a `DlibResNet`.

    Parameters
    ----------
    layers : list of DlibLayer
        Convolution and affine layers in turn, then a matrix.
    path : str
        Name of the file, for messages.

    Returns
    -------
    dict of str to Tensor

    Raises
    ------
    ValueError
        If types or sizes of the layers are not those of this network; the message names the layer.
    """
    with torch.device("meta"):  # for the shapes
        network = DlibResNet()
    shapes = {
        name: tuple(module.weight.shape)
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d)
    }
    expected = ["con_4", "affine_"] * len(shapes) + ["fc_2"]
    if [layer.name for layer in layers] != expected:
        raise ValueError(
            f"weights file {path!r} is not dlib's face recognition network: it has {len(layers)} "
            f"layers with weights, expected {len(shapes)} times a convolution and an affine layer, "
            "then a matrix"
        )
    state = {}
    for i, (name, shape) in enumerate(shapes.items()):
        filters, biases = _split(layers[2 * i], name, math.prod(shape), shape[0], path)
        scales, shifts = _split(layers[2 * i + 1], name, shape[0], shape[0], path)
        state[f"{name}.weight"] = (filters.reshape(shape).T * scales).T
        state[f"{name}.bias"] = biases * scales + shifts
    width, channels = network.project.weight.shape
    matrix, _ = _split(layers[-1], "project", channels * width, 0, path)
    state["project.weight"] = matrix.reshape(channels, width).T
    return {
        key: torch.from_numpy(np.ascontiguousarray(values, np.float32))
        for key, values in state.items()
    }


def _split(
    layer: DlibLayer, name: str, first: int, second: int, path: str
) -> tuple[np.ndarray, np.ndarray]:
    """Split the parameters of a layer in two, in float64 for exact products."""
    if layer.params.size != first + second:
        raise ValueError(
            f"weights file {path!r}: the layer {layer.name!r} of {name!r} has "
            f"{layer.params.size} values, expected {first + second}"
        )
    params = layer.params.astype(np.float64)
    return params[:first], params[first:]
