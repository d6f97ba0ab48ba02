"""Steps of a pipeline as torch modules that compute the same numbers, for ONNX. Loads torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_diffake.embedding import FaceEmbedder
from sklearn_diffake.embedding.backbones._base import ONE_SCALE
from sklearn_diffake.embedding.backbones._views import border
from sklearn_diffake.novelty import ConformalDetector, MahalanobisDetector, SumRuleDetector
from sklearn_diffake.pairs import DifferenceScaler, PairDifference
from sklearn_diffake.pairs._difference import UNSCALED

_ONE = 2.0**22  # as Pillow's resampling of 8-bit images has it


def _constant(values: Any) -> torch.Tensor:
    return torch.tensor(np.asarray(values, dtype=np.float64))


class EmbedderModule(nn.Module):
    """Embed uint8 crops (n, 2, H, W, 3) as `FaceEmbedder` does, in float32.

    Parameters
    ----------
    embedder : FaceEmbedder
        Fitted.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, embedder: FaceEmbedder) -> None:
        super().__init__()
        backbone = embedder.find_backbone()
        if backbone.module is None:
            raise TypeError(
                f"backbone={embedder.backbone!r} cannot be exported: only networks of torch can"
            )
        self.network = backbone.module
        self.mirror = backbone.mirror
        self.views = nn.ModuleList(
            TighterView(backbone.input_size, scale) if scale != 1 else nn.Identity()
            for scale in backbone.scales
        )
        if self.mirror or backbone.scales != ONE_SCALE:  # a module that averages over views
            self.network = backbone.module.network
        for name in ("mean", "std"):
            values = torch.tensor(getattr(backbone, name)) * 255
            self.register_buffer(name, values.reshape(1, 3, 1, 1), persistent=False)

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """Return embeddings (n, 2, d)."""
        images = crops.flatten(0, 1).permute(0, 3, 1, 2).float()
        embeddings = []
        for view in self.views:
            image = (view(images) - self.mean) / self.std
            embeddings.append(self.network(image))
            if self.mirror:
                embeddings.append(self.network(image.flip(3)))
        mean = torch.stack(embeddings).mean(0)
        return mean.reshape(-1, 2, mean.shape[1])


