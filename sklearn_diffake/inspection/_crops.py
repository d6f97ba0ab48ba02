"""Compute the map of a pair of crops that are already aligned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..utils._progress import progress_bar
from ._occlusion import PATCHES, STRIDE, Crop, occlusion_maps
from ._parts import SplitPipeline, pair_table
from ._photo import ExplainedPhoto

JOINT = "joint occlusion"
_BATCH = 64  # crops per batch


def joint_occlusion(
    split: SplitPipeline, references: Sequence[Crop], probe: Crop
) -> tuple[int, ExplainedPhoto, ExplainedPhoto]:
    """Map where a probe differs from the most similar reference.

    Parameters
    ----------
    split : Parts
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
