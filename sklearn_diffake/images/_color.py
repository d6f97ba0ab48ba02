"""Convert colors to sRGB by the embedded profile of an image."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import numpy as np

_MODES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab "}  # of Pillow, and in profiles
_MAX_ROUNDING = 2  # levels by which two sRGB profiles may differ


def to_srgb(image: Any, profile: bytes | None) -> Any:
    """Convert an opaque image to sRGB.

    Parameters
    ----------
    image : PIL.Image.Image
        Without transparency.
    profile : bytes or None
        An ICC profile. One that is corrupt, or of another color space than the image, is ignored,
        as browsers do.

    Returns
    -------
    PIL.Image.Image
        Of mode RGB.
    """
    if image.mode == "LAB":
        transform = _transform(profile, "LAB") or _transform(_lab_profile(), "LAB")
    else:
        if image.mode not in _MODES:
            image = image.convert("RGB")
        transform = _transform(profile, image.mode) if profile else None
    if transform is not None:
        return transform.apply(image)
    return image if image.mode == "RGB" else image.convert("RGB")


@lru_cache(maxsize=32)
def _transform(profile: bytes | None, mode: str) -> Any:
    """Return the transform from a profile to sRGB; None if there is none to apply."""
    if profile is None:
        return None
    try:
        from PIL import ImageCms

        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space != _MODES[mode]:
            return None
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        return None if _changes_nothing(transform, mode) else transform
    except Exception:  # corrupt profiles fail in many ways; Pillow may lack Little CMS
        return None


def _changes_nothing(transform: Any, mode: str) -> bool:
    """Return whether a profile is sRGB, tested on a grid of colors."""
    from PIL import Image

    if mode not in ("RGB", "L"):
        return False
    levels = np.linspace(0, 255, 18).round().astype(np.uint8)
    colors = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 18, 3)
    if mode == "L":
        colors = np.repeat(np.arange(256, dtype=np.uint8).reshape(1, 256, 1), 3, axis=2)
    image = Image.fromarray(colors)
    change = np.asarray(transform.apply(image.convert(mode))).astype(int) - colors
    return int(np.abs(change).max()) <= _MAX_ROUNDING


@lru_cache(maxsize=1)
def _lab_profile() -> bytes:
    from PIL import ImageCms

    content: bytes = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    return content
