"""Similarity transforms that map a face to its canonical position."""

import numpy as np
from numpy.typing import ArrayLike

#: Five landmarks of the ArcFace crop of 112 x 112 pixels (Deng et al., CVPR 2019): left eye,
#: right eye, nose tip, left and right corner of the mouth.
ARCFACE_LANDMARKS = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
_ARCFACE_SIZE = 112
_FARTHEST = 4.0  # sides of the crop; larger values are probably pixels


def template(size: int, margin: float, landmarks: ArrayLike | None = None) -> np.ndarray:
    """Return the positions of the five landmarks in a canonical crop.

    Parameters
    ----------
    size : int
        Side of the crop in pixels.
    margin : float
        Border around the crop on each side, as a fraction of its side without border.
    landmarks : array-like of shape (5, 2), default=None
        (x, y) of the landmarks in the crop without margin, as fractions of its side; None is the
        ArcFace crop.

    Returns
    -------
    ndarray of shape (5, 2), float64
        (x, y) in pixels.

    Raises
    ------
    ValueError
        If `landmarks` are not five finite points, or all are equal.
    """
    points = ARCFACE_LANDMARKS / _ARCFACE_SIZE if landmarks is None else _five_points(landmarks)
    return (points + margin) / (1 + 2 * margin) * size


def _five_points(landmarks: ArrayLike) -> np.ndarray:
    try:
        points = np.asarray(landmarks, dtype=np.float64)
    except (TypeError, ValueError):
        points = np.empty(0)
    is_usable = (
        points.shape == (5, 2) and np.isfinite(points).all() and np.ptp(points, axis=0).any()
    )
    if not is_usable or np.abs(points).max() > _FARTHEST:
        raise ValueError(
            "landmarks must be (x, y) of left eye, right eye, nose tip, left and right corner of "
            f"the mouth, as fractions of the side of the crop, got {landmarks!r}"
        )
    return points


def fit_similarity(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Fit rotation, scale and shift that map points to targets, by least squares.

    With x' = a x - b y + c and y' = b x + a y + d the problem is linear in (a, b, c, d).

    Parameters
    ----------
    points, targets : ndarray of shape (k, 2), k >= 2
        (x, y) coordinates.

    Returns
    -------
    ndarray of shape (2, 3), float64
        The matrix [[a, -b, c], [b, a, d]].
    """
    x, y = np.asarray(points, dtype=np.float64).T
    constant, zeros = np.ones_like(x), np.zeros_like(x)
    system = np.concatenate(
        [np.stack([x, -y, constant, zeros], 1), np.stack([y, x, zeros, constant], 1)]
    )
    a, b, c, d = np.linalg.lstsq(system, np.asarray(targets, float).T.ravel(), rcond=None)[0]
    return np.array([[a, -b, c], [b, a, d]])


def center_square(shape: tuple[int, ...], size: int) -> np.ndarray:
    """Return the matrix that maps the largest central square of an image to a crop."""
    height, width = shape[:2]
    scale = size / min(height, width)
    return np.array(
        [[scale, 0, (size - scale * width) / 2], [0, scale, (size - scale * height) / 2]]
    )


def warp(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Cut a square crop from an image; average pixels first if the scale is 1/2 or less.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        The image.
    matrix : ndarray of shape (2, 3)
        Affine map from the image's pixels to the crop's.
    size : int
        Side of the crop.

    Returns
    -------
    ndarray of shape (size, size, 3), uint8
        The crop; black outside of the image.
    """
    from PIL import Image

    factor = max(1, int(1 / np.sqrt(abs(np.linalg.det(matrix[:, :2]))) + 1e-6))
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    left, top, right, bottom = _visible_box(inverse, size, factor, image.shape)
    photo = Image.fromarray(image[top:bottom, left:right])
    if factor > 1:
        photo = photo.reduce(factor)
    inverse[:, 2] -= left, top
    crop = photo.transform(
        (size, size),
        Image.Transform.AFFINE,
        tuple((inverse / factor).ravel()),
        resample=Image.Resampling.BICUBIC,
    )
    return np.asarray(crop)


def _visible_box(
    inverse: np.ndarray, size: int, factor: int, shape: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """Return the box of the image that a crop depends on: left, top, right, bottom.

    It starts at a multiple of ``factor``, so that the same pixels are averaged as in the whole
    image.
    """
    corners = inverse @ [[0, size, 0, size], [0, 0, size, size], [1, 1, 1, 1]]
    border = 4 * factor  # a bicubic filter uses two averaged pixels on each side
    limit = np.array(shape[1::-1])
    first = np.floor((corners.min(axis=1) - border) / factor) * factor
    first = np.clip(first, 0, (limit - 1) // factor * factor).astype(int)
    last = np.clip(np.ceil(corners.max(axis=1) + border), first + 1, limit).astype(int)
    return first[0], first[1], last[0], last[1]
