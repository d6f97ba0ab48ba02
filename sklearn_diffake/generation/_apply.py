"""A drawn record and a face crop become a pseudo-deepfake."""

from __future__ import annotations

from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..faces._geometry import fit_similarity
from ._artefacts import change_detail, jpeg
from ._colour import match_colours, shift_colour
from ._cv2 import one_thread
from ._degradation import degrade, match_sharpness, move
from ._masks import render_mask
from ._techniques import TECHNIQUES

Record = dict[str, Any]
Image = NDArray[np.uint8]
Box = tuple[int, int, int, int]  # left, top, right, bottom

_ROOM = 8  # pixels around the mask that filters may look at


def apply(
    record: Record,
    crop: Image,
    landmarks: ArrayLike,
    other: Image | None = None,
    other_landmarks: ArrayLike | None = None,
) -> tuple[Image, Image]:
    """Make the pseudo-deepfake that a record describes.

    Parameters
    ----------
    record : dict
        Drawn by `draw`.
    crop : ndarray of shape (H, W, 3), uint8
        RGB crop of a genuine face.
    landmarks : array-like of shape (68, 2)
        (x, y) in pixels of the crop.
    other : ndarray of shape (H', W', 3), uint8, default=None
        Crop of another identity, for the techniques that need a donor.
    other_landmarks : array-like of shape (68, 2), default=None
        Its landmarks; None for those of `crop`.

    Returns
    -------
    fake : ndarray of shape (H, W, 3), uint8
        The same record and input give the same bytes.
    mask : ndarray of shape (H, W), uint8
        Weight of the source in the fake, 255 for all of it.

    Raises
    ------
    ValueError
        If an input has the wrong shape or type, the landmarks lie outside the crop, or the donor
        is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.generation import apply, draw, mean_shape
    >>> crop = np.full((112, 112, 3), 127, dtype=np.uint8)
    >>> record = draw(np.random.default_rng(0), "difffake")
    >>> fake, mask = apply(record, crop, mean_shape(112))
    >>> fake.shape, mask.shape
    ((112, 112, 3), (112, 112))
    """
    _, fake, mask = apply_pair(record, crop, landmarks, other, other_landmarks)
    return fake, mask


def apply_pair(
    record: Record,
    crop: Image,
    landmarks: ArrayLike,
    other: Image | None = None,
    other_landmarks: ArrayLike | None = None,
) -> tuple[Image, Image, Image]:
    """Make the pseudo-deepfake that a record describes, and the genuine image beside it.

    Where the target and not the source was changed in colour and detail, the changed target is
    the genuine image, so that the two differ by the blend alone; an augmentation is applied to
    both alike.

    Parameters
    ----------
    record : dict
        Drawn by `draw`.
    crop : ndarray of shape (H, W, 3), uint8
        RGB crop of a genuine face.
    landmarks : array-like of shape (68, 2)
        (x, y) in pixels of the crop.
    other : ndarray of shape (H', W', 3), uint8, default=None
        Crop of another identity, for the techniques that need a donor.
    other_landmarks : array-like of shape (68, 2), default=None
        Its landmarks; None for those of `crop`.

    Returns
    -------
    real : ndarray of shape (H, W, 3), uint8
        Equal to the fake wherever the mask is zero; not so where the record augments both, or
        matches the sharpness of this one. Blended in video colors, pixels next to the mask differ
        too.
    fake : ndarray of shape (H, W, 3), uint8
        The pseudo-deepfake.
    mask : ndarray of shape (H, W), uint8
        Weight of the source in the fake, 255 for all of it.

    Raises
    ------
    ValueError
        If an input has the wrong shape or type, the landmarks lie outside the crop, or the donor
        is missing.

    See Also
    --------
    apply : The fake and its mask alone.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_diffake.generation import apply_pair, draw, mean_shape
    >>> crop = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    >>> record = draw(np.random.default_rng(0), "difffake")
    >>> real, fake, mask = apply_pair(record, crop, mean_shape(112))
    >>> bool((real[mask == 0] == fake[mask == 0]).all())
    True
    """
    points = _check(crop, landmarks, "crop", "landmarks")
    if TECHNIQUES[record["technique"]].needs_donor:
        if other is None:
            raise ValueError(f"{record['technique']} needs the crop of another identity.")
        other_points = _check(
            other, points if other_landmarks is None else other_landmarks, "other",
            "other_landmarks",
        )  # fmt: skip
    else:
        other, other_points = crop, points
    with one_thread() as cv2:
        real, fake, mask = _blend(cv2, record, crop, points, other, other_points)
        if record.get("match_sharpness"):
            real = match_sharpness(cv2, real, fake, mask)
        if record["augment"] is not None:
            real, fake, mask = _augment(cv2, record["augment"], real, fake, mask)
    return real, fake, mask