class TighterView(nn.Module):
    """Cut the middle out of images, and resize it to their size as Pillow does, with its rounding.

    Parameters
    ----------
    size : tuple of int
        Height and width of the images.
    scale : float
        Side of the middle, as a fraction.
    """

    rows: torch.Tensor
    columns: torch.Tensor

    def __init__(self, size: tuple[int, int], scale: float) -> None:
        super().__init__()
        self.borders = [border(side, scale) for side in size]
        for name, side, cut in zip(("rows", "columns"), size, self.borders, strict=True):
            self.register_buffer(name, _bilinear(side - 2 * cut, side), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return images (b, 3, H, W) whose values are whole numbers."""
        y, x = self.borders
        height, width = self.rows.shape[0], self.columns.shape[0]
        middle = images[:, :, y : height - y, x : width - x].double()
        wide = torch.floor((middle @ self.columns.T) / _ONE + 0.5)
        return torch.floor((self.rows @ wide) / _ONE + 0.5).float()


def _bilinear(n_in: int, n_out: int) -> torch.Tensor:
    """Return the matrix (n_out, n_in) that enlarges a row bilinearly, in units of 1 / `_ONE`.

    Pillow computes with whole numbers. Many values lie in the middle between two gray levels, where
    the rounding of the weights decides.
    """
    centers = (np.arange(n_out) + 0.5) * n_in / n_out - 0.5
    weights = np.maximum(1 - np.abs(centers[:, np.newaxis] - np.arange(n_in)), 0)
    weights /= weights.sum(axis=1, keepdims=True)
    return torch.tensor(np.floor(weights * _ONE + 0.5))


def _unit(rows: torch.Tensor) -> torch.Tensor:
    lengths = torch.sqrt((rows * rows).sum(1, keepdim=True))
    return rows / torch.where(lengths == 0, torch.ones_like(lengths), lengths)


_OPERATORS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "absolute": lambda first, second: (first - second).abs(),
    "subtract": lambda first, second: first - second,
    "squared": lambda first, second: (first - second) ** 2,
    "cubed": lambda first, second: (first - second) ** 3,
    "concat": lambda first, second: torch.cat([first, second], 1),
    "hadamard": lambda first, second: first * second,
    "cosine": lambda first, second: 1 - (_unit(first) * _unit(second)).sum(1, keepdim=True),
    "probe": lambda first, second: second,
}


class DifferenceModule(nn.Module):
    """Compute what `PairDifference` does, in float64."""

    def __init__(self, difference: PairDifference) -> None:
        super().__init__()
        self.operator = difference.operator
        self.normalize = None if self.operator in UNSCALED else difference.normalize

    def forward(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Return differences (n, k)."""
        first, second = embeddings.double().unbind(1)
        if self.normalize in ("embeddings", "both"):
            first, second = _unit(first), _unit(second)
        rows = _OPERATORS[self.operator](first, second)
        return _unit(rows) if self.normalize in ("difference", "both") else rows


class AffineModule(nn.Module):
    """Subtract a vector and multiply by a matrix, or by a vector element by element."""

    mean: torch.Tensor
    factor: torch.Tensor

    def __init__(self, mean: Any, factor: Any) -> None:
        super().__init__()
        self.register_buffer("mean", _constant(mean), persistent=False)
        self.register_buffer("factor", _constant(factor), persistent=False)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return rows (n, k)."""
        centered = rows.double() - self.mean
        return centered @ self.factor if self.factor.ndim == 2 else centered * self.factor


class MahalanobisModule(AffineModule):
    """Return minus the squared distance from the genuine mean."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return scores (n,)."""
        white = super().forward(rows)
        return -(white * white).sum(1)


class SumModule(nn.Module):
    """Return minus the sum of the columns."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return scores (n,)."""
        return -rows.double().sum(1)


def step_module(name: str, step: Any) -> nn.Module:
    """Return a module that computes what a fitted step of a pipeline does.

    Parameters
    ----------
    name : str
        Name of the step, for messages.
    step : estimator
        Fitted.

    Returns
    -------
    Module

    Raises
    ------
    TypeError
        If there is none for this step.
    """
    if isinstance(step, ConformalDetector):
        if len(step.detectors_) > 1:
            raise TypeError(f"step {name!r} cannot be exported: it holds several detectors (cv+)")
        step = step.detectors_[0]
    make = next((make for kind, make in _MODULES.items() if isinstance(step, kind)), None)
    if make is None:
        kinds = ", ".join(kind.__name__ for kind in _MODULES)
        raise TypeError(
            f"step {name!r} cannot be exported: it must be one of {kinds} or a ConformalDetector "
            f"of one of them, got {type(step).__name__}. Export the steps before it."
        )
    return make(step)


def _scaler(step: StandardScaler) -> nn.Module:
    n_features = step.n_features_in_
    mean = step.mean_ if step.with_mean else np.zeros(n_features)
    return AffineModule(mean, 1 / step.scale_ if step.with_std else np.ones(n_features))


def _pca(step: PCA) -> nn.Module:
    lengths = np.sqrt(step.explained_variance_) if step.whiten else 1.0
    return AffineModule(step.mean_, step.components_.T / lengths)


def _difference_scaler(step: DifferenceScaler) -> nn.Module:
    if step.components_ is None:
        return AffineModule(step.mean_, np.full(len(step.mean_), 1 / step.scale_))
    return AffineModule(step.mean_, step.components_.T / step.scale_)


_MODULES: dict[type, Callable[[Any], nn.Module]] = {
    FaceEmbedder: EmbedderModule,
    PairDifference: DifferenceModule,
    DifferenceScaler: _difference_scaler,
    StandardScaler: _scaler,
    PCA: _pca,
    MahalanobisDetector: lambda step: MahalanobisModule(step.location_, step.whitening_),
    SumRuleDetector: lambda step: SumModule(),
}
