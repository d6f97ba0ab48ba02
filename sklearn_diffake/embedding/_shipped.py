"""Backbones that come with the package, trained by its own scripts. Loads torch."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import nn

from ._backbones import SHA256, SHIPPED, SIZE, Backbone, shipped_file
from ._torch import (
    HEAD,
    LITE0_NORMALISATION,
    Weights,
    lite0_module,
    load_state,
    read_weights,
    torch_backbone,
)

_FORGERY_SIZE = 128
_ARCFACE_SIDE, _IDENTITY_WIDTH = 112, 128
_LICENCE = "BSD-3-Clause; trained on Labeled Faces in the Wild, whose own terms apply"


def shipped_backbone(name: str, weights: Weights) -> Backbone:
    """Build a backbone that comes with the package, with its own weights or with others."""
    module: Any = lite0_module()
    size = _FORGERY_SIZE
    if name == "difffake-lite0-identity":
        module, size = identity_module(_IDENTITY_WIDTH), SIZE
    source = weights or _whole_file(name)
    verdict = name == "difffake-lite0-verdict"
    if verdict:
        module.add_module(HEAD.rstrip("."), nn.Linear(module.num_features, 1))
        module.register_forward_hook(_judge)
    load_state(module, read_weights(source, head=verdict), name, source)
    return torch_backbone(
        name, module, input_size=(size, size), licence=_LICENCE, **LITE0_NORMALISATION
    )


def _whole_file(name: str) -> str:
    """Return the path of the weights of a backbone of the package, if they are as they came."""
    path = shipped_file(name)
    with open(path, "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != SHA256[SHIPPED[name]]:
            raise ValueError(
                f"weights file {path!r} is damaged: its checksum is not that of the release. "
                "Install sklearn-diffake again."
            )
    return path


def identity_module(width: int) -> nn.Sequential:
    """Make the network of the identity backbone: lite0 on the ArcFace crop, and a linear layer.

    The last feature map is not averaged but laid flat: where something is in a face tells who it
    is. The layers between it and lite0's classifier are left out.
    """
    lite0 = lite0_module()
    module = nn.Sequential()
    module.add_module("crop", CentreCrop(_ARCFACE_SIDE))
    for name in ("conv_stem", "bn1", "blocks"):
        module.add_module(name, getattr(lite0, name))
    channels, side = lite0.conv_head.in_channels, -(-_ARCFACE_SIDE // 32)
    module.add_module("norm", nn.BatchNorm2d(channels))
    module.add_module("flat", nn.Flatten())
    module.add_module("project", nn.Linear(channels * side * side, width, bias=False))
    return module


def _judge(module: Any, inputs: Any, features: torch.Tensor) -> torch.Tensor:
    """Return the logit of being a pseudo-deepfake, of shape (b, 1), for features (b, 1280)."""
    return -module.forgery_head(features)


class CentreCrop(nn.Module):
    """Cut a square out of the middle of images.

    Parameters
    ----------
    side : int
        Its side in pixels.
    """

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the middle of images of shape (b, 3, H, W)."""
        top, left = ((extent - self.side) // 2 for extent in images.shape[2:])
        return images[..., top : top + self.side, left : left + self.side]
