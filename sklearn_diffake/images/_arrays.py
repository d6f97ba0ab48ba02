"""Convert arrays to 8-bit RGB."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.images.errors import ImageError


def rgb_array(array: np.ndarray) -> NDArray[np.uint8]:
    """Return an array of any supported type and shape as 8-bit RGB.

    Parameters
    ----------
    array : ndarray of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)
        Integers in 0..255 or floats in [0, 1].

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        Transparency is shown on white.

    Raises
    ------
    ImageError
        If shape, type or values are not as described.
    """
    array = to_uint8(array)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        hint = ""
        if array.ndim == 3 and array.shape[0] in (1, 3, 4):
            hint = "; the channels seem to be first, but must be last"
        raise ImageError(
            f"an image must have the shape (H, W), (H, W, 3) or (H, W, 4), got {array.shape}{hint}"
        )
    if array.size == 0:
        raise ImageError(f"an image of shape {array.shape} has no pixels")
    if array.shape[2] == 4:
        alpha = array[..., 3:].astype(np.float32) / 255
        return np.round(array[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.repeat(array, 3, axis=2) if array.shape[2] == 1 else array


def to_uint8(array: np.ndarray) -> NDArray[np.uint8]:
    """Return integers in 0..255 or floats in [0, 1] as bytes.

    Parameters
    ----------
    array : ndarray
        Of any shape.

    Returns
    -------
    ndarray of the same shape, uint8

    Raises
    ------
    ImageError
        If the type or a value is not as described.
    """
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind not in "iuf":
        raise ImageError(f"the dtype of an image must be uint8, got {array.dtype}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ImageError("the image contains NaN or infinity")
    low, high = array.min(initial=0), array.max(initial=0)
    top = 1 if array.dtype.kind == "f" else 255
    if low < 0 or high > top:
        raise ImageError(
            f"{array.dtype} values must be in 0..{top} (uint8 in 0..255, or floats in [0, 1]), "
            f"got {low:g} to {high:g}"
        )
    return np.round(array * 255).astype(np.uint8) if top == 1 else array.astype(np.uint8)


def scale_to_uint8(levels: np.ndarray, top: int = 65535) -> NDArray[np.uint8]:
    """Return gray levels of more than 8 bits as bytes.

    Parameters
    ----------
    levels : ndarray of shape (H, W), integers
        If all levels are in 0..255, they count as 8 bits in a wider type.
    top : int, default=65535
        The level that is white.

    Returns
    -------
    ndarray of shape (H, W), uint8

    Raises
    ------
    ImageError
        If a level is negative or above `top`.
    """
    low, high = int(levels.min(initial=0)), int(levels.max(initial=0))
    if low < 0 or high > top:
        wrong = low if low < 0 else high
        raise ImageError(f"pixel values must have 8 or 16 bits, got {wrong}")
    if high <= 255:
        return levels.astype(np.uint8)
    return ((levels.astype(np.uint32) * 255 + top // 2) // top).astype(np.uint8)