def _blend(
    cv2: Any, record: Record, target: Image, points: NDArray, source: Image, source_points: NDArray
) -> tuple[Image, Image, Image]:
    moved = _geometry_matrix(record["geometry"], target.shape)
    matrix, within = moved, None
    if TECHNIQUES[record["technique"]].needs_donor:
        matrix = fit_similarity(source_points, points)
        within = source_points @ matrix[:, :2].T + matrix[:, 2]
    mask = render_mask(cv2, record["mask"], points, moved, target.shape[:2], within)
    left, top, width, height = cv2.boundingRect(mask)
    if not width:
        raise ValueError(
            f"The mask {record['mask']['family']!r} does not touch the crop of shape "
            f"{target.shape}: its landmarks lie outside."
        )
    box = _widen((left, top, left + width, top + height), _ROOM, target.shape)
    shift = record["shift"]
    if shift is not None and shift["side"] == "target":
        target = _change(cv2, target, shift)
        shift = None
    inside = np.s_[box[1] : box[3], box[0] : box[2]]
    patch = _source_patch(cv2, source, shift, matrix, box)
    patch, weight = _finish(cv2, record, patch, target[inside], mask[inside])
    if record.get("blending") == "yuv420":
        source, whole = target.copy(), np.zeros_like(mask)
        source[inside], whole[inside] = patch, weight
        return *_mix_video_colors(cv2, source, target, whole), mask
    fake = target.copy()
    fake[inside] = _mix(cv2, patch, target[inside], cv2.merge([weight] * 3))
    return target, fake, mask


def _finish(
    cv2: Any, record: Record, patch: Image, target: Image, mask: Image
) -> tuple[Image, Image]:
    """Give the patch its artefacts; return it, and its weight in the target."""
    if record["colour_transfer"] is not None:
        patch = match_colours(cv2, patch, target, mask, record["colour_transfer"])
    change = TECHNIQUES[record["technique"]].apply
    if change is not None:
        patch = change(cv2, patch, record["artefact"], mask)
    if record["bands"]:  # joined in the inner half of the edge, faded out in the outer half
        inner = np.clip(mask * np.float32(2 / 255) - 1, 0, 1)
        patch = _join_bands(cv2, patch, target, inner, record["bands"])
        mask = cv2.add(mask, mask)
    return patch, mask


def _mix(cv2: Any, source: Image, target: Image, weight: Image) -> Image:
    """Return the mean of two images of one shape under weights up to 255."""
    change = cv2.subtract(source, target, dtype=cv2.CV_16S)
    change = cv2.multiply(change, weight.astype(np.int16), scale=1 / 255)
    return cv2.add(target, change, dtype=cv2.CV_8U)


