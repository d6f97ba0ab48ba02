"""68 landmarks of an aligned crop: a mean shape, fitted to the face by linear regression."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_diffake.faces._geometry import fit_similarity, template
from sklearn_diffake.generation._cv2 import cv2_on_one_thread
from sklearn_diffake.generation._dlib import dlib_landmarks

_SIDE = 24  # pixels of the coarse view of a face
_OVERSAMPLING = 4


@cache
def _model() -> dict[str, NDArray[np.float64]]:
    """Read the measured numbers; `benchmarks/training/mean_shape.py` made them."""
    with as_file(files(__package__).joinpath("mean_shape.npz")) as path, np.load(path) as numbers:
        return {name: numbers[name].astype(np.float64) for name in numbers}


def mean_shape(size: int, *, margin: float = 0.0) -> NDArray[np.float32]:
    """Return the mean of 68 landmarks over faces aligned by `FaceAligner`.

    Parameters
    ----------
    size : int
        Side of the crop in pixels.
    margin : float, default=0.0
        `margin` of the `FaceAligner` that made the crop.

    Returns
    -------
    ndarray of shape (68, 2), float32
        (x, y) in pixels: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, mouth 48-67.

    See Also
    --------
    fitted_shape : The mean shape, fitted to one face.
    dlib_landmarks : Landmarks found in the pixels.

    Examples
    --------
    >>> from sklearn_diffake.generation import mean_shape
    >>> mean_shape(224).shape
    (68, 2)
    """
    return _transform_shape(_model()["mean"], _crop_transform(size, margin))


def place_mean_shape(points: ArrayLike) -> NDArray[np.float32]:
    """Return 68 landmarks: the mean shape, aligned to five landmarks of a face (5, 2)."""
    return _transform_shape(_model()["mean"], fit_similarity(template(1, 0.0), np.asarray(points)))


def fitted_shape(
    crop: NDArray[np.uint8], *, margin: float = 0.0, points: ArrayLike | None = None
) -> NDArray[np.float32]:
    """Return 68 landmarks of an aligned crop: the mean shape, fitted to the face.

    The shape is aligned to the five landmarks of the face, where they are known, by the similarity
    that fits them best. A linear regression then moves its points. Its input are the residuals of
    the five landmarks (a long nose, a rotated head) and a coarse view of the face, 24 x 24 gray
    levels of mean 0 and variance 1. This is no detector: the crop must be aligned, or `points` be
    passed.

    Parameters
    ----------
    crop : ndarray of shape (S, S, 3), uint8
        RGB.
    margin : float, default=0.0
        `margin` of the `FaceAligner` that made the crop; not used with `points`.
    points : array-like of shape (5, 2), default=None
        Left eye, right eye, nose, left and right corner of the mouth in the crop, as in
        ``AlignedFaces.crop_landmarks``.

    Returns
    -------
    ndarray of shape (68, 2), float32
        (x, y) in pixels; points may lie outside the crop.

    Raises
    ------
    ValueError
        If `points` are not five finite points.

    See Also
    --------
    mean_shape : The shape before it is fitted.
    dlib_landmarks : Landmarks found in the pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.generation import fitted_shape
    >>> fitted_shape(np.full((64, 64, 3), 127, dtype=np.uint8)).shape
    (68, 2)
    """
    model = _model()
    features, transform = regression_input(crop, margin=margin, points=points)
    name = "pixels" if points is None else "points"
    offsets = (features - model[f"{name}_usual"]) @ model[f"{name}_in"] @ model[f"{name}_out"]
    return _transform_shape(model["mean"] + offsets.reshape(68, 2), transform)


def regression_input(
    crop: NDArray[np.uint8], *, margin: float, points: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the input of the regression of `fitted_shape`.

    Returns
    -------
    features : ndarray of shape (576,) or (586,), float64
        Gray levels; then, with `points`, their residuals, in per cent of the ArcFace crop.
    transform : ndarray of shape (2, 3), float64
        Similarity from fractions of the ArcFace crop to pixels.
    """
    if points is None:
        transform = _crop_transform(len(crop), margin)
        return _coarse_view(crop, transform), transform
    five_points = np.asarray(points, dtype=np.float64)
    if five_points.shape != (5, 2) or not np.isfinite(five_points).all():
        raise ValueError(
            f"points must be five finite points (x, y), got shape {five_points.shape}."
        )
    canonical = template(1, 0.0)
    transform = fit_similarity(canonical, five_points)
    residuals = (five_points - transform[:, 2]) @ np.linalg.inv(transform[:, :2]).T - canonical
    return np.concatenate([_coarse_view(crop, transform), 100 * residuals.ravel()]), transform


def _crop_transform(size: int, margin: float) -> NDArray[np.float64]:
    scale = size / (1 + 2 * margin)
    return np.array([[scale, 0, scale * margin], [0, scale, scale * margin]])


def _transform_shape(shape: NDArray, transform: NDArray) -> NDArray[np.float32]:
    return (shape @ transform[:, :2].T + transform[:, 2]).astype(np.float32)


def _coarse_view(crop: NDArray[np.uint8], transform: NDArray) -> NDArray[np.float64]:
    """Return the ArcFace crop within a crop as a few gray levels of mean 0 and variance 1."""
    side = _OVERSAMPLING * _SIDE
    matrix = np.column_stack([transform[:, :2] / side, transform[:, 2]])
    with cv2_on_one_thread() as cv2:
        gray = cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_RGB2GRAY).astype(np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        face = cv2.warpAffine(
            gray, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        view = cv2.resize(face, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).ravel()
    view = view.astype(np.float64) - view.mean()
    return view / max(view.std(), 1.0)


def place_landmarks(
    crops: Any, *, landmarks: str, margin: float, points: ArrayLike | None = None
) -> NDArray[np.float32]:
    """Return the 68 landmarks of every crop.

    Parameters
    ----------
    crops : array or sequence of n crops of shape (S, S, 3), uint8
    landmarks : {"mean-shape", "dlib"}
    margin : float
    points : array-like of shape (n, 5, 2) or (n, 68, 2), default=None
        Known landmarks; 68 are used as they are, whatever `landmarks` is.

    Returns
    -------
    ndarray of shape (n, 68, 2), float32
    """
    n = len(crops)
    if points is not None:
        points = np.asarray(points, dtype=np.float32)
        if points.shape not in ((n, 5, 2), (n, 68, 2)):
            raise ValueError(
                f"points must have shape ({n}, 5, 2) or ({n}, 68, 2), got {points.shape}."
            )
        missing_rows = np.flatnonzero(~np.isfinite(points).all((1, 2)))
        if missing_rows.size:
            raise ValueError(
                f"points must be finite, got NaN or infinity in row {missing_rows[0]} and in "
                f"{missing_rows.size - 1} more rows: no face was found there. Leave these rows out."
            )
        if points.shape[1] == 68:
            return points
    if landmarks == "dlib":
        return np.stack([dlib_landmarks(crops[i], margin=margin) for i in range(n)])
    return np.stack(
        [
            fitted_shape(crops[i], margin=margin, points=None if points is None else points[i])
            for i in range(n)
        ]
    )
