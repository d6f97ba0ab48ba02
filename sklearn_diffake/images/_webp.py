"""Decode animated WebP by Pillow, because FFmpeg cannot."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.images._decoding import check_size
from sklearn_diffake.images._frame_pixels import flatten
from sklearn_diffake.images.errors import VideoError

_SECONDS = 1 / 1000  # the unit of the times


def read_times(path: str) -> tuple[NDArray[np.int64], int, float]:
    """Return the times of the frames of an animation, from the headers of its frames.

    A duration of 0 counts as 100 ms, as in browsers.

    Parameters
    ----------
    path : str
        An animated WebP file.

    Returns
    -------
    times : ndarray of shape (n,), int64
        Start of each frame, in units of `seconds`.
    end : int
        End of the last frame.
    seconds : float
        Length of a unit.
    """
    durations = []
    with open(path, "rb") as file:
        file.seek(12)
        while len(header := file.read(8)) == 8:
            size = int.from_bytes(header[4:], "little")
            remaining = size + size % 2
            if header[:4] == b"ANMF":
                durations.append(int.from_bytes(file.read(15)[12:15], "little") or 100)
                remaining -= 15
            file.seek(max(remaining, 0), os.SEEK_CUR)
    starts = np.concatenate([[0], np.cumsum(durations)]).astype(np.int64)
    return starts[:-1], int(starts[-1]), _SECONDS


def read_images(path: str, numbers: list[int]) -> Iterator[tuple[int, np.ndarray | None]]:
    """Decode some frames of an animation.

    Parameters
    ----------
    path : str
        An animated WebP file.
    numbers : list of int
        Ascending.

    Yields
    ------
    number : int
    image : ndarray of shape (H, W, 3), uint8, or None
        Transparent pixels are blended with white; None for a frame that cannot be decoded, and
        for all frames after it.
    """
    from PIL import Image

    try:
        with Image.open(path, formats=["WEBP"]) as animation:
            check_size(animation.width, animation.height)
            readable = True
            for number in numbers:
                image = _read_image(animation, number) if readable else None
                readable = image is not None
                yield number, image
    except VideoError:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise VideoError(f"the animation cannot be decoded, it is damaged: {error}") from error


def _read_image(animation: object, number: int) -> np.ndarray | None:
    try:
        animation.seek(number)  # type: ignore[attr-defined]
        return flatten(np.asarray(animation.convert("RGBA")))  # type: ignore[attr-defined]
    except (EOFError, OSError, ValueError):
        return None
