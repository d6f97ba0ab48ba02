"""Genuine re-takes of one photograph, and manipulations of the face in it."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import ndimage

Image = NDArray[np.floating]  # (H, W, 3) RGB in [0, 1]
Point = NDArray[np.floating]  # (x, y) in pixels


@dataclass(frozen=True)
class Portrait:
    """A photograph and the position of its face.

    Attributes
    ----------
    pixels : ndarray of shape (H, W, 3), float64
        RGB in [0, 1].
    landmarks : ndarray of shape (5, 2), float64
        (x, y) of left eye, right eye, nose, left and right corner of the mouth, in pixels.
    """

    pixels: Image
    landmarks: Point

    @property
    def unit(self) -> float:
        """Distance of the eyes in pixels, the unit of lengths in a face."""
        return float(np.linalg.norm(self.landmarks[1] - self.landmarks[0]))

    def cut(self) -> "Portrait":
        """Cut out head and shoulders."""
        left, top = np.maximum(np.floor(self.center - 4 * self.unit), 0).astype(int)
        right, bottom = np.ceil(self.center + 4 * self.unit).astype(int)
        return Portrait(self.pixels[top:bottom, left:right], self.landmarks - (left, top))

    def face_box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the face, in fractions of width and height."""
        size = np.array(self.pixels.shape[1::-1])
        left, top = (self.center - 1.6 * self.unit) / size
        right, bottom = (self.center + 1.6 * self.unit) / size
        return float(left), float(top), float(right), float(bottom)

    @property
    def eyes(self) -> Point:
        """Point between the eyes."""
        return self.landmarks[:2].mean(axis=0)

    @property
    def mouth(self) -> Point:
        """Middle of the mouth."""
        return self.landmarks[3:].mean(axis=0)

    @property
    def center(self) -> Point:
        """Middle of the inner face."""
        return (self.eyes + self.mouth) / 2


# --- effects of a camera: the same face again -----------------------------------------------------


def retake(portrait: Portrait, rng: Generator) -> bytes:
    """Simulate another photograph of a portrait, with other pose, light and quality.

    Parameters
    ----------
    portrait : Portrait
        Genuine or manipulated.
    rng : numpy.random.Generator
        Draws rotation (within 5 degrees), shift, size, perspective, resolution, gain, gamma,
        color temperature, a gradient of light, blur, noise and JPEG quality (70 to 95).

    Returns
    -------
    bytes
        A JPEG file, 224 to 288 pixels wide.
    """
    image = _frame(portrait, rng)
    image = _light(image, rng)
    image = ndimage.gaussian_filter(image, (*[rng.uniform(0, 0.5)] * 2, 0))
    image = image + rng.normal(0, rng.uniform(0, 0.008), image.shape)
    return _jpeg(image, int(rng.integers(70, 96)))


def _frame(portrait: Portrait, rng: Generator) -> Image:
    """Cut out head and shoulders, seen from a slightly different position."""
    unit, side = portrait.unit, int(rng.integers(224, 289))
    angle, half = np.deg2rad(rng.uniform(-5, 5)), 2.6 * unit * rng.uniform(0.92, 1.08)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=float)
    corners += rng.uniform(-0.08, 0.08, corners.shape) * unit  # perspective
    corners = portrait.center + rng.uniform(-0.2, 0.2, 2) * unit + corners @ turn.T
    square = np.array([[0, 0], [side, 0], [side, side], [0, side]], dtype=float)
    y, x = np.mgrid[:side, :side] + 0.5
    a, b, c, d, e, f, g, h = _projection(square, corners)
    depth = g * x + h * y + 1
    return _sample(
        portrait.pixels, (a * x + b * y + c) / depth - 0.5, (d * x + e * y + f) / depth - 0.5
    )


