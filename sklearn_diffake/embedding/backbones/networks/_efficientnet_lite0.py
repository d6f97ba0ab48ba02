"""EfficientNet-Lite0 in plain torch: timm, which has it too, takes seconds to import."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

# Stages as (blocks, expansion, size of the kernel, stride of the first block, channels), of Table 1
# of Tan and Le, "EfficientNet", ICML 2019; Lite0 has no squeeze-and-excitation, and ReLU6.
_STAGES = (
    (1, 1, 3, 1, 16),
    (2, 6, 3, 2, 24),
    (2, 6, 5, 2, 40),
    (3, 6, 3, 2, 80),
    (3, 6, 5, 1, 112),
    (4, 6, 5, 2, 192),
    (1, 6, 3, 1, 320),
)
_STEM, _WIDTH = 32, 1280
_EPSILON = 1e-3  # of batch norms, as TensorFlow's networks have it


class EfficientNetLite0(nn.Module):
    """The network without its classifier; tensors are named as in timm's ``tf_efficientnet_lite0``.

    Attributes
    ----------
    num_features : int
        Length of the embedding.
    """

    num_features = _WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = _conv(3, _STEM, 3, stride=2)
        self.bn1 = _Norm(_STEM)
        stages, channels = [], _STEM
        for n_blocks, expansion, kernel, stride, width in _STAGES:
            blocks: list[nn.Module] = []
            for i in range(n_blocks):
                make = _Block if expansion == 1 else _ExpandingBlock
                blocks.append(make(channels, width, kernel, stride if i == 0 else 1, expansion))
                channels = width
            stages.append(nn.Sequential(*blocks))
        self.blocks = nn.Sequential(*stages)
        self.conv_head = _conv(channels, _WIDTH, 1)
        self.bn2 = _Norm(_WIDTH)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Embed images of shape (b, 3, H, W) as (b, 1280)."""
        maps = self.blocks(self.bn1(self.conv_stem(images)))
        maps = self.bn2(self.conv_head(maps))
        return functional.adaptive_avg_pool2d(maps, 1).flatten(1)


class _Norm(nn.BatchNorm2d):
    """Batch norm, then ReLU6 or nothing."""

    def __init__(self, channels: int, *, activation: bool = True) -> None:
        super().__init__(channels, eps=_EPSILON)
        self.activation = activation

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        maps = super().forward(maps)
        return functional.relu6(maps, inplace=True) if self.activation else maps


class _StridedConv(nn.Conv2d):
    """A convolution padded as TensorFlow does: by what the size needs, more at right and bottom."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        padding: list[int] = []
        for size, kernel, stride in zip(
            maps.shape[:-3:-1], self.kernel_size[::-1], self.stride[::-1], strict=True
        ):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            padding += [total // 2, total - total // 2]
        return super().forward(functional.pad(maps, padding))


def _conv(channels: int, width: int, kernel: int, *, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    options: dict[str, Any] = {"stride": stride, "groups": groups, "bias": False}
    if stride > 1:
        return _StridedConv(channels, width, kernel, **options)
    return nn.Conv2d(channels, width, kernel, padding=kernel // 2, **options)


class _Block(nn.Module):
    """A depthwise convolution, then one of single pixels."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int, _: int) -> None:
        super().__init__()
        self.conv_dw = _conv(channels, channels, kernel, stride=stride, groups=channels)
        self.bn1 = _Norm(channels)
        self.conv_pw = _conv(channels, width, 1)
        self.bn2 = _Norm(width, activation=False)
        self.is_residual = stride == 1 and channels == width

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        narrow = self.bn2(self.conv_pw(self.bn1(self.conv_dw(maps))))
        return narrow + maps if self.is_residual else narrow


class _ExpandingBlock(nn.Module):
    """The inverted residual block of MobileNetV2: widen, convolve each channel, narrow."""

    def __init__(self, channels: int, width: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = channels * expansion
        self.conv_pw = _conv(channels, inner, 1)
        self.bn1 = _Norm(inner)
        self.conv_dw = _conv(inner, inner, kernel, stride=stride, groups=inner)
        self.bn2 = _Norm(inner)
        self.conv_pwl = _conv(inner, width, 1)
        self.bn3 = _Norm(width, activation=False)
        self.is_residual = stride == 1 and channels == width

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        wide = self.bn2(self.conv_dw(self.bn1(self.conv_pw(maps))))
        narrow = self.bn3(self.conv_pwl(wide))
        return narrow + maps if self.is_residual else narrow
