"""Masks of the replaced region: hulls of landmarks, deformed and softened."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Record = dict[str, Any]
Points = NDArray[np.floating]

#: Families of masks over the whole face; a global technique takes each with equal probability.
GLOBAL_FAMILIES = ("hull", "extended_brow", "parts", "components")
#: Families over a region of the face.
LOCAL_FAMILIES = ("eyes", "mouth", "lower_head")

_ALPHA, _SIGMA = 50.0, 7.0  # of the elastic deformation, in pixels
_KERNELS = range(5, 26, 2)  # sides of the blurs, in pixels
_RATIOS = (0.25, 0.5, 0.75, 1.0, 1.0, 1.0)
_MIN_AREA_RATIO = 0.5  # fraction of a mask's area that the first blur must leave
_DIVISIONS = np.arange(8, dtype=np.float32)[:, None] / 8  # of a side, so that it can bend
_SMOOTH = np.array([1, 4, 6, 4, 1], np.float32) / 16  # variance 1 in cells of the noise
_SUBPIXEL = 4  # bits


def _indices(*ranges: tuple[int, int]) -> NDArray[np.intp]:
    return np.concatenate([np.arange(*r) for r in ranges])


# Which of the 68 landmarks span the pieces of a mask; each piece is a convex hull.
_PIECES = {
    "hull": [_indices((0, 68))],
    "extended_brow": [_indices((0, 68))],
    "parts": [
        _indices((2, 15), (31, 36)),  # jaw
        _indices((27, 36)),  # nose
        _indices((0, 3), (17, 22), (27, 31), (36, 42)),  # an eye, its brow and temple
        _indices((14, 17), (22, 27), (27, 31), (42, 48)),
    ],
    "components": [
        _indices((17, 22), (36, 42)),
        _indices((22, 27), (42, 48)),
        _indices((27, 36)),
        _indices((48, 68)),
    ],
    "eyes": [_indices((17, 27), (36, 48), (0, 2), (14, 16))],
    "mouth": [_indices((48, 68), (4, 13), (31, 36))],
    "lower_head": [_indices((1, 16), (29, 31))],
}
_COMPONENT_GROWTH = 1.3  # components are bare features: leave some skin around them
_BROW_LIFT = 0.9  # in distances from eye to brow


def draw_mask(rng: np.random.Generator, families: tuple[str, ...]) -> Record:
    """Draw a mask: family, deformation, blurs and blend ratio.

    Parameters
    ----------
    rng : numpy.random.Generator
    families : tuple of str
        Names of mask families, equally probable.

    Returns
    -------
    dict
        `family`; `elastic` (`alpha`, `sigma` in pixels, `seed` of the noise); `kernels`, the odd
        sides of the two Gaussian blurs in pixels; `ratio`, the weight of the source inside.
    """
    return {
        "family": str(families[rng.integers(len(families))]),
        "elastic": {"alpha": _ALPHA, "sigma": _SIGMA, "seed": int(rng.integers(2**32))},
        "kernels": [int(_KERNELS[k]) for k in rng.integers(len(_KERNELS), size=2)],
        "ratio": float(_RATIOS[rng.integers(len(_RATIOS))]),
    }


def outlines(family: str, landmarks: Points) -> list[NDArray[np.float32]]:
    """Return the hulls that make up a mask.

    Parameters
    ----------
    family : str
        One of `GLOBAL_FAMILIES` and `LOCAL_FAMILIES`.
    landmarks : ndarray of shape (68, 2)
        (x, y) in pixels, in the usual order: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47,
        mouth 48-67.

    Returns
    -------
    list of ndarray of shape (k, 2), float32
        Points whose convex hulls, together, are the mask.
    """
    points = np.array(landmarks, np.float32)
    if family == "extended_brow":
        for brow, eye in ((slice(17, 22), slice(36, 42)), (slice(22, 27), slice(42, 48))):
            points[brow] += _BROW_LIFT * (points[brow].mean(0) - points[eye].mean(0))
    pieces = [points[index] for index in _PIECES[family]]
    if family == "components":
        centers = [piece.mean(0) for piece in pieces]
        pieces = [c + _COMPONENT_GROWTH * (p - c) for c, p in zip(centers, pieces, strict=True)]
    return pieces


def render_mask(
    cv2: Any,
    mask: Record,
    landmarks: Points,
    matrix: NDArray | None,
    shape: tuple[int, int],
    donor_landmarks: Points | None = None,
) -> NDArray[np.uint8]:
    """Paint a mask: hulls, moved and deformed, blurred, binarized and blurred again.

    Pixels that the first blur dims are cut off: the mask shrinks when the first kernel is the
    larger one and grows when it is the smaller one, as in Self-Blended Images [1]_. A mask of
    which less than half would remain is cut at half height instead. Kernels are limited to an
    eighth of the crop. The outline is deformed instead of the pixels, and wide blurs are computed
    at half the resolution.

    Parameters
    ----------
    cv2 : module
    mask : dict
        As drawn by `draw_mask`.
    landmarks : ndarray of shape (68, 2)
        (x, y) in pixels.
    matrix : ndarray of shape (2, 3) or None
        Affine map applied to the mask.
    shape : (int, int)
        Height and width.
    donor_landmarks : ndarray of shape (68, 2), default=None
        Landmarks of a donor, moved onto the crop: the mask stays inside the donor's face.

    Returns
    -------
    ndarray of shape (H, W), uint8
        Weight of the source, 255 for all of it.

    References
    ----------
    .. [1] K. Shiohara, T. Yamasaki, "Detecting Deepfakes with Self-Blended Images", CVPR 2022.
    """
    largest = max(1, min(shape) // 8)
    sigmas = [_sigma_of(min(k, largest)) for k in mask["kernels"]]
    step = 2 if min(sigmas) >= _sigma_of(5) and min(shape) >= 96 else 1
    canvas = np.zeros([-(-side // step) for side in shape], np.uint8)
    field = _elastic_field(cv2, mask["elastic"], shape)
    for piece in outlines(mask["family"], landmarks):
        outline = _subdivide(cv2.convexHull(piece)[:, 0])
        if matrix is not None:
            outline = outline @ matrix[:, :2].T + matrix[:, 2]
        outline = outline + _sample_field(cv2, field, outline, mask["elastic"]["sigma"])
        _fill_polygon(cv2, canvas, outline, step)
    if donor_landmarks is not None:
        face = np.zeros_like(canvas)
        _fill_polygon(
            cv2, face, cv2.convexHull(outlines("extended_brow", donor_landmarks)[0])[:, 0], step
        )
        canvas &= face
    return _soften_painted_region(
        cv2, canvas, [sigma / step for sigma in sigmas], step, mask["ratio"], shape
    )


def _soften_painted_region(
    cv2: Any,
    canvas: NDArray[np.uint8],
    sigmas: list[float],
    step: int,
    ratio: float,
    shape: tuple[int, int],
) -> NDArray[np.uint8]:
    """Soften a canvas and enlarge it to the crop, only where it was painted."""
    x_min, y_min, width, height = cv2.boundingRect(canvas)
    margin = int(4 * sum(sigmas)) + 2
    x, y = max(x_min - margin, 0), max(y_min - margin, 0)
    region = canvas[y : y_min + height + margin, x : x_min + width + margin]
    soft = cv2.convertScaleAbs(_soften(cv2, region, sigmas), alpha=ratio)
    if step > 1:
        size = (step * soft.shape[1], step * soft.shape[0])
        soft = cv2.resize(soft, size, interpolation=cv2.INTER_LINEAR)
    weights = np.zeros(shape, np.uint8)
    inside = weights[step * y : step * y + soft.shape[0], step * x : step * x + soft.shape[1]]
    inside[:] = soft[: inside.shape[0], : inside.shape[1]]
    return weights


def _fill_polygon(cv2: Any, canvas: NDArray[np.uint8], outline: NDArray, step: int) -> None:
    """Fill a polygon given in pixels of the crop on a canvas of every step-th pixel."""
    corners = ((outline + 0.5) / step - 0.5) * 2**_SUBPIXEL
    cv2.fillPoly(canvas, [np.rint(corners).astype(np.int32)], 255, shift=_SUBPIXEL)


def _soften(cv2: Any, canvas: NDArray[np.uint8], sigmas: list[float]) -> NDArray[np.float32]:
    """Blur, binarize and blur again; 0 for no blur."""
    first, second = sigmas
    weights = canvas.astype(np.float32)
    if first > 0:
        blurred = cv2.GaussianBlur(weights, (0, 0), first)
        binary = blurred > 250
        if np.count_nonzero(binary) < _MIN_AREA_RATIO * cv2.countNonZero(canvas):
            binary = blurred > 127  # pieces too small for this blur would vanish
        weights = np.where(binary, np.float32(255), np.float32(0)) if binary.any() else weights
    return cv2.GaussianBlur(weights, (0, 0), second) if second > 0 else weights


def _sigma_of(kernel: int) -> float:
    """Return the standard deviation that OpenCV takes for a kernel; 0 for no blur."""
    return 0.3 * ((kernel - 1) * 0.5 - 1) + 0.8 if kernel >= 3 else 0.0


def _elastic_field(cv2: Any, elastic: Record, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return smooth noise on a grid of cells of sigma pixels, (rows, columns, 2), in pixels.

    Uniform noise in [-1, 1] per pixel, smoothed with sigma and multiplied by alpha, has the
    standard deviation alpha / (sqrt(12 pi) sigma) and next to no detail finer than sigma, so that
    noise drawn per cell and smoothed over one cell has the same distribution.
    """
    alpha, sigma = elastic["alpha"], elastic["sigma"]
    rows, columns = (int(np.ceil(side / sigma)) + 7 for side in shape)
    rng = np.random.default_rng(elastic["seed"])
    noise = rng.standard_normal((rows, columns, 2), dtype=np.float32)
    spread = alpha / (np.sqrt(12 * np.pi) * sigma) / float((_SMOOTH**2).sum())
    return cv2.sepFilter2D(noise, -1, _SMOOTH, _SMOOTH) * np.float32(spread)


def _sample_field(
    cv2: Any, field: NDArray[np.float32], points: NDArray, cell: float
) -> NDArray[np.float32]:
    positions = (points / cell + 3).astype(np.float32)[:, None]
    return cv2.remap(field, positions, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)[:, 0]


def _subdivide(polygon: NDArray[np.float32]) -> Points:
    """Divide every side of a closed polygon."""
    sides = np.concatenate([polygon[1:], polygon[:1]]) - polygon
    return (polygon[:, None] + _DIVISIONS * sides[:, None]).reshape(-1, 2)