def _mix_video_colors(cv2: Any, source: Image, target: Image, weight: Image) -> tuple[Image, Image]:
    """Blend in limited-range YUV 4:2:0 (BT.601); return the target and the blend as RGB."""
    height, width = weight.shape
    pad = (0, -height % 4, 0, width % 2)  # the planes below are rows of one array
    source, target, weight = (
        cv2.copyMakeBorder(image, *pad, cv2.BORDER_REPLICATE) for image in (source, target, weight)
    )
    planes = [cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420) for image in (source, target)]
    half = cv2.resize(weight, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    half = half.reshape(-1, weight.shape[1])
    blend = _mix(cv2, planes[0], planes[1], np.concatenate([weight, half, half]))
    real, fake = (
        np.ascontiguousarray(cv2.cvtColor(image, cv2.COLOR_YUV2RGB_I420)[:height, :width])
        for image in (planes[1], blend)
    )
    return real, fake


def _change(cv2: Any, image: Image, shift: Record) -> Image:
    if shift["colour"] is not None:
        image = shift_colour(cv2, image, shift["colour"])
    if shift["detail"] is not None:
        image = change_detail(cv2, image, shift["detail"])
    return image


def _source_patch(
    cv2: Any, source: Image, shift: Record | None, matrix: NDArray | None, box: Box
) -> Image:
    """Change the part of the source that lands in a box of the target, and bring it there."""
    size = (box[2] - box[0], box[3] - box[1])
    origin = box if matrix is None else _preimage(matrix, box, source.shape)
    part = np.ascontiguousarray(source[origin[1] : origin[3], origin[0] : origin[2]])
    if shift is not None:
        part = _change(cv2, part, shift)
    if matrix is None:
        return part
    local = matrix.copy()
    local[:, 2] += matrix[:, :2] @ origin[:2] - box[:2]
    part = cv2.cvtColor(part, cv2.COLOR_RGB2RGBA)  # with four channels warping is faster
    moved = cv2.warpAffine(part, local, size, borderMode=cv2.BORDER_REPLICATE)
    return cv2.cvtColor(moved, cv2.COLOR_RGBA2RGB)


def _preimage(matrix: NDArray, box: Box, shape: tuple[int, ...]) -> Box:
    """Return the box of the source that covers a box of the target, within the source."""
    (a, b, c), (d, e, f) = matrix.tolist()
    area = a * e - b * d
    corners = [(x - c, y - f) for x in (box[0], box[2]) for y in (box[1], box[3])]
    xs = [(e * x - b * y) / area for x, y in corners]
    ys = [(a * y - d * x) / area for x, y in corners]
    left, top = max(floor(min(xs)) - 2, 0), max(floor(min(ys)) - 2, 0)
    left, top = min(left, shape[1] - 1), min(top, shape[0] - 1)
    right = min(max(ceil(max(xs)) + 3, left + 1), shape[1])
    return left, top, right, min(max(ceil(max(ys)) + 3, top + 1), shape[0])


def _join_bands(cv2: Any, source: Image, target: Image, weight: NDArray, bands: int) -> Image:
    """Blend coarse structure over wide seams and fine structure over narrow ones.

    After Burt and Adelson, "A Multiresolution Spline with Application to Image Mosaics", ACM
    Transactions on Graphics 1983: differences of source and target, level by level.
    """
    change = source.astype(np.float32) - target
    levels = [(change, weight)]
    for _ in range(bands - 1):
        if min(levels[-1][0].shape[:2]) < 8:
            break
        levels.append(tuple(cv2.pyrDown(level) for level in levels[-1]))
    joined = levels[-1][0] * levels[-1][1][..., None]
    for (fine, mask), (coarse, _) in zip(levels[-2::-1], levels[:0:-1], strict=True):
        size = (fine.shape[1], fine.shape[0])
        detail = fine - cv2.pyrUp(coarse, dstsize=size)
        joined = cv2.pyrUp(joined, dstsize=size) + detail * mask[..., None]
    return cv2.add(target, joined, dtype=cv2.CV_8U)


def _augment(
    cv2: Any, augmentation: Record, real: Image, fake: Image, mask: Image
) -> tuple[Image, Image, Image]:
    views = augmentation.get("views") or (None, None)
    video = augmentation.get("video")

    def change(image: Image, view: Record | None) -> Image:
        if view is not None:
            image = move(cv2, image, view)
        if augmentation["flip"]:
            image = cv2.flip(image, 1)
        if augmentation["colour"] is not None:
            image = shift_colour(cv2, image, augmentation["colour"])
        if augmentation["jpeg"] is not None:
            image = jpeg(cv2, image, augmentation["jpeg"])
        return image if video is None else degrade(cv2, video, image)

    if views[1] is not None:
        mask = move(cv2, mask, views[1])
    mask = cv2.flip(mask, 1) if augmentation["flip"] else mask
    return change(real, views[0]), change(fake, views[1]), mask


def _geometry_matrix(geometry: Record | None, shape: tuple[int, ...]) -> NDArray | None:
    """Scale about the centre of the crop, then translate."""
    if geometry is None:
        return None
    height, width = shape[:2]
    scale, (dx, dy) = geometry["scale"], geometry["shift"]
    x, y = (1 - scale) * width / 2 + dx * width, (1 - scale) * height / 2 + dy * height
    return np.array([[scale, 0, x], [0, scale, y]])


def _widen(box: Box, room: int, shape: tuple[int, ...]) -> Box:
    left, top, right, bottom = box
    height, width = shape[:2]
    start = max(left - room, 0), max(top - room, 0)
    return *start, min(right + room, width), min(bottom + room, height)


def _check(image: Any, landmarks: ArrayLike, name: str, points_name: str) -> NDArray[np.float32]:
    """Refuse what is not an RGB image with 68 landmarks; return these."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = getattr(image, "dtype", type(image).__name__)
        raise ValueError(f"{name} must be a uint8 array of levels 0 to 255, got {kind}.")
    if image.ndim != 3 or image.shape[2] != 3 or min(image.shape) < 1:
        raise ValueError(f"{name} must have shape (H, W, 3), RGB, got {image.shape}.")
    points = np.asarray(landmarks, dtype=np.float32)
    if points.shape != (68, 2) or not np.isfinite(points).all():
        raise ValueError(
            f"{points_name} must be 68 finite points (x, y), got an array of shape {points.shape}."
        )
    return points
