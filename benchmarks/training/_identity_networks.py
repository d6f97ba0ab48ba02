"""The networks of train_identity.py: two teachers and three students.

All take aligned faces, RGB between 0 and 255 of shape (b, 3, 160, 160), as
``FaceAligner(160, margin=0.2)`` makes them, and cut out of them what they need.
"""

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from sklearn_diffake.embedding.backbones._dlib import DLIB_RESNET
from sklearn_diffake.embedding.backbones.networks import _dlib_resnet as dlib_resnet
from sklearn_diffake.embedding.backbones.networks._crop_layers import SquareCrop

WIDTH = 128  # of the embedding of each teacher
ARCFACE_SIZE = 112
ARCFACE_SIDE = 160 / 1.4  # of the ArcFace crop in an aligned face with a margin of 0.2
STUDENT_MARGIN = 0.05  # around it, in shares of its side: dlib's crop reaches farther down
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
SYMMETRIC = ((0.5,) * 3, (0.5,) * 3)
DLIB = (DLIB_RESNET.mean, DLIB_RESNET.std)


class Normalization(nn.Module):
    """Subtract a mean and divide by a standard deviation, both given for values in [0, 1]."""

    def __init__(self, mean, std):
        super().__init__()
        self.register_buffer("mean", 255 * torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, images):
        return (images - self.mean) / self.std


class UnitHalves(nn.Module):
    """Scale both halves of each vector to the length sqrt(1/2), hence the vector to length 1."""

    def forward(self, vectors):
        halves = vectors.float().unflatten(1, (2, -1))
        return functional.normalize(halves, dim=2, eps=1e-6).flatten(1) * 0.5**0.5


def convolution(channels, out_channels, size, *, stride=1, padding=None, groups=1, norm=True):
    """Return a convolution with batch normalization, or with biases instead."""
    padding = size // 2 if padding is None else padding
    layer = nn.Conv2d(channels, out_channels, size, stride, padding, groups=groups, bias=not norm)
    return nn.Sequential(layer, nn.BatchNorm2d(out_channels)) if norm else layer


class InvertedResidual(nn.Module):
    """Pointwise, depthwise and pointwise convolution; Sandler et al., CVPR 2018."""

    def __init__(self, channels, out_channels, stride, expansion, norm):
        super().__init__()
        inner = channels * expansion
        self.shortcut = stride == 1 and channels == out_channels
        self.layers = nn.Sequential(
            convolution(channels, inner, 1, norm=norm),
            nn.ReLU6(),
            convolution(inner, inner, 3, stride=stride, groups=inner, norm=norm),
            nn.ReLU6(),
            convolution(inner, out_channels, 1, norm=norm),
        )

    def forward(self, x):
        y = self.layers(x)
        return x + y if self.shortcut else y


class MobileFaceNet(nn.Module):
    """Chen et al., "MobileFaceNets", CCBR 2018: its last map of 7 x 7 is read out place by place.

    Parameters
    ----------
    width : int
        Length of the output.
    norm : bool
        With batch normalization; without it the convolutions have biases.
    """

    STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))

    def __init__(self, width, norm=True):
        super().__init__()
        channels = 64
        layers = [
            convolution(3, channels, 3, stride=2, norm=norm),
            nn.ReLU6(),
            convolution(channels, channels, 3, groups=channels, norm=norm),
            nn.ReLU(),
            convolution(channels, channels, 1, norm=norm),
            nn.ReLU(),
        ]
        for expansion, out_channels, n_blocks, stride in self.STAGES:
            for i in range(n_blocks):
                first = stride if i == 0 else 1
                layers.append(InvertedResidual(channels, out_channels, first, expansion, norm))
                channels = out_channels
        self.layers = nn.Sequential(*layers)
        self.read_out = read_out(channels, width, norm)

    def forward(self, images):
        return self.read_out(self.layers(images))


