"""Convert a decoded frame to an upright RGB image with square pixels."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from sklearn_diffake.images._decoding import OpenVideo, check_size, import_av

# FFmpeg's numbers of color matrices (AVColorSpace) and PyAV's names of them for swscale.
_MATRICES = {1: "ITU709", 4: "FCC", 7: "SMPTE240M", 9: "BT2020", 10: "BT2020"}
_MOST_STRETCHED = 16  # a larger aspect ratio of pixels counts as an error of the file


class Display(NamedTuple):
    """Geometry of a video's frames on display.

    Attributes
    ----------
    aspect_ratio : Fraction or None
        Width of a pixel, in heights of a pixel.
    matrix : ndarray of shape (9,), int32, or None
        Display matrix of ISO/IEC 14496-12, see `turn`.
    """

    aspect_ratio: Fraction | None
    matrix: np.ndarray | None


def read_display(video: OpenVideo, frame: Any) -> Display:
    """Read the display geometry of a video from its first frame.

    Only once per video: PyAV keeps a frame whose side data was read until Python's garbage
    collection, so reading it from every frame would fill the memory.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    turned = None if matrix is None else np.frombuffer(bytes(matrix), dtype="=i4")
    return Display(video.stream.sample_aspect_ratio, turned)


def to_image(frame: Any, display: Display) -> np.ndarray:
    """Convert a frame to RGB as players show it.

    Matrix (BT.601, BT.709, BT.2020) and range (limited, full) are those of the frame; the default
    is BT.601 and limited. More than 8 bits are reduced to 8. HDR (PQ, HLG) is not tone-mapped, so
    its pictures are pale. Interlaced frames are not deinterlaced. Transparent pixels are blended
    with white, as in images.

    Parameters
    ----------
    frame : av.VideoFrame
        Of any pixel format.
    display : Display
        The width of the image is scaled by the aspect ratio of pixels (bicubic), the height is
        kept.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        Rotated and mirrored by the display matrix of the file, after scaling.
    """
    width = _shown_width(frame, display.aspect_ratio)
    transparent = any(component.is_alpha for component in frame.format.components)
    transparent |= frame.format.has_palette
    converted = _convert(frame, width, "rgba" if transparent else "rgb24")
    image = converted.to_ndarray()
    image = flatten(image) if transparent else image
    return image if display.matrix is None else turn(image, display.matrix)


def _shown_width(frame: Any, aspect_ratio: Fraction | None) -> int:
    if not aspect_ratio or not 1 / _MOST_STRETCHED <= aspect_ratio <= _MOST_STRETCHED:
        return int(frame.width)
    width = max(round(frame.width * aspect_ratio), 1)
    check_size(width, frame.height)
    return width


def _convert(frame: Any, width: int, pixels: str) -> Any:
    """Convert and scale by swscale, with the color matrix and range of the frame."""
    reformatter = import_av().video.reformatter
    matrix = _MATRICES.get(int(frame.colorspace), "ITU601")
    if matrix not in reformatter.Colorspace.__members__:
        matrix = "ITU709"  # the nearest matrix of older versions
    ranges = reformatter.ColorRange
    return frame.reformat(
        width=width,
        format=pixels,
        src_colorspace=matrix,
        # no effect on RGB, but older PyAV applies the range only if the two matrices differ
        dst_colorspace="ITU601" if matrix != "ITU601" else "ITU709",
        src_color_range=ranges.JPEG if int(frame.color_range) == 2 else ranges.MPEG,
        dst_color_range=ranges.JPEG,
        interpolation="BICUBIC" if width != frame.width else None,
    )


def flatten(image: np.ndarray) -> np.ndarray:
    """Blend an RGBA image with white.

    Parameters
    ----------
    image : ndarray of shape (H, W, 4), uint8
        Not premultiplied.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
    """
    alpha = image[..., 3:].astype(np.uint16)
    if (alpha == 255).all():
        return np.ascontiguousarray(image[..., :3])
    mixed = (image[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return mixed.astype(np.uint8)


def turn(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Rotate and mirror an image by a display matrix, to the nearest right angle.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3)
        Any image.
    matrix : ndarray of shape (9,)
        Rows of the matrix by which (x, y, 1) is multiplied from the left, as in ISO/IEC 14496-12.

    Returns
    -------
    ndarray of shape (H, W, 3) or (W, H, 3)
        The upright image.
    """
    x_to_x, x_to_y, _, y_to_x, y_to_y = (int(value) for value in matrix[:5])
    if abs(x_to_y) > abs(x_to_x):  # rows become columns
        image, to_x, to_y = image.transpose(1, 0, 2), y_to_x, x_to_y
    else:
        to_x, to_y = x_to_x, y_to_y
    image = image[:: -1 if to_y < 0 else 1, :: -1 if to_x < 0 else 1]
    return np.ascontiguousarray(image)
