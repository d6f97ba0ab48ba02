"""Images that the speed benchmarks work on."""

from pathlib import Path

import numpy as np


def smooth_images(n, size, seed=0):
    """Make n different images of shape (size, size, 3), uint8, that compress like photographs."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, size // 16, size // 16, 3), dtype=np.uint8)
    return coarse.repeat(16, axis=1).repeat(16, axis=2)


def write_jpegs(folder, images):
    """Write images as JPEG files; return their paths."""
    from PIL import Image

    paths = []
    for i, image in enumerate(images):
        paths.append(str(Path(folder) / f"{i:05d}.jpg"))
        Image.fromarray(image).save(paths[-1])
    return np.array(paths, dtype=object)
