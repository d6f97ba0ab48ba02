"""The modules of the networks that come with the package. Loads torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from ._lite0 import lite0_module
from ._torch_weights import HEAD

_ARCFACE_SIDE, _IDENTITY_WIDTH = 112, 128


def forgery_module(*, verdict: bool) -> Any:
    """Make the forgery network, for its features or for the logit of its classifier."""
    module = lite0_module()
    if verdict:
        module.add_module(HEAD.rstrip("."), nn.Linear(module.num_features, 1))
        module.register_forward_hook(_judge)
    return module


def identity_module(width: int = _IDENTITY_WIDTH) -> nn.Sequential:
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
