"""Shifts of color as one affine map of RGB, and the transfer of a face's colors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Record = dict[str, Any]

_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_FROM_YIQ = np.linalg.inv(_TO_YIQ)


def draw_color(rng: np.random.Generator) -> Record:
    """Draw a shift of color.

    RGB is moved by up to 20 levels with probability .3; hue, saturation and value by up to .3 with
    probability .3; brightness and contrast by up to .1 always.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    dict
        `rgb` (levels), `hsv` (hue in radians, from red towards yellow; relative gains of
        saturation and value), `brightness` (fraction of 255) and `contrast` (relative gain).
    """
    rgb = rng.uniform(-20, 20, 3).tolist() if rng.random() < 0.3 else [0.0, 0.0, 0.0]
    hsv = rng.uniform(-0.3, 0.3, 3).tolist() if rng.random() < 0.3 else [0.0, 0.0, 0.0]
    brightness, contrast = rng.uniform(-0.1, 0.1, 2).tolist()
    return {"rgb": rgb, "hsv": hsv, "brightness": brightness, "contrast": contrast}


def color_matrix(shift: Record) -> NDArray[np.float32]:
    """Write a shift of color as an affine map of RGB.

    Hue is rotated and saturation scaled in the plane of equal luma (YIQ), so that all shifts
    together are one matrix and are rounded once.

    Parameters
    ----------
    shift : dict
        As drawn by `draw_color`.

    Returns
    -------
    ndarray of shape (3, 4), float32
        Maps (R, G, B, 1) in levels to (R, G, B) in levels.
    """
    hue, saturation, value = shift["hsv"]
    cos, sin = (1 + saturation) * np.cos(hue), (1 + saturation) * np.sin(hue)
    hue_and_saturation = _FROM_YIQ @ np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]]) @ _TO_YIQ
    linear = (1 + shift["contrast"]) * (1 + value) * hue_and_saturation
    constant = linear @ np.asarray(shift["rgb"]) + 255 * shift["brightness"]
    return np.column_stack([linear, constant]).astype(np.float32)


def shift_color(cv2: Any, image: NDArray[np.uint8], shift: Record) -> NDArray[np.uint8]:
    """Shift the colors of an RGB image (H, W, 3), clipping at 0 and 255."""
    return cv2.transform(image, color_matrix(shift))


def match_colors(
    cv2: Any,
    image: NDArray[np.uint8],
    target: NDArray[np.uint8],
    mask: NDArray[np.uint8],
    strength: float,
) -> NDArray[np.uint8]:
    """Match mean and spread of an image's masked region to a target's, in CIELAB.

    After Reinhard et al., "Color Transfer between Images", IEEE CG&A 2001.

    Parameters
    ----------
    cv2 : module
    image, target : ndarray of shape (H, W, 3), uint8
        RGB.
    mask : ndarray of shape (H, W), uint8
        Statistics are taken where it is not zero.
    strength : float in [0, 1]
        0 leaves the colors as they are, 1 matches them fully.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        RGB.
    """
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    mean, spread = (value.ravel() for value in cv2.meanStdDev(lab, mask=mask))
    target_lab = cv2.cvtColor(target, cv2.COLOR_RGB2LAB)
    goal_mean, goal_spread = (value.ravel() for value in cv2.meanStdDev(target_lab, mask=mask))
    table = transfer_table(mean, spread, goal_mean, goal_spread, strength)
    return cv2.cvtColor(cv2.LUT(lab, table[None]), cv2.COLOR_LAB2RGB)


def transfer_table(
    mean: NDArray[np.floating],
    spread: NDArray[np.floating],
    goal_mean: NDArray[np.floating],
    goal_spread: NDArray[np.floating],
    strength: float,
) -> NDArray[np.uint8]:
    """Return the new value of each level when mean and spread of the channels are transferred.

    Parameters
    ----------
    mean, spread, goal_mean, goal_spread : ndarray of shape (3,)
        Of the channels before and after, in any color space. The spread changes by a factor of 2
        at most, so that noise is not blown up.
    strength : float in [0, 1]
        0 changes nothing, 1 reaches the goal.

    Returns
    -------
    ndarray of shape (256, 3), uint8
    """
    gain = 1 + strength * (np.clip(goal_spread / np.maximum(spread, 1), 0.5, 2) - 1)
    level = mean + strength * (goal_mean - mean)
    table = (np.arange(256, dtype=np.uint8)[:, None] - mean) * gain + level
    return np.clip(table + 0.5, 0, 255).astype(np.uint8)
