"""Edits of a face without OpenCV, for the rendered faces and the demo.

Pseudo-deepfakes are made with OpenCV, because training makes new ones for every step and OpenCV is
two to nine times as fast. What determines the appearance of a fake is shared:
outlines of masks, transfer of colors, grid of a decoder.

Images are (H, W, 3) uint8 RGB; points are (k, 2), x and y in pixels; lengths are pixels.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.generation._artifacts import decoder_gain
from sklearn_diffake.generation._color import transfer_table

Image8 = NDArray[np.uint8]
Map = NDArray[np.floating]
Points = NDArray[np.floating]

_NODE_DISTANCE = 4  # pixels between the positions for which a warp is computed


def blend(image: Image8, source: Image8, mask: Image8) -> Image8:
    """Blend a source into an image; a mask (H, W) of 255 takes all of the source, of 0 nothing."""
    weight = mask[..., None].astype(np.float32) / 255
    return (image + (source.astype(np.float32) - image) * weight + np.float32(0.5)).astype(np.uint8)


def paint_mask(
    faces: Sequence[Sequence[Points]], shape: tuple[int, int], *, feather: float, ratio: float = 1.0
) -> Image8:
    """Paint the convex hulls of pieces, and soften their edges.

    Parameters
    ----------
    faces : sequence of sequence of ndarray of shape (k, 2)
        Pieces of one face or of several, for example of `outlines`. The mask is the intersection
        of all faces.
    shape : (int, int)
        Height and width.
    feather : float
        Standard deviation of the blur.
    ratio : float, default=1.0
        Weight of the source inside.
    """
    from PIL import ImageChops, ImageFilter

    mask, *further_masks = [_fill_hulls(pieces, shape) for pieces in faces]
    for further_mask in further_masks:
        mask = ImageChops.darker(mask, further_mask)
    soft = mask.filter(ImageFilter.GaussianBlur(feather))
    return np.asarray(soft.point([round(level * ratio) for level in range(256)]))


def _fill_hulls(pieces: Sequence[Points], shape: tuple[int, int]) -> Any:
    from PIL import Image, ImageDraw
    from scipy.spatial import ConvexHull

    canvas = Image.new("L", shape[::-1])
    for piece in pieces:
        hull = piece[ConvexHull(piece).vertices]
        ImageDraw.Draw(canvas).polygon([(float(x), float(y)) for x, y in hull], fill=255)
    return canvas


def move_image(image: Image8, matrix: NDArray[np.float64]) -> Image8:
    """Move an image by an affine map (2, 3) of its pixels; black outside of the image."""
    from PIL import Image

    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    inverse[:, 2] += 0.5 - inverse[:, :2] @ [0.5, 0.5]  # Pillow counts from the corners of pixels
    transformed = Image.fromarray(image).transform(
        image.shape[1::-1], Image.Transform.AFFINE, tuple(inverse.ravel()),
        Image.Resampling.BILINEAR,
    )  # fmt: skip
    return np.asarray(transformed)


def warp_by_points(image: Image8, points: Points, moves: Points, width: float) -> Image8:
    """Warp an image so that points move, and their surroundings with them.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
    points, moves : ndarray of shape (k, 2)
        Positions after the warp, and the displacements that lead to them.
    width : float
        Standard deviation of the influence of a point.
    """
    height, columns = image.shape[:2]
    dx, dy = _spread_moves(points, moves, width, (height, columns))
    u = np.clip(np.arange(columns, dtype=np.float32)[None, :] - dx, 0, columns - 1.001)
    v = np.clip(np.arange(height, dtype=np.float32)[:, None] - dy, 0, height - 1.001)
    planes = interpolate(image.transpose(2, 0, 1).astype(np.float32), u, v)
    return (planes + 0.5).astype(np.uint8).transpose(1, 2, 0)


def _spread_moves(
    points: Points, moves: Points, width: float, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Spread the moves of points over an image: (2, H, W)."""
    from PIL import Image

    reach = []
    for axis, side in enumerate(shape[::-1]):
        nodes = -(-side // _NODE_DISTANCE)
        positions = (np.arange(nodes, dtype=np.float32) + 0.5) * side / nodes - 0.5
        squared = (positions[:, None] - points[:, axis]) ** 2
        reach.append(np.exp(-np.minimum(squared / (2 * width**2), 30)))
    near = reach[1][:, None] * reach[0][None]  # (rows, columns, points)
    near /= near.sum(-1, keepdims=True) + 0.3  # far from all points nothing moves
    field = np.ascontiguousarray(np.einsum("ijk,kl->lij", near, moves.astype(np.float32)))
    method = Image.Resampling.BILINEAR
    return np.stack([np.asarray(Image.fromarray(plane).resize(shape[::-1], method))
                     for plane in field])  # fmt: skip


def interpolate(maps: Map, u: Map, v: Map) -> Map:
    """Interpolate maps linearly.

    Parameters
    ----------
    maps : ndarray of shape (..., H, W)
    u, v : ndarray of shape (k, ...)
        Columns and rows, from 0 to less than the last one.

    Returns
    -------
    ndarray of shape (..., k, ...)
    """
    left, top = u.astype(np.intp), v.astype(np.intp)
    right, down = u - left, v - top
    columns = maps.shape[-1]
    first = top * columns + left
    planes = []
    for plane in maps.reshape(-1, maps.shape[-2] * columns):
        upper, lower = plane[first], plane[first + columns]
        upper = upper + (plane[first + 1] - upper) * right
        lower = lower + (plane[first + columns + 1] - lower) * right
        planes.append(upper + (lower - upper) * down)
    return np.stack(planes).reshape(*maps.shape[:-2], *u.shape)


def match_colors(source: Image8, face: Image8, inside: NDArray, strength: float) -> Image8:
    """Bring mean and spread of a source's RGB to those of a face, both taken `inside`.

    Parameters
    ----------
    source, face : ndarray of shape (H, W, 3), uint8
    inside : ndarray of shape (H, W), bool
    strength : float in [0, 1]
        0 leaves the colors as they are, 1 matches them fully.
    """
    if not inside.any():
        return source
    levels, goal = source[inside].astype(np.float32), face[inside].astype(np.float32)
    table = transfer_table(levels.mean(0), levels.std(0), goal.mean(0), goal.std(0), strength)
    return table[source, np.arange(3)]


def lose_detail(image: Image8, factor: float, kernel: str = "cubic") -> Image8:
    """Scale an image down by a factor and up again: "nearest", "linear" or "cubic"."""
    from PIL import Image

    methods = {"nearest": "NEAREST", "linear": "BILINEAR", "cubic": "BICUBIC"}
    size = image.shape[1::-1]
    small = [max(8, round(side / factor)) for side in size]
    photo = Image.fromarray(image).resize(small, Image.Resampling.BOX)
    return np.asarray(photo.resize(size, Image.Resampling[methods[kernel]]))


def rebuild_by_decoder(image: Image8, grid: dict[str, Any], *, strength: float) -> Image8:
    """Rebuild an image as an upsampling decoder does: less detail under a periodic grid.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
    grid : dict
        Drawn by `draw_upsampling_grid`.
    strength : float
        Factor of its amplitude.
    """
    rebuilt = lose_detail(image, 2, grid["kernel"]).astype(np.float32)
    mixed = rebuilt + np.float32(grid["keep"]) * (image - rebuilt)
    mixed *= decoder_gain(grid, image.shape, strength)[..., None]
    return np.clip(mixed + 0.5, 0, 255).astype(np.uint8)


def retouch_skin(image: Image8, sigma: float, threshold: float) -> Image8:
    """Smooth an image where its detail is fainter than a threshold in levels; edges stay."""
    from PIL import Image, ImageFilter

    blurred = Image.fromarray(image).filter(ImageFilter.GaussianBlur(sigma))
    smooth = np.asarray(blurred, dtype=np.float32)
    detail = image - smooth
    strength = np.abs(detail).mean(-1, keepdims=True) / np.float32(threshold)
    edges = detail * np.minimum(strength, 1) ** 2
    return np.clip(smooth * np.float32(1.03) + edges + 0.5, 0, 255).astype(np.uint8)


def encode_jpeg(image: Image8, quality: int) -> bytes:
    """Return an image as a JPEG file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return file.getvalue()


def compress(image: Image8, quality: int) -> Image8:
    """Compress an image as JPEG and read it again."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(encode_jpeg(image, quality))))
