"""Networks of the package: EfficientNet-Lite0 with a classifier, and on a smaller crop."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from sklearn_diffake.embedding.backbones._weights import CLASSIFIER_PREFIX
from sklearn_diffake.embedding.backbones.networks._crop_layers import CenterCrop
from sklearn_diffake.embedding.backbones.networks._efficientnet_lite0 import EfficientNetLite0

_ARCFACE_SIDE, _IDENTITY_WIDTH = 112, 128


def forgery_module(*, verdict: bool) -> Any:
    """Make the forgery network, for its features or for the logit of its classifier."""
    module = EfficientNetLite0()
    if verdict:
        module.add_module(CLASSIFIER_PREFIX.rstrip("."), nn.Linear(module.num_features, 1))
        module.register_forward_hook(_forgery_logit)
    return module


def identity_module(width: int = _IDENTITY_WIDTH) -> nn.Sequential:
    """Make the network of the identity backbone: lite0 on the ArcFace crop, and a linear layer.

    The last feature map is flattened, not averaged, because the position of a feature in the face
    is part of the identity. The layers between it and lite0's classifier are omitted.
    """
    lite0 = EfficientNetLite0()
    module = nn.Sequential()
    module.add_module("crop", CenterCrop(_ARCFACE_SIDE))
    for name in ("conv_stem", "bn1", "blocks"):
        module.add_module(name, getattr(lite0, name))
    channels, side = lite0.conv_head.in_channels, -(-_ARCFACE_SIDE // 32)
    module.add_module("norm", nn.BatchNorm2d(channels))
    module.add_module("flat", nn.Flatten())
    module.add_module("project", nn.Linear(channels * side * side, width, bias=False))
    return module


def _forgery_logit(module: Any, inputs: Any, features: torch.Tensor) -> torch.Tensor:
    """Return the logit of being a pseudo-deepfake, of shape (b, 1), for features (b, 1280)."""
    return -module.forgery_head(features)
