"""Degrade pictures as transmission does: compression, blur, noise, and a smaller size."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.generation._edits import compress

Image = NDArray[np.uint8]

#: Five strengths of each kind, from weak to strong.
STRENGTHS: dict[str, tuple[float, ...]] = {
    "jpeg": (90, 75, 60, 45, 30),
    "blur": (0.5, 1.0, 1.5, 2.0, 3.0),
    "noise": (2.0, 5.0, 10.0, 15.0, 25.0),
    "resize": (0.8, 0.6, 0.4, 0.3, 0.2),
}
#: The unit of the strength of each kind, its minimum and its maximum.
UNITS: dict[str, tuple[str, float, float]] = {
    "jpeg": ("JPEG quality", 1, 95),
    "blur": ("blur, sigma in pixels", 0.01, 100),
    "noise": ("noise, sigma of 255", 0.01, 255),
    "resize": ("size, share", 0.01, 1),
}


@dataclass(frozen=True)
class Degradation:
    """One kind of degradation at one strength.

    Attributes
    ----------
    kind : {"jpeg", "blur", "noise", "resize"}
    strength : float
        JPEG quality; sigma of the blur in pixels; sigma of the noise, of 255; fraction of the
        size to which the picture is reduced before it is enlarged again.
    """

    kind: str
    strength: float

    def __str__(self) -> str:
        return f"{self.kind} {self.amount}"

    @property
    def amount(self) -> str:
        """The strength as text: short, and different for different strengths."""
        short = f"{self.strength:g}"
        return short if float(short) == self.strength else repr(float(self.strength))

    def apply(self, image: Image) -> Image:
        """Degrade a picture; the same picture always becomes the same.

        Parameters
        ----------
        image : ndarray of shape (H, W, 3), uint8

        Returns
        -------
        degraded : ndarray of shape (H, W, 3), uint8
        """
        return _KINDS[self.kind](image, self.strength)


def _jpeg(image: Image, quality: float) -> Image:
    return compress(image, int(quality))


def _blur(image: Image, sigma: float) -> Image:
    from scipy.ndimage import gaussian_filter

    blurred = gaussian_filter(image.astype(np.float32), (sigma, sigma, 0))
    return np.round(blurred).clip(0, 255).astype(np.uint8)


def _noise(image: Image, sigma: float) -> Image:
    rng = np.random.default_rng(zlib.crc32(image.tobytes()))
    noisy = image + rng.normal(scale=sigma, size=image.shape)
    return np.round(noisy).clip(0, 255).astype(np.uint8)


def _resize(image: Image, fraction: float) -> Image:
    from PIL import Image as pil

    height, width = image.shape[:2]
    small = (max(1, round(width * fraction)), max(1, round(height * fraction)))
    reduced = pil.fromarray(image).resize(small, pil.Resampling.BOX)
    return np.asarray(reduced.resize((width, height), pil.Resampling.BILINEAR))


_KINDS: dict[str, Callable[[Image, float], Image]] = {
    "jpeg": _jpeg,
    "blur": _blur,
    "noise": _noise,
    "resize": _resize,
}
