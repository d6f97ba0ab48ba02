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


def write_portraits(folder, n, size=384):
    """Write n photographs of one face, of other position and brightness; return their paths."""
    from skimage.data import astronaut

    photo = astronaut()[: size + 64, 30 : size + 94]
    images = (
        np.clip(photo[i % 64 :, i // 64 % 64 :][:size, :size] * (1 - i // 4096 / 8), 0, 255)
        for i in range(n)
    )
    return write_jpegs(folder, [image.astype(np.uint8) for image in images])
