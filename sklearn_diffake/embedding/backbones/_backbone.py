"""What a loaded network declares about itself, whatever it is made with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._registry import ONE_SCALE, Crop

#: Takes crops of shape (b, H, W, 3), uint8, returns embeddings of shape (b, width), float32.
Forward = Callable[[np.ndarray], np.ndarray]
# For RGB values in [0, 1]; what is larger was meant for values in 0..255.
_LARGEST_MEAN, _LARGEST_STD = 1.0, 4.0


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
        Writes the weights to the file it is given; `suffix` is that file's type.
    suffix : str
        ``".safetensors"`` or ``".onnx"``.
    module : torch.nn.Module or None
        The network itself, on the CPU, to be copied before it is trained; None for ``"onnx"``.
    crop : Crop or None
        How `FaceAligner` should cut faces for it, if it says so.
    mirror : bool
        Whether embeddings are averaged over a crop and its mirror image.
    scales : tuple of float
        Sides of the views over which embeddings are averaged, as fractions of the crop's side.
    undeclared : tuple of str
        Which of mean and std it does not declare: those of ImageNet are taken.
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


def check_normalization(mean: Any, std: Any, what: str) -> tuple[tuple[float, ...], ...]:
    """Return the declared mean and std of a backbone as three plain numbers each.

    Parameters
    ----------
    mean, std : array-like of three numbers, or one number for all channels
    what : str
        What declares them, for messages.

    Returns
    -------
    tuple of two tuples of float

    Raises
    ------
    ValueError
        If they are no such numbers, or are meant for values from 0 to 255.
    """
    try:
        rows = [np.ravel(values) for values in (mean, std)]
        rows = [np.repeat(row, 3) if row.size == 1 else row for row in rows]
        declared = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError):
        declared = np.empty(0)
    given = f"{what} declares mean={mean!r} and std={std!r}, expected "
    if declared.shape != (2, 3) or not np.isfinite(declared).all() or (declared[1] <= 0).any():
        raise ValueError(
            f"{given}three numbers each, for RGB values in [0, 1], those of std positive"
        )
    if (np.abs(declared[0]) > _LARGEST_MEAN).any() or (declared[1] > _LARGEST_STD).any():
        raise ValueError(f"{given}numbers for RGB values in [0, 1], not in 0..255: divide by 255")
    return tuple(tuple(values) for values in declared.tolist())
