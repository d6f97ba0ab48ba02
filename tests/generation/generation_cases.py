"""Crops that stand in for faces: smooth shapes and fine texture, in color."""

import numpy as np
from PIL import Image


def textured_crops(n, size=128, seed=0):
    """Make n crops of shape (size, size, 3), uint8, away from black and white."""
    rng = np.random.default_rng(seed)
    crops = []
    for _ in range(n):
        coarse = Image.fromarray(rng.integers(70, 186, (7, 7, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC), float)
        texture = rng.normal(0, 9, (size, size, 1))
        crops.append(np.clip(smooth + texture, 30, 225).astype(np.uint8))
    return np.stack(crops)
