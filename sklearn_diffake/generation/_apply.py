"""Apply a drawn record to a face crop."""

from __future__ import annotations

from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_diffake.faces._geometry import fit_similarity
from sklearn_diffake.generation._artifacts import change_detail, jpeg
from sklearn_diffake.generation._color import match_colors, shift_color
from sklearn_diffake.generation._cv2 import cv2_on_one_thread
from sklearn_diffake.generation._degradation import degrade, match_sharpness, move
from sklearn_diffake.generation._masks import render_mask
from sklearn_diffake.generation._techniques import TECHNIQUES

Record = dict[str, Any]
Image = NDArray[np.uint8]
Box = tuple[int, int, int, int]  # left, top, right, bottom

_OLD_KEYS = {
    "colour": "color",  # codespell:ignore
    "artefact": "artifact",  # codespell:ignore
    "colour_transfer": "color_transfer",
}
_MASK_MARGIN = 8  # pixels around the mask that filters may look at


def apply(
    record: Record,
    crop: Image,
    landmarks: ArrayLike,
    donor: Image | None = None,
    donor_landmarks: ArrayLike | None = None,
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
    donor : ndarray of shape (H', W', 3), uint8, default=None
        Crop of another identity, for the techniques that need a donor.
    donor_landmarks : array-like of shape (68, 2), default=None
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

    See Also
    --------
    draw : Draws the record.
    apply_pair : Makes the genuine counterpart, too.

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
    _, fake, mask = apply_pair(record, crop, landmarks, donor, donor_landmarks)
    return fake, mask


def apply_pair(
    record: Record,
    crop: Image,
    landmarks: ArrayLike,
    donor: Image | None = None,
    donor_landmarks: ArrayLike | None = None,
) -> tuple[Image, Image, Image]:
    """Make the pseudo-deepfake that a record describes, and its genuine counterpart.

    Where the target and not the source was changed in color and detail, the changed target is
    the genuine image, so that the two differ by the blend alone. An augmentation is applied to
    both alike.

    Parameters
    ----------
    record : dict
        Drawn by `draw`.
    crop : ndarray of shape (H, W, 3), uint8
        RGB crop of a genuine face.
    landmarks : array-like of shape (68, 2)
        (x, y) in pixels of the crop.
    donor : ndarray of shape (H', W', 3), uint8, default=None
        Crop of another identity, for the techniques that need a donor.
    donor_landmarks : array-like of shape (68, 2), default=None
        Its landmarks; None for those of `crop`.

    Returns
    -------
    real : ndarray of shape (H, W, 3), uint8
        Equal to the fake wherever the mask is zero, unless the record augments both images or
        matches the sharpness of the genuine one. Where they are blended in video colors, pixels
        next to the mask differ too.
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
    record = _american_keys(record)
    points = _check_face(crop, landmarks, "crop", "landmarks")
    if TECHNIQUES[record["technique"]].needs_donor:
        if donor is None:
            raise ValueError(
                f"donor must be the crop of another identity for {record['technique']!r}, got None."
            )
        donor_points = _check_face(
            donor, points if donor_landmarks is None else donor_landmarks, "donor",
            "donor_landmarks",
        )  # fmt: skip
    else:
        donor, donor_points = crop, points
    with cv2_on_one_thread() as cv2:
        real, fake, mask = _blend(cv2, record, crop, points, donor, donor_points)
        if record.get("match_sharpness"):
            real = match_sharpness(cv2, real, fake, mask)
        if record["augment"] is not None:
            real, fake, mask = _augment(cv2, record["augment"], real, fake, mask)
    return real, fake, mask


def _american_keys(record: Record) -> Record:
    """Return a record with today's keys; records of 0.1 have British ones."""
    renamed = {_OLD_KEYS.get(key, key): value for key, value in record.items()}
    for name in ("shift", "augment"):
        if renamed.get(name) is not None:
            renamed[name] = {_OLD_KEYS.get(key, key): value for key, value in renamed[name].items()}
    return renamed


def _blend(
    cv2: Any, record: Record, target: Image, points: NDArray, source: Image, source_points: NDArray
) -> tuple[Image, Image, Image]:
    geometry = _geometry_matrix(record["geometry"], target.shape)
    matrix, moved_points = geometry, None
    if TECHNIQUES[record["technique"]].needs_donor:
        matrix = fit_similarity(source_points, points)
        moved_points = source_points @ matrix[:, :2].T + matrix[:, 2]
    mask = render_mask(cv2, record["mask"], points, geometry, target.shape[:2], moved_points)
    left, top, width, height = cv2.boundingRect(mask)
    if not width:
        raise ValueError(
            f"landmarks must lie in the crop, of shape {target.shape}, where the mask "
            f"{record['mask']['family']!r} would touch it."
        )
    box = _widen((left, top, left + width, top + height), _MASK_MARGIN, target.shape)
    shift = record["shift"]
    if shift is not None and shift["side"] == "target":
        target = _apply_shift(cv2, target, shift)
        shift = None
    inside = np.s_[box[1] : box[3], box[0] : box[2]]
    patch = _source_patch(cv2, source, shift, matrix, box)
    patch, weight = _add_artifacts(cv2, record, patch, target[inside], mask[inside])
    if record.get("blending") == "yuv420":
        source, weights = target.copy(), np.zeros_like(mask)
        source[inside], weights[inside] = patch, weight
        return *_blend_in_video_colors(cv2, source, target, weights), mask
    fake = target.copy()
    fake[inside] = _mix_by_weight(cv2, patch, target[inside], cv2.merge([weight] * 3))
    return target, fake, mask


def _add_artifacts(
    cv2: Any, record: Record, patch: Image, target: Image, mask: Image
) -> tuple[Image, Image]:
    """Add the artifacts to the patch; return it and its weight in the target."""
    if record["color_transfer"] is not None:
        patch = match_colors(cv2, patch, target, mask, record["color_transfer"])
    apply_artifact = TECHNIQUES[record["technique"]].apply
    if apply_artifact is not None:
        patch = apply_artifact(cv2, patch, record["artifact"], mask)
    if record["bands"]:  # blended in the inner half of the edge, faded out in the outer half
        inner = np.clip(mask * np.float32(2 / 255) - 1, 0, 1)
        patch = _blend_bands(cv2, patch, target, inner, record["bands"])
        mask = cv2.add(mask, mask)
    return patch, mask


def _mix_by_weight(cv2: Any, source: Image, target: Image, weight: Image) -> Image:
    """Return the mean of two images of one shape under weights up to 255."""
    difference = cv2.subtract(source, target, dtype=cv2.CV_16S)
    difference = cv2.multiply(difference, weight.astype(np.int16), scale=1 / 255)
    return cv2.add(target, difference, dtype=cv2.CV_8U)


def _blend_in_video_colors(
    cv2: Any, source: Image, target: Image, weight: Image
) -> tuple[Image, Image]:
    """Blend in limited-range YUV 4:2:0 (BT.601); return the target and the blend as RGB."""
    height, width = weight.shape
    pad = (0, -height % 4, 0, width % 2)  # the planes below are rows of one array
    source, target, weight = (
        cv2.copyMakeBorder(image, *pad, cv2.BORDER_REPLICATE) for image in (source, target, weight)
    )
    planes = [cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420) for image in (source, target)]
    half = cv2.resize(weight, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    half = half.reshape(-1, weight.shape[1])
    blend = _mix_by_weight(cv2, planes[0], planes[1], np.concatenate([weight, half, half]))
    real, fake = (
        np.ascontiguousarray(cv2.cvtColor(image, cv2.COLOR_YUV2RGB_I420)[:height, :width])
        for image in (planes[1], blend)
    )
    return real, fake


def _apply_shift(cv2: Any, image: Image, shift: Record) -> Image:
    if shift["color"] is not None:
        image = shift_color(cv2, image, shift["color"])
    if shift["detail"] is not None:
        image = change_detail(cv2, image, shift["detail"])
    return image


def _source_patch(
    cv2: Any, source: Image, shift: Record | None, matrix: NDArray | None, box: Box
) -> Image:
    """Shift the region of the source that covers a box of the target, and warp it into the box."""
    size = (box[2] - box[0], box[3] - box[1])
    origin = box if matrix is None else _preimage(matrix, box, source.shape)
    source_patch = np.ascontiguousarray(source[origin[1] : origin[3], origin[0] : origin[2]])
    if shift is not None:
        source_patch = _apply_shift(cv2, source_patch, shift)
    if matrix is None:
        return source_patch
    local = matrix.copy()
    local[:, 2] += matrix[:, :2] @ origin[:2] - box[:2]
    source_patch = cv2.cvtColor(
        source_patch, cv2.COLOR_RGB2RGBA
    )  # with four channels warping is faster
    warped = cv2.warpAffine(source_patch, local, size, borderMode=cv2.BORDER_REPLICATE)
    return cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB)


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


