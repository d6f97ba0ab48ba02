"""The gradient of the score with respect to the crops, for networks of torch. Loads torch."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ..utils._device import resolve_device
from ._parts import Parts, pair_table

_STEP = 1e-3  # of central differences, as a share of an embedding's root mean square
_ROWS = 2048  # scored at once
_SMOOTH = 0.02  # sigma with which a map is smoothed, as a share of the crop's side


def check_torch(parts: Parts) -> None:
    """Raise an error that names the first embedder whose gradient is not to be had."""
    if not parts.branches:
        raise ValueError(
            'method="gradient" needs a FaceEmbedder as the step that takes the crops: this '
            'pipeline has none. Use method="occlusion".'
        )
    for branch in parts.branches:
        if branch.embedder.find_backbone().module is None:
            raise ValueError(
                f'method="gradient" needs a torch network, but backbone='
                f"{branch.embedder.backbone!r} of {branch.name!r} is an .onnx file, which has no "
                'gradient. Use method="occlusion".'
            )


def embedding_gradients(parts: Parts, embeddings: Sequence[NDArray]) -> list[NDArray[np.float64]]:
    """Differentiate the score of one pair with respect to its embeddings.

    By central differences in float64: this goes through every operator and every head.

    Parameters
    ----------
    parts : Parts
    embeddings : list of ndarray of shape (1, 2, d)
        One for each branch.

    Returns
    -------
    list of ndarray of shape (2, d), float64
    """
    points = [np.asarray(e, dtype=np.float64) for e in embeddings]
    fixed = [branch.features(e) for branch, e in zip(parts.branches, points, strict=True)]
    found = []
    for i, (branch, point) in enumerate(zip(parts.branches, points, strict=True)):
        step = _STEP * (np.sqrt(np.square(point).mean()) or 1.0)
        slope = np.empty(point.size)
        for start in range(0, point.size, _ROWS // 2):
            places = np.arange(start, min(start + _ROWS // 2, point.size))
            moved = np.repeat(point, 2 * len(places), axis=0)
            flat = moved.reshape(len(moved), -1)
            flat[np.arange(len(places)), places] += step
            flat[len(places) + np.arange(len(places)), places] -= step
            features = [np.repeat(np.asarray(f), len(moved), axis=0) for f in fixed]
            features[i] = branch.features(moved)
            up, down = parts.score(parts.join(features)).reshape(2, -1)
            slope[places] = (up - down) / (2 * step)
        found.append(slope.reshape(point.shape[1:]))
    return found


class Network(NamedTuple):
    """The torch module of a branch on its device, and what it declares."""

    module: Any
    mean: Any
    std: Any
    input_size: tuple[int, int]
    device: str


def networks_of(parts: Parts) -> list[Network]:
    """Put the networks of all branches on their devices, in float32."""
    found = []
    for branch in parts.branches:
        backbone, device = branch.embedder.find_backbone(), resolve_device(branch.embedder.device)
        module = backbone.module
        if device != "cpu":
            module = copy.deepcopy(module).to(device)
        mean, std = (
            torch.tensor(values, dtype=torch.float32, device=device).view(1, 3, 1, 1)
            for values in (backbone.mean, backbone.std)
        )
        found.append(Network(module, mean, std, backbone.input_size, device))
    return found


def crop_gradients(
    networks: Sequence[Network],
    crops: Sequence[NDArray[np.uint8]],
    slopes: Sequence[NDArray[np.float64]],
    noise: Sequence[NDArray[np.float32]] | None = None,
) -> list[NDArray[np.float32]]:
    """Carry slopes of the score by the embeddings back to the crops.

    Parameters
    ----------
    networks : list of Network
    crops : two ndarrays of shape (h, w, 3), uint8
    slopes : list of ndarray of shape (2, d)
        From `embedding_gradients`, one for each network.
    noise : two ndarrays of shape (h, w, 3), float32, default=None
        Added to the crops, whose levels count from 0 to 1.

    Returns
    -------
    two ndarrays of shape (h, w, 3), float32
        Rise of the score for each RGB value in [0, 1].
    """
    found = []
    for k, crop in enumerate(crops):
        total = np.zeros(crop.shape, dtype=np.float32)
        image = crop / np.float32(255) + (0 if noise is None else noise[k])
        for network, slope in zip(networks, slopes, strict=True):
            if slope[k].any():  # an operator may leave one of the photographs out
                total += _back(network, image, slope[k])
        found.append(total)
    return found


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
    parts: Parts,
    crops: Sequence[NDArray[np.uint8]],
    *,
    n_smooth: int,
    noise: float,
    rng: Any,
    bar: Any,
) -> list[NDArray[np.float64]]:
    """Map how much the score depends on each pixel of the reference and of the probe.

    The squared length of the gradient of every pixel's colour, averaged over copies of the crops
    with noise.
    """
    slopes = embedding_gradients(parts, parts.embed(pair_table([(crops[0], crops[1])])))
    networks = networks_of(parts)
    maps = [np.zeros(crop.shape[:2]) for crop in crops]
    for _ in range(n_smooth):
        added = [rng.normal(scale=noise, size=crop.shape).astype(np.float32) for crop in crops]
        gradients = crop_gradients(networks, crops, slopes, added)
        for total, gradient in zip(maps, gradients, strict=True):
            total += np.square(gradient, dtype=np.float64).sum(axis=2) / n_smooth
        bar.update(1)
    return [gaussian_filter(m, _SMOOTH * min(m.shape), mode="nearest") for m in maps]
