"""Compute the gradient of the score with respect to the crops, for torch networks."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from sklearn_diffake.inspection._split_pipeline import SplitPipeline, pair_table
from sklearn_diffake.utils._batches import batch_slices
from sklearn_diffake.utils._device import resolve_device

_STEP = 1e-3  # step of central differences, as a fraction of an embedding's root mean square
_ROWS = 2048  # rows per batch
_SMOOTH = 0.02  # sigma of the smoothing of a map, as a fraction of the crop's side


def check_torch(split: SplitPipeline) -> None:
    """Raise an error that names the first embedder without a gradient."""
    if not split.branches:
        raise ValueError(
            'method="gradient" needs a FaceEmbedder as the step that takes the crops: this '
            'pipeline has none. Use method="occlusion".'
        )
    for branch in split.branches:
        if branch.embedder.find_backbone().module is None:
            raise ValueError(
                f'method="gradient" needs a torch network, but backbone='
                f"{branch.embedder.backbone!r} of {branch.name!r} is an .onnx file, which has no "
                'gradient. Use method="occlusion".'
            )


def embedding_gradients(
    split: SplitPipeline, embeddings: Sequence[NDArray]
) -> list[NDArray[np.float64]]:
    """Differentiate the score of one pair with respect to its embeddings.

    By central differences in float64, which works with every operator and detector.

    Parameters
    ----------
    split : SplitPipeline
    embeddings : list of ndarray of shape (1, 2, d)
        One for each branch.

    Returns
    -------
    list of ndarray of shape (2, d), float64
    """
    points = [np.asarray(e, dtype=np.float64) for e in embeddings]
    fixed = [branch.features(e) for branch, e in zip(split.branches, points, strict=True)]
    slopes = []
    for i, (branch, point) in enumerate(zip(split.branches, points, strict=True)):
        step = _STEP * (np.sqrt(np.square(point).mean()) or 1.0)
        slope = np.empty(point.size)
        for batch in batch_slices(point.size, _ROWS // 2):
            positions = np.arange(batch.start, batch.stop)
            shifted = np.repeat(point, 2 * len(positions), axis=0)
            flat = shifted.reshape(len(shifted), -1)
            flat[np.arange(len(positions)), positions] += step
            flat[len(positions) + np.arange(len(positions)), positions] -= step
            features = [np.repeat(np.asarray(f), len(shifted), axis=0) for f in fixed]
            features[i] = branch.features(shifted)
            up, down = split.score(split.join(features)).reshape(2, -1)
            slope[positions] = (up - down) / (2 * step)
        slopes.append(slope.reshape(point.shape[1:]))
    return slopes


class Network(NamedTuple):
    """The torch module of a branch on its device, and its declared input."""

    module: Any
    mean: Any
    std: Any
    input_size: tuple[int, int]
    device: str


def networks_of(split: SplitPipeline) -> list[Network]:
    """Return the networks of all branches on their devices, in float32."""
    networks = []
    for branch in split.branches:
        backbone, device = branch.embedder.find_backbone(), resolve_device(branch.embedder.device)
        module = backbone.module
        if device != "cpu":
            module = copy.deepcopy(module).to(device)
        mean, std = (
            torch.tensor(values, dtype=torch.float32, device=device).view(1, 3, 1, 1)
            for values in (backbone.mean, backbone.std)
        )
        networks.append(Network(module, mean, std, backbone.input_size, device))
    return networks


def crop_gradients(
    networks: Sequence[Network],
    crops: Sequence[NDArray[np.uint8]],
    slopes: Sequence[NDArray[np.float64]],
    noise: Sequence[NDArray[np.float32]] | None = None,
) -> list[NDArray[np.float32]]:
    """Backpropagate gradients of the score from the embeddings to the crops.

    Parameters
    ----------
    networks : list of Network
    crops : two ndarrays of shape (h, w, 3), uint8
    slopes : list of ndarray of shape (2, d)
        From `embedding_gradients`, one for each network.
    noise : two ndarrays of shape (h, w, 3), float32, default=None
        Added to the crops with levels from 0 to 1.

    Returns
    -------
    two ndarrays of shape (h, w, 3), float32
        Rise of the score for each RGB value in [0, 1].
    """
    gradients = []
    for k, crop in enumerate(crops):
        total = np.zeros(crop.shape, dtype=np.float32)
        image = crop / np.float32(255) + (0 if noise is None else noise[k])
        for network, slope in zip(networks, slopes, strict=True):
            if slope[k].any():  # an operator may ignore one of the photographs
                total += _back(network, image, slope[k])
        gradients.append(total)
    return gradients


def _back(network: Network, image: NDArray, slope: NDArray) -> NDArray[np.float32]:
    """Return the gradient of ``slope @ network(image)`` with respect to the image."""
    x = torch.from_numpy(np.ascontiguousarray(image, dtype=np.float32)).to(network.device)
    x = x.permute(2, 0, 1)[None].requires_grad_(True)
    with torch.enable_grad():
        y = network.module((_resized(x, network.input_size) - network.mean) / network.std)
        value = y[0] @ torch.as_tensor(slope, dtype=y.dtype, device=network.device)
    (gradient,) = torch.autograd.grad(value, x)
    return gradient[0].permute(1, 2, 0).cpu().numpy()


def _resized(x: Any, size: tuple[int, int]) -> Any:
    """Resize as `FaceEmbedder` does, but without rounding to whole levels."""
    if tuple(x.shape[2:]) == size:
        return x
    return torch.nn.functional.interpolate(
        x, size, mode="bilinear", antialias=True, align_corners=False
    )


def gradient_maps(
    split: SplitPipeline,
    crops: Sequence[NDArray[np.uint8]],
    *,
    n_smooth: int,
    noise: float,
    rng: Any,
    bar: Any,
) -> list[NDArray[np.float64]]:
    """Map the sensitivity of the score to each pixel of the reference and of the probe.

    The squared length of the gradient with respect to the color of a pixel, averaged over noisy
    copies of the crops.
    """
    slopes = embedding_gradients(split, split.embed(pair_table([(crops[0], crops[1])])))
    networks = networks_of(split)
    maps = [np.zeros(crop.shape[:2]) for crop in crops]
    for _ in range(n_smooth):
        added = [rng.normal(scale=noise, size=crop.shape).astype(np.float32) for crop in crops]
        gradients = crop_gradients(networks, crops, slopes, added)
        for total, gradient in zip(maps, gradients, strict=True):
            total += np.square(gradient, dtype=np.float64).sum(axis=2) / n_smooth
        bar.update(1)
    return [gaussian_filter(m, _SMOOTH * min(m.shape), mode="nearest") for m in maps]