def read_out(channels, width, norm=True):
    """Return the layers that turn a map of 7 x 7 into a vector: a weight for each place."""
    return nn.Sequential(
        convolution(channels, 512, 1, norm=norm),
        nn.ReLU6(),
        convolution(512, 512, 7, padding=0, groups=512, norm=norm),
        convolution(512, width, 1, norm=norm),
        nn.Flatten(),
    )


class ResidualBlock(nn.Module):
    """Two convolutions and a shortcut; He et al., CVPR 2016."""

    def __init__(self, channels, out_channels, stride):
        super().__init__()
        self.layers = nn.Sequential(
            convolution(channels, out_channels, 3, stride=stride),
            nn.ReLU(),
            convolution(out_channels, out_channels, 3),
        )
        nn.init.zeros_(self.layers[-1][1].weight)
        self.shortcut = nn.Identity()
        if stride > 1 or channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride, stride), convolution(channels, out_channels, 1)
            )

    def forward(self, x):
        return functional.relu(self.shortcut(x) + self.layers(x))


class ResidualFaceNet(nn.Module):
    """A small residual network with the read-out of MobileFaceNet."""

    STAGES = ((64, 2), (128, 3), (256, 3))

    def __init__(self, width):
        super().__init__()
        channels = 32
        layers = [convolution(3, channels, 3, stride=2), nn.ReLU()]
        for out_channels, n_blocks in self.STAGES:
            for i in range(n_blocks):
                layers.append(ResidualBlock(channels, out_channels, 2 if i == 0 else 1))
                channels = out_channels
        self.layers = nn.Sequential(*layers)
        self.read_out = read_out(channels, width)

    def forward(self, images):
        return self.read_out(self.layers(images))


def arcface_crop(margin=0.0):
    return SquareCrop((80.0, 80.0), ARCFACE_SIDE * (1 + 2 * margin), ARCFACE_SIZE)


def dlib_crop():
    return SquareCrop(dlib_resnet.CROP_CENTER, dlib_resnet.CROP_SIDE, dlib_resnet.INPUT_SIZE)


class FaceNetwork(nn.Module):
    """Crop, normalization and network; only the network is trained, and saved.

    Crop and normalization are computed in float32, the network in what autocast says.
    """

    def __init__(self, crop, normalization, network, *, unit_halves=False):
        super().__init__()
        self.prepare = nn.Sequential(crop, Normalization(*normalization))
        self.network = network
        self.finish = UnitHalves() if unit_halves else nn.Identity()

    def forward(self, faces):
        with torch.autocast(faces.device.type, enabled=False):
            images = self.prepare(faces)
        return self.finish(self.network(images))


def teachers(folder):
    """Return the teachers, dlib's network and MobileFaceNet, from the files of a folder."""
    dlib, mobile = dlib_resnet.DlibResNet(), MobileFaceNet(WIDTH, norm=False)
    dlib.load_state_dict(weights(folder / "dlib.safetensors"))
    mobile.load_state_dict(weights(folder / "mobilefacenet.safetensors"))
    networks = (
        FaceNetwork(dlib_crop(), DLIB, dlib),
        FaceNetwork(arcface_crop(), IMAGENET, mobile),
    )
    return [network.eval().requires_grad_(False) for network in networks]


def weights(file):
    """Return the tensors of a file in float32."""
    return {name: tensor.float() for name, tensor in load_file(file).items()}


def students():
    """Return the untrained students by name."""
    dlib = dlib_resnet.DlibResNet(2 * WIDTH, bias=True)
    crop = arcface_crop(STUDENT_MARGIN)
    return {
        "mobile": FaceNetwork(crop, SYMMETRIC, MobileFaceNet(2 * WIDTH), unit_halves=True),
        "residual": FaceNetwork(crop, SYMMETRIC, ResidualFaceNet(2 * WIDTH), unit_halves=True),
        "dlib": FaceNetwork(dlib_crop(), DLIB, dlib, unit_halves=True),
    }
