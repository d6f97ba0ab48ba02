"""What a network declares about itself: its input, its normalization, how faces are cut for it.

Nothing but the standard library is imported here, so that listing the registry is fast.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

#: Takes crops of shape (b, H, W, 3), uint8, returns embeddings of shape (b, width), float32.
Forward = Callable[["np.ndarray"], "np.ndarray"]
#: Means and standard deviations of RGB values in [0, 1], as they are usually taken from ImageNet.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
#: The crop itself is the only view of it that is embedded.
ONE_SCALE = (1.0,)
#: How version 0.1.0 spelled the name of a license.
FORMER_LICENSE_KEY = "licence"  # codespell:ignore
# For RGB values in [0, 1]; what is larger was meant for values in 0..255.
_LARGEST_MEAN, _LARGEST_STD = 1.0, 4.0


class Crop(NamedTuple):
    """How `FaceAligner` cuts the faces that a network was trained on.

    Attributes
    ----------
    size : int
        Side in pixels.
    margin : float
        Room around the ArcFace crop on each side, as a fraction of its side.
    landmarks : tuple of five (x, y), or None
        Where the five landmarks lie in the crop without margin, as fractions of its side; None is
        the ArcFace crop.
    """

    size: int
    margin: float
    landmarks: tuple[tuple[float, float], ...] | None = None


@dataclass(frozen=True)
class Backbone:
    """A face network and its declarations.

    Attributes
    ----------
    name : str
        As given to `FaceEmbedder`; ``"onnx"`` for a file.
    input_size : tuple of int
        Height and width of the input in pixels; crops of other sizes are resized.
    mean, std : tuple of float
        Normalization of each RGB channel, for values in [0, 1].
    width : int
        Length of the embedding.
    license : str
        Terms of the weights.
    fingerprint : str
        Depends on the weights, the normalization, the input size, `mirror` and `scales`; 32
        hexadecimal digits.
    build : callable
        Maps (device, dtype) to a `Forward`.
    export : callable
        Writes the weights to a file, whose type is `suffix`.
    suffix : str
        ``".safetensors"`` or ``".onnx"``.
    module : torch.nn.Module or None
        The network itself, on the CPU, to be copied before it is trained; None for ``"onnx"``.
    crop : Crop or None
        How `FaceAligner` should cut faces for it, if it is declared.
    mirror : bool
        Whether embeddings are averaged over a crop and its mirror image.
    scales : tuple of float
        Sides of the views over which embeddings are averaged, as fractions of the crop's side.
    undeclared : tuple of str
        Those of mean and std that it does not declare: ImageNet's are used.
    """

    name: str
    input_size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    width: int
    license: str
    fingerprint: str
    build: Callable[[str, str], Forward] = field(repr=False, compare=False)
    export: Callable[[str], None] = field(repr=False, compare=False)
    suffix: str = ".safetensors"
    module: Any = field(default=None, repr=False, compare=False)
    crop: Crop | None = None
    mirror: bool = False
    scales: tuple[float, ...] = ONE_SCALE
    undeclared: tuple[str, ...] = ()

    def describe(self) -> dict[str, Any]:
        """Return the declarations as plain values."""
        return {
            "name": self.name,
            "input_size": list(self.input_size),
            "mean": list(self.mean),
            "std": list(self.std),
            "width": self.width,
            "license": self.license,
            "crop": None if self.crop is None else self.crop._asdict(),
            "mirror": self.mirror,
            "scales": list(self.scales),
            "fingerprint": self.fingerprint,
        }


def check_normalization(mean: Any, std: Any, subject: str) -> tuple[tuple[float, ...], ...]:
    """Return the declared mean and std of a backbone as three plain numbers each.

    Parameters
    ----------
    mean, std : array-like of three numbers, or one number for all channels
    subject : str
        The network or file that declares them, for messages.

    Returns
    -------
    tuple of two tuples of float

    Raises
    ------
    ValueError
        If they are no such numbers, or are meant for values from 0 to 255.
    """
    import numpy as np

    try:
        rows = [np.ravel(values) for values in (mean, std)]
        rows = [np.repeat(row, 3) if row.size == 1 else row for row in rows]
        declared = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError):
        declared = np.empty(0)
    problem = f"{subject} declares mean={mean!r} and std={std!r}, expected "
    if declared.shape != (2, 3) or not np.isfinite(declared).all() or (declared[1] <= 0).any():
        raise ValueError(
            f"{problem}three numbers each, for RGB values in [0, 1], those of std positive"
        )
    if (np.abs(declared[0]) > _LARGEST_MEAN).any() or (declared[1] > _LARGEST_STD).any():
        raise ValueError(f"{problem}numbers for RGB values in [0, 1], not in 0..255: divide by 255")
    return tuple(tuple(values) for values in declared.tolist())


def check_input_size(declared: Any, subject: str) -> tuple[int, int]:
    """Return height and width of an input size, which may be one number of pixels; else raise."""
    size = (declared, declared) if isinstance(declared, int) else declared
    try:
        height, width = (operator.index(side) for side in size)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise ValueError(
            f"{subject} input_size={declared!r}, expected a number of pixels or (height, width)"
        )
    return height, width


def check_crop(declared: Any, subject: str) -> Crop | None:
    """Return a crop from (size, margin) or (size, margin, landmarks); raises ValueError."""
    if declared is None:
        return None
    try:
        size, margin, *landmarks = declared
        points = (tuple((float(x), float(y)) for x, y in points) for points in landmarks)
        crop = Crop(operator.index(size), float(margin), *points)
    except (TypeError, ValueError):
        crop = Crop(0, 0.0)
    has_points = crop.landmarks is None or len(crop.landmarks) == 5
    if crop.size < 8 or not -0.45 <= crop.margin <= 5 or not has_points:
        raise ValueError(
            f"{subject} crop={declared!r}, expected (size, margin) or (size, margin, landmarks) of "
            "FaceAligner, such as (112, 0)"
        )
    return crop


def check_scales(scales: Any) -> tuple[float, ...]:
    """Return scales as plain numbers; raises ValueError if not distinct or not in (0, 1]."""
    try:
        values = tuple(float(scale) for scale in scales)
    except (TypeError, ValueError):
        values = ()
    if not values or len(set(values)) < len(values) or not all(0 < v <= 1 for v in values):
        raise ValueError(
            f"FaceEmbedder got scales={scales!r}, expected one or more different numbers in "
            "(0, 1], such as (1.0, 0.9)."
        )
    return values
