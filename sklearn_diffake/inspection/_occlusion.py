"""Hide one place after another, and see what becomes of the score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Crop = NDArray[np.uint8]
Map = NDArray[np.float64]

#: The maps that `occlusion_maps` makes.
METHODS = ("joint occlusion", "occlusion")
#: Sides of the squares that are hidden, and their step, as fractions of the crop and of a square.
PATCHES, STRIDE = (0.15, 0.225), 0.75
_MEMORY = 128 * 2**20  # bytes of hidden crops held at a time
_BLUR = 0.5  # sigma of the fill "blur", as a share of the patch


def grid_side(patch: float, stride: float) -> int:
    """Return how many places a patch takes along one side of a crop."""
    return max(1, round(1 / (patch * stride)))


def occlusion_maps(
    score: Callable[[Sequence[tuple[Crop, Crop]]], NDArray[np.float64]],
    crops: Sequence[Crop],
    *,
    patches: Sequence[float],
    stride: float,
    fill: str,
    batch_size: int,
    bar: Any,
) -> dict[str, list[Map]]:
    """Map by how much the score rises when a place is hidden.

    Parameters
    ----------
    score : callable
        Takes n pairs of crops, returns n scores.
    crops : two ndarrays of shape (h, w, 3), uint8
        Reference and probe; their sizes may differ.
    patches : sequence of float
        Sides of the squares that are hidden, as shares of the crop's side; the maps of several
        are averaged.
    stride : float
        Step from one place to the next, as a share of the patch.
    fill : {"mean", "blur"}
        What is seen in place of what is hidden.
    batch_size : int
        Crops embedded together.
    bar : tqdm.tqdm
        Moved on by the number of places done.

    Returns
    -------
    dict of str to list of ndarray of shape (h, w), float64
        Each for the reference and for the probe. ``"joint occlusion"``: the same place of the
        crop is hidden in both; less what this does where the reference is compared with itself.
        ``"occlusion"``: the place is hidden in this photograph alone.
    """
    reference, probe = crops
    whole, itself = score([(reference, probe), (reference, reference)])
    maps = {name: [np.zeros(crop.shape[:2]) for crop in crops] for name in METHODS}
    for patch in patches:
        side = grid_side(patch, stride)
        scores = _hidden_scores(score, crops, patch, side, fill, batch_size, bar)
        joint = (scores[:, 2] - whole) - (scores[:, 3] - itself)
        for k, crop in enumerate(crops):
            for name, rises in zip(METHODS, (joint, scores[:, k] - whole), strict=True):
                grid = rises.reshape(side, side)
                maps[name][k] += _enlarge(grid, crop.shape[:2]) / len(patches)
    return maps


def _hidden_scores(
    score: Callable[..., NDArray[np.float64]],
    crops: Sequence[Crop],
    patch: float,
    side: int,
    fill: str,
    batch_size: int,
    bar: Any,
) -> NDArray[np.float64]:
    """Score with every place hidden, of shape (places, 4).

    In the reference, in the probe, in both, and in both of a pair of twice the reference.
    """
    filled = [_fill(crop, fill, patch) for crop in crops]
    size = sum(crop.nbytes for crop in crops)
    step = max(1, min(batch_size // 2, _MEMORY // size))  # two crops a place are new
    found = []
    for start in range(0, side * side, step):
        pairs = []
        for place in range(start, min(start + step, side * side)):
            reference, probe = (
                _hide(crop, other, patch, side, place)
                for crop, other in zip(crops, filled, strict=True)
            )
            pairs += [(reference, crops[1]), (crops[0], probe), (reference, probe)]
            pairs.append((reference, reference))
        found.append(score(pairs).reshape(-1, 4))
        bar.update(len(found[-1]))
    return np.concatenate(found)


def _hide(crop: Crop, filled: Crop, patch: float, side: int, place: int) -> Crop:
    """Show what fills a patch in one of side x side places, cut off at the border."""
    hidden = crop.copy()
    inside = []
    for step, extent in zip(divmod(place, side), crop.shape[:2], strict=True):
        centre = (step + 0.5) / side
        ends = np.clip([centre - patch / 2, centre + patch / 2], 0, 1) * extent
        low, high = np.rint(ends).astype(int)
        inside.append(slice(low, max(high, low + 1)))
    hidden[tuple(inside)] = filled[tuple(inside)]
    return hidden


def _fill(crop: Crop, fill: str, patch: float) -> Crop:
    """Return what is seen where a crop is hidden."""
    if fill == "mean":
        return np.broadcast_to(np.rint(crop.mean(axis=(0, 1))).astype(np.uint8), crop.shape)
    from PIL import Image, ImageFilter

    sigma = _BLUR * patch * min(crop.shape[:2])
    return np.asarray(Image.fromarray(crop).filter(ImageFilter.GaussianBlur(sigma)))


def _enlarge(grid: Map, shape: tuple[int, ...]) -> Map:
    """Interpolate from the centres of the places to all pixels, bilinearly."""
    from PIL import Image

    values = Image.fromarray(grid.astype(np.float32))
    size = (shape[1], shape[0])
    return np.asarray(values.resize(size, Image.Resampling.BILINEAR), dtype=np.float64)