def _projection(points: Point, targets: Point) -> Point:
    """Return the eight coefficients of the projective map from four points to targets."""
    rows = []
    for (x, y), (u, v) in zip(points, targets, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    return np.linalg.solve(np.array(rows), targets.ravel())


def _light(image: Image, rng: Generator) -> Image:
    """Change exposure, contrast, color temperature and the direction of the light."""
    height, width = image.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    angle, warmth = rng.uniform(0, 2 * np.pi), rng.uniform(-0.06, 0.06)
    gradient = 1 + rng.uniform(0, 0.15) * (x * np.cos(angle) + y * np.sin(angle))
    color = rng.uniform(0.9, 1.1) * np.array([1 + warmth, 1, 1 - warmth])
    return np.clip(image, 0, 1) ** rng.uniform(0.85, 1.18) * gradient[..., None] * color


def _jpeg(image: Image, quality: int) -> bytes:
    from PIL import Image as pil

    buffer = io.BytesIO()
    pixels = np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
    pil.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _sample(pixels: Image, x: NDArray, y: NDArray) -> Image:
    """Interpolate an image at real-valued positions, mirrored at its edge."""
    return np.stack(
        [
            ndimage.map_coordinates(c, [y, x], order=3, mode="mirror")
            for c in np.moveaxis(pixels, 2, 0)
        ],
        axis=2,
    )


# --- manipulations: another face than the camera saw ----------------------------------------------


def eyes_warped(face: Portrait, rng: Generator) -> Image:
    """Enlarge both eyes and move them apart or together."""
    scale, change = rng.uniform(1.25, 1.45), rng.uniform(-0.1, 0.1)
    axis = (face.landmarks[1] - face.landmarks[0]) * change / 2
    pixels = _pull(face.pixels, face.landmarks[0], 0.4 * face.unit, (scale, scale), -axis)
    return _pull(pixels, face.landmarks[1], 0.4 * face.unit, (scale, scale), axis)


def mouth_reenacted(face: Portrait, rng: Generator) -> Image:
    """Open and narrow the mouth."""
    scale = (rng.uniform(0.75, 0.9), rng.uniform(1.2, 1.5))
    shift = np.array([rng.uniform(-0.05, 0.05), rng.uniform(0, 0.1)]) * face.unit
    return _pull(face.pixels, face.mouth, 0.5 * face.unit, scale, shift)


def face_blended(face: Portrait, rng: Generator) -> Image:
    """Blend in a resampled, recolored copy of the inner face: a self-blended image."""
    y, x = np.indices(face.pixels.shape[:2])
    zoom, (dx, dy) = rng.uniform(0.9, 1.1), rng.uniform(-0.06, 0.06, 2) * face.unit
    cx, cy = face.center
    copy = _sample(face.pixels, cx + (x - cx) / zoom + dx, cy + (y - cy) / zoom + dy)
    copy = copy * rng.uniform(0.92, 1.08, 3) + rng.uniform(-0.03, 0.03)
    return _blend(face, copy)


def face_mirrored(face: Portrait, rng: Generator) -> Image:
    """Mirror the inner face at the line from between the eyes to the mouth."""
    y, x = np.indices(face.pixels.shape[:2])
    down = (face.mouth - face.eyes) / np.linalg.norm(face.mouth - face.eyes)
    side = (x - face.eyes[0]) * down[1] - (y - face.eyes[1]) * down[0]
    return _blend(face, _sample(face.pixels, x - 2 * side * down[1], y + 2 * side * down[0]))


def face_smoothed(face: Portrait, rng: Generator) -> Image:
    """Replace the inner face by an up-sampled one of a third to a half of its resolution."""
    factor = rng.uniform(2.0, 3.0)
    copy = ndimage.gaussian_filter(face.pixels, (factor / 2, factor / 2, 0))
    small = ndimage.zoom(copy, (1 / factor, 1 / factor, 1), order=1)
    y, x = np.indices(face.pixels.shape[:2])
    rows, columns = (np.array(small.shape[:2]) - 1) / (np.array(face.pixels.shape[:2]) - 1)
    return _blend(face, _sample(small, x * columns, y * rows))


def eye_spliced(face: Portrait, rng: Generator) -> Image:
    """Paste the patch of one eye over the other one, brightened and with a hard seam."""
    source, target = face.landmarks[[0, 1] if rng.random() < 0.5 else [1, 0]]
    y, x = np.indices(face.pixels.shape[:2])
    zoom = rng.uniform(0.9, 1.1)
    copy = _sample(
        face.pixels, source[0] + (x - target[0]) / zoom, source[1] + (y - target[1]) / zoom
    )
    inside = (abs(x - target[0]) < 0.4 * face.unit) & (abs(y - target[1]) < 0.25 * face.unit)
    return np.where(inside[..., None], copy * rng.uniform(1.05, 1.15), face.pixels)


#: Name of a technique -> function of (portrait, rng) that returns the manipulated pixels.
TECHNIQUES: dict[str, Callable[[Portrait, Generator], Image]] = {
    "eyes warped": eyes_warped,
    "mouth re-enacted": mouth_reenacted,
    "inner face blended": face_blended,
    "inner face mirrored": face_mirrored,
    "inner face smoothed": face_smoothed,
    "eye spliced in": eye_spliced,
}


def _pull(
    pixels: Image, center: Point, radius: float, scale: tuple[float, float], shift: Point
) -> Image:
    """Scale and move the surroundings of a point; the effect ends beyond `radius`."""
    y, x = np.indices(pixels.shape[:2])
    dx, dy = x - center[0], y - center[1]
    weight = np.exp(-(((dx**2 + dy**2) / radius**2) ** 2))
    dx, dy = dx * (1 / scale[0] - 1) - shift[0], dy * (1 / scale[1] - 1) - shift[1]
    return _sample(pixels, x + weight * dx, y + weight * dy)


def _blend(face: Portrait, copy: Image) -> Image:
    """Replace the inner face by a copy: an ellipse from the brows to below the mouth."""
    y, x = np.indices(face.pixels.shape[:2])
    down = face.mouth - face.eyes
    tall = float(np.linalg.norm(down))
    along = ((x - face.center[0]) * down[0] + (y - face.center[1]) * down[1]) / tall
    across = ((x - face.center[0]) * down[1] - (y - face.center[1]) * down[0]) / tall
    distance = np.hypot(across / (0.9 * face.unit), along / (0.95 * tall))
    mask = np.clip((1 - distance) / 0.25, 0, 1)[..., None]
    return mask * copy + (1 - mask) * face.pixels
