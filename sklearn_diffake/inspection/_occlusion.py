"""Measure the change of the score if regions of the crops are hidden."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.inspection._photo import ExplainedPhoto
from sklearn_diffake.inspection._split_pipeline import SplitPipeline, pair_table
from sklearn_diffake.utils._batches import batches_of, size_within
from sklearn_diffake.utils._progress import progress_bar

Crop = NDArray[np.uint8]
Map = NDArray[np.float64]

#: The maps of `occlusion_maps`.
JOINT = "joint occlusion"
METHODS = (JOINT, "occlusion")
#: Sides of the hidden squares and their step, as fractions of the crop and of a square.
PATCHES, STRIDE = (0.15, 0.225), 0.75
_MEMORY = 128 * 2**20  # bytes of hidden crops in a batch
_BATCH = 64  # crops per batch of `joint_occlusion`
_BLUR = 0.5  # sigma of the fill "blur", as a fraction of the patch


def grid_side(patch: float, stride: float) -> int:
    """Return the number of positions of a patch along one side of a crop."""
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
    """Map the rise of the score if a region is hidden.

    Parameters
    ----------
    score : callable
        Takes n pairs of crops, returns n scores.
    crops : two ndarrays of shape (h, w, 3), uint8
        Reference and probe; their sizes may differ.
    patches : sequence of float
        Sides of the hidden squares, as fractions of the crop's side; the maps of several sides are
        averaged.
    stride : float
        Step of the square, as a fraction of its side.
    fill : {"mean", "blur"}
        Content of hidden squares.
    batch_size : int
        Crops per batch.
    bar : tqdm.tqdm
        Updated by the number of positions.

    Returns
    -------
    dict of str to list of ndarray of shape (h, w), float64
        Maps of the reference and of the probe. ``"joint occlusion"``: the same region is hidden in
        both crops; the effect on a comparison of the reference with itself is subtracted.
        ``"occlusion"``: the region is hidden in this photograph alone.
    """
    reference, probe = crops
    base_score, reference_score = score([(reference, probe), (reference, reference)])
    maps = {name: [np.zeros(crop.shape[:2]) for crop in crops] for name in METHODS}
    for patch in patches:
        side = grid_side(patch, stride)
        scores = _hidden_scores(score, crops, patch, side, fill, batch_size, bar)
        joint = (scores[:, 2] - base_score) - (scores[:, 3] - reference_score)
        for k, crop in enumerate(crops):
            for name, rises in zip(METHODS, (joint, scores[:, k] - base_score), strict=True):
                grid = rises.reshape(side, side)
                maps[name][k] += _enlarge(grid, crop.shape[:2]) / len(patches)
    return maps


def joint_occlusion(
    split: SplitPipeline, references: Sequence[Crop], probe: Crop
) -> tuple[int, ExplainedPhoto, ExplainedPhoto]:
    """Map where a probe differs from the most similar reference.

    Parameters
    ----------
    split : SplitPipeline
        A fitted pipeline. Nothing is written to its stores.
    references : sequence of n ndarrays of shape (h, w, 3), uint8
        Aligned crops, at least one.
    probe : ndarray of shape (h, w, 3), uint8
        Aligned crop.

    Returns
    -------
    index : int
        Position of the reference with the highest score.
    reference, probe : ExplainedPhoto
        The crops, with the map ``"joint occlusion"`` of `explain_pair` at its default settings.
    """
    split = split.without_stores()

    def score(pairs: Sequence[tuple[Crop, Crop]]) -> Any:
        return split.score(split.rows(pair_table(pairs)))

    index = int(np.argmax(score([(reference, probe) for reference in references])))
    crops = (references[index], probe)
    with progress_bar(total=None, desc="explaining", unit="step", verbose=0) as bar:
        maps = occlusion_maps(
            score, crops, patches=PATCHES, stride=STRIDE, fill="mean", batch_size=_BATCH, bar=bar
        )
    photos = [
        ExplainedPhoto(None, crop, crop, np.eye(3)[:2], {JOINT: values})
        for crop, values in zip(crops, maps[JOINT], strict=True)
    ]
    return index, photos[0], photos[1]


def _hidden_scores(
    score: Callable[..., NDArray[np.float64]],
    crops: Sequence[Crop],
    patch: float,
    side: int,
    fill: str,
    batch_size: int,
    bar: Any,
) -> NDArray[np.float64]:
    """Return the scores with each region hidden, of shape (positions, 4).

    Hidden in the reference, in the probe, in both, and in both sides of a pair of the reference
    with itself.
    """
    filled = [_fill(crop, fill, patch) for crop in crops]
    size = sum(crop.nbytes for crop in crops)
    step = min(max(1, batch_size // 2), size_within(_MEMORY, size))  # two new crops per position
    scores = []
    for positions in batches_of(range(side * side), step):
        pairs = []
        for position in positions:
            reference, probe = (
                _hide(crop, filling, patch, side, position)
                for crop, filling in zip(crops, filled, strict=True)
            )
            pairs += [(reference, crops[1]), (crops[0], probe), (reference, probe)]
            pairs.append((reference, reference))
        scores.append(score(pairs).reshape(-1, 4))
        bar.update(len(scores[-1]))
    return np.concatenate(scores)


def _hide(crop: Crop, filled: Crop, patch: float, side: int, position: int) -> Crop:
    """Hide the patch at one of side x side positions, clipped at the border."""
    hidden = crop.copy()
    inside = []
    for step, extent in zip(divmod(position, side), crop.shape[:2], strict=True):
        center = (step + 0.5) / side
        ends = np.clip([center - patch / 2, center + patch / 2], 0, 1) * extent
        low, high = np.rint(ends).astype(int)
        inside.append(slice(low, max(high, low + 1)))
    hidden[tuple(inside)] = filled[tuple(inside)]
    return hidden


def _fill(crop: Crop, fill: str, patch: float) -> Crop:
    """Return the content of hidden regions, for the whole crop."""
    if fill == "mean":
        return np.broadcast_to(np.rint(crop.mean(axis=(0, 1))).astype(np.uint8), crop.shape)
    from PIL import Image, ImageFilter

    sigma = _BLUR * patch * min(crop.shape[:2])
    return np.asarray(Image.fromarray(crop).filter(ImageFilter.GaussianBlur(sigma)))


def _enlarge(grid: Map, shape: tuple[int, ...]) -> Map:
    """Interpolate bilinearly from the centers of the positions to all pixels."""
    from PIL import Image

    values = Image.fromarray(grid.astype(np.float32))
    size = (shape[1], shape[0])
    return np.asarray(values.resize(size, Image.Resampling.BILINEAR), dtype=np.float64)
