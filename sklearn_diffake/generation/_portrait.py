"""Simulated genuine photographs of one portrait, and manipulations of its face, for the demo.

Unlike pseudo-deepfakes they need neither OpenCV nor a second person.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sklearn_diffake.faces._geometry import fit_similarity
from sklearn_diffake.generation._artifacts import draw_lighting_mismatch, light_gain
from sklearn_diffake.generation._camera import Camera, photograph
from sklearn_diffake.generation._edits import (
    blend,
    encode_jpeg,
    lose_detail,
    move_image,
    paint_mask,
    warp_by_points,
)
from sklearn_diffake.generation._landmarks import place_mean_shape
from sklearn_diffake.generation._masks import outlines

Image = NDArray[np.uint8]  # (H, W, 3) RGB
Points = NDArray[np.floating]  # (k, 2): x and y in pixels

_LEFT_EYE, _RIGHT_EYE, _MOUTH = slice(36, 42), slice(42, 48), slice(48, 68)  # of 68 landmarks


class Portrait(NamedTuple):
    """A photograph and the landmarks of its face."""

    image: Image
    landmarks: Points  # five: eyes, nose and corners of the mouth

    @property
    def unit(self) -> float:
        """Distance of the eyes in pixels, the unit of lengths in a face."""
        return float(np.linalg.norm(self.landmarks[1] - self.landmarks[0]))

    @property
    def center(self) -> Points:
        """Middle of eyes and mouth."""
        return (self.landmarks[:2].mean(axis=0) + self.landmarks[3:].mean(axis=0)) / 2

    def cut(self) -> Portrait:
        """Cut out head and shoulders."""
        left, top = np.maximum(np.floor(self.center - 4 * self.unit), 0).astype(int)
        right, bottom = np.ceil(self.center + 4 * self.unit).astype(int)
        return Portrait(self.image[top:bottom, left:right], self.landmarks - (left, top))

    def face_box(self) -> tuple[float, ...]:
        """Left, top, right and bottom of the face, in fractions of width and height."""
        corners = self.center + 1.6 * self.unit * np.array([[-1], [1]])
        return tuple((corners / self.image.shape[1::-1]).ravel().tolist())


def retake(portrait: Portrait, rng: Generator) -> bytes:
    """Simulate another photograph of a portrait, with other pose, light and quality.

    Parameters
    ----------
    portrait : Portrait
        Genuine or manipulated.
    rng : numpy.random.Generator
        Draws rotation (within 5 degrees), shift, size, perspective, resolution, light, exposure,
        blur, noise and JPEG quality (70 to 95).

    Returns
    -------
    bytes
        A JPEG file, 224 to 288 pixels wide.
    """
    from PIL import Image as pil

    side, angle = int(rng.integers(224, 289)), np.deg2rad(rng.uniform(-5, 5))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = 2.6 * rng.uniform(0.92, 1.08) * np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]])
    corners = (corners + rng.uniform(-0.08, 0.08, (4, 2))) @ rotation.T + rng.uniform(-0.2, 0.2, 2)
    border = round(portrait.unit)  # corners may lie outside the image: its edges are mirrored
    padded = np.pad(portrait.image, ((border, border), (border, border), (0, 0)), mode="reflect")
    quad = portrait.center + border + 0.5 + corners * portrait.unit
    view = pil.fromarray(padded).transform(
        (side, side), pil.Transform.QUAD, tuple(quad.ravel().tolist()), pil.Resampling.BICUBIC
    )
    light = {**draw_lighting_mismatch(rng), "amplitude": rng.uniform(0, 0.1)}
    lit = _to_levels(np.asarray(view) * light_gain(light, (side, side)))
    camera = Camera(
        exposure=rng.uniform(0.9, 1.1),
        tint=(1.0, 1.0, 1.0),  # the light has a color
        blur=rng.uniform(0, 0.3) * 160 / side,
        noise=rng.uniform(0, 2),
        qualities=(),
        seed=int(rng.integers(2**32)),
    )
    return encode_jpeg(photograph(lit, camera), int(rng.integers(70, 96)))


def _warp_eyes(portrait: Portrait, rng: Generator) -> Image:
    """Enlarge both eyes and move them apart or together."""
    scale, change = rng.uniform(1.25, 1.45), rng.uniform(-0.1, 0.1)
    axis = (portrait.landmarks[1] - portrait.landmarks[0]) * change / 2
    return _scale_regions(portrait, (_LEFT_EYE, scale, -axis), (_RIGHT_EYE, scale, axis))


def _reenact_mouth(portrait: Portrait, rng: Generator) -> Image:
    """Open and narrow the mouth."""
    scale = np.array([rng.uniform(0.75, 0.9), rng.uniform(1.2, 1.5)])
    shift = np.array([rng.uniform(-0.05, 0.05), rng.uniform(0, 0.1)]) * portrait.unit
    return _scale_regions(portrait, (_MOUTH, scale, shift))


def _scale_regions(portrait: Portrait, *changes: tuple[slice, float | Points, Points]) -> Image:
    """Scale regions of the face about their middle, and move them: (landmarks, scale, shift)."""
    points = place_mean_shape(portrait.landmarks)
    targets = points.copy()
    for indices, scale, shift in changes:
        middle = points[indices].mean(axis=0)
        targets[indices] = middle + scale * (points[indices] - middle) + shift
    return warp_by_points(portrait.image, targets, targets - points, 0.1 * portrait.unit)


def _blend_face(portrait: Portrait, rng: Generator) -> Image:
    """Blend a scaled, recolored copy of the inner face in: a self-blended image."""
    zoom, shift = rng.uniform(0.9, 1.1), rng.uniform(-0.06, 0.06, 2) * portrait.unit
    copy = _zoom(portrait.image, zoom, portrait.center, portrait.center + shift)
    return _replace_face(portrait, _to_levels(copy * rng.uniform(0.92, 1.08, 3)))


def _mirror_face(portrait: Portrait, rng: Generator) -> Image:
    """Mirror the inner face."""
    mirrored = portrait.landmarks * (-1, 1) + (portrait.image.shape[1] - 1, 0)
    # without the nose; the left eye of the mirrored face is the right one
    matrix = fit_similarity(mirrored[[1, 0, 4, 3]], portrait.landmarks[[0, 1, 3, 4]])
    return _replace_face(portrait, move_image(portrait.image[:, ::-1].copy(), matrix))


def _smooth_face(portrait: Portrait, rng: Generator) -> Image:
    """Replace the inner face by an up-sampled one of a third to a half of its resolution."""
    return _replace_face(portrait, lose_detail(portrait.image, rng.uniform(2, 3)))


def _splice_eye(portrait: Portrait, rng: Generator) -> Image:
    """Paste one eye over the other one, brightened and with a hard seam."""
    target = int(rng.integers(2))
    points = portrait.landmarks
    copy = _zoom(portrait.image, rng.uniform(0.9, 1.1), points[1 - target], points[target])
    eye = outlines("components", place_mean_shape(points))[target]
    mask = paint_mask([[eye]], copy.shape[:2], feather=0.3)
    return blend(portrait.image, _to_levels(copy * rng.uniform(1.05, 1.15)), mask)


def _zoom(image: Image, factor: float, point: Points, target: Points) -> Image:
    """Scale an image about a point, and bring the point to a target."""
    return move_image(image, np.column_stack([factor * np.eye(2), target - factor * point]))


def _replace_face(portrait: Portrait, source: Image) -> Image:
    """Blend the inner face of a source in, from the brows to the mouth."""
    inner = place_mean_shape(portrait.landmarks)[17:]
    mask = paint_mask([[inner]], source.shape[:2], feather=0.1 * portrait.unit)
    return blend(portrait.image, source, mask)


def _to_levels(values: NDArray[np.floating]) -> Image:
    return np.clip(values + 0.5, 0, 255).astype(np.uint8)


Manipulation = Callable[[Portrait, Generator], Image]
#: Name of a technique -> function that returns the manipulated image.
MANIPULATIONS: dict[str, Manipulation] = {
    "eyes warped": _warp_eyes,
    "mouth re-enacted": _reenact_mouth,
    "inner face blended": _blend_face,
    "inner face mirrored": _mirror_face,
    "inner face smoothed": _smooth_face,
    "eye spliced in": _splice_eye,
}