def _blend_bands(cv2: Any, source: Image, target: Image, weight: NDArray, bands: int) -> Image:
    """Blend coarse structure over wide seams and fine structure over narrow ones.

    After Burt and Adelson, "A Multiresolution Spline with Application to Image Mosaics", ACM
    Transactions on Graphics 1983: differences of source and target, level by level.
    """
    finest = source.astype(np.float32) - target
    levels = [(finest, weight)]
    for _ in range(bands - 1):
        if min(levels[-1][0].shape[:2]) < 8:
            break
        levels.append(tuple(cv2.pyrDown(level) for level in levels[-1]))
    difference = levels[-1][0] * levels[-1][1][..., None]
    for (fine, mask), (coarse, _) in zip(levels[-2::-1], levels[:0:-1], strict=True):
        size = (fine.shape[1], fine.shape[0])
        detail = fine - cv2.pyrUp(coarse, dstsize=size)
        difference = cv2.pyrUp(difference, dstsize=size) + detail * mask[..., None]
    return cv2.add(target, difference, dtype=cv2.CV_8U)


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
        if augmentation["color"] is not None:
            image = shift_color(cv2, image, augmentation["color"])
        if augmentation["jpeg"] is not None:
            image = jpeg(cv2, image, augmentation["jpeg"])
        return image if video is None else degrade(cv2, video, image)

    if views[1] is not None:
        mask = move(cv2, mask, views[1])
    mask = cv2.flip(mask, 1) if augmentation["flip"] else mask
    return change(real, views[0]), change(fake, views[1]), mask


def _geometry_matrix(geometry: Record | None, shape: tuple[int, ...]) -> NDArray | None:
    """Scale about the center of the crop, then translate."""
    if geometry is None:
        return None
    height, width = shape[:2]
    scale, (dx, dy) = geometry["scale"], geometry["shift"]
    x, y = (1 - scale) * width / 2 + dx * width, (1 - scale) * height / 2 + dy * height
    return np.array([[scale, 0, x], [0, scale, y]])


def _widen(box: Box, margin: int, shape: tuple[int, ...]) -> Box:
    left, top, right, bottom = box
    height, width = shape[:2]
    start = max(left - margin, 0), max(top - margin, 0)
    return *start, min(right + margin, width), min(bottom + margin, height)


def _check_face(
    image: Any, landmarks: ArrayLike, name: str, points_name: str
) -> NDArray[np.float32]:
    """Raise an error unless this is an RGB image with 68 landmarks; return the landmarks."""
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
