"""The effects of a camera on a picture, for rendered scenes and the demo."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.generation._edits import compress


class Camera(NamedTuple):
    """A camera and its settings."""

    exposure: float
    tint: tuple[float, ...]  # gains of red, green and blue
    blur: float  # standard deviation in pixels of a picture of 160 rows
    noise: float  # levels
    qualities: tuple[int, ...]  # of the JPEGs, one after the other
    seed: int


def photograph(image: NDArray[np.uint8], camera: Camera) -> NDArray[np.uint8]:
    """Blur, expose and compress a picture, and add noise.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
    camera : Camera
    """
    from PIL import Image, ImageFilter

    sigma = camera.blur * len(image) / 160
    radius = (math.sqrt(1 + 12 * sigma**2) - 1) / 2  # of a box of this deviation
    gains = camera.exposure * np.array(camera.tint)[:, None]
    curve = np.minimum(np.rint(gains * np.arange(256)), 255).astype(int).ravel().tolist()
    exposed = Image.fromarray(image).filter(ImageFilter.BoxBlur(radius)).point(curve)
    levels = np.asarray(exposed, dtype=np.float32)
    rng = np.random.default_rng(camera.seed)
    luma = rng.standard_normal((*image.shape[:2], 1), dtype=np.float32)
    levels += np.float32(0.8 * camera.noise) * luma
    chroma = rng.integers(-128, 128, image.shape, dtype=np.int8)
    levels += np.float32(0.6 * camera.noise / 74) * chroma  # 74: its deviation
    photo = np.clip(levels + 0.5, 0, 255).astype(np.uint8)
    for quality in camera.qualities:
        photo = compress(photo, quality)
    return photo
