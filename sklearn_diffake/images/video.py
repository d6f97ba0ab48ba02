"""Read frames of a video by number.

The number of a frame is its position in display order when the whole file is decoded.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.images._damage import DamageAccount, OnDamage
from sklearn_diffake.images._decoding import check_file, clear_errors, import_av
from sklearn_diffake.images._reading import Choice, read_chosen
from sklearn_diffake.images._webp import read_images, read_times
from sklearn_diffake.images.errors import VideoError
from sklearn_diffake.images.formats import file_format

__all__ = [
    "VideoFrame",
    "choose_frames",
    "evenly_spaced",
    "read_accounted",
    "read_frames",
    "sample_frames",
    "warn_of_damage",
]


class VideoFrame(NamedTuple):
    """One frame of a video.

    Attributes
    ----------
    number : int
        Position in display order, from 0.
    time : float
        Seconds since the first frame.
    image : ndarray of shape (H, W, 3), uint8
        RGB, upright, with square pixels.
    """

    number: int
    time: float
    image: np.ndarray


def sample_frames(
    path: str | os.PathLike[str], n_frames: int, *, on_damage: OnDamage = "raise"
) -> Iterator[VideoFrame]:
    """Read frames that are evenly spaced in time over a video, one by one.

    The video is divided into `n_frames` intervals of equal length, and the frame in the middle of
    each is read. Frames never repeat: if one frame is longer than an interval, as in a video of
    variable rate, the next frame follows it. Memory holds a few frames, whatever the length of
    the video.

    Parameters
    ----------
    path : str or Path
        A video in any format that FFmpeg reads except playlists, or an animated GIF, PNG or WebP.
        The suffix of its name does not matter. Of several video streams the default one is read;
        cover art is not a video.
    n_frames : int
        Number of frames; a shorter video gives all its frames.
    on_damage : {"raise", "skip"}, default="raise"
        What to do if the file is cut off, or a frame is damaged. ``"skip"`` omits such frames, and
        warns of their number at the end.

    Yields
    ------
    VideoFrame
        In display order. Images are rotated and mirrored as stated in the file. If pixels are not
        square, the width is scaled, as in players. Colors are converted to 8 bits by the matrix
        and range stated in the file. HDR (PQ, HLG) is not tone-mapped, and interlaced frames are
        not deinterlaced.

    Raises
    ------
    VideoError
        If the file is not a video, has no frames, has more than `MAX_FRAME_PIXELS` pixels in
        one, or none of the chosen frames can be decoded. With ``on_damage="raise"`` also if the
        file is cut off, or a chosen frame is damaged or missing.
    ImportError
        If PyAV is not installed.

    Warns
    -----
    UserWarning
        With ``on_damage="skip"``, if frames are missing.
    """
    account = DamageAccount(on_damage)
    yield from read_accounted(path, evenly_spaced(n_frames), account)
    warn_of_damage(path, account)


def read_frames(
    path: str | os.PathLike[str], numbers: Sequence[int], *, on_damage: OnDamage = "raise"
) -> Iterator[VideoFrame]:
    """Read frames by number.

    Parameters
    ----------
    path : str or Path
        As in `sample_frames`.
    numbers : sequence of int
        In any order; duplicates are read once.
    on_damage : {"raise", "skip"}, default="raise"
        As in `sample_frames`.

    Yields
    ------
    VideoFrame
        In display order.

    Raises
    ------
    VideoError
        As in `sample_frames`, and if the video has no frame of a number.
    """
    requested = sorted({int(number) for number in numbers})

    def choose(times: NDArray[np.int64], end: int) -> list[int]:
        for number in requested:
            if not 0 <= number < len(times):
                raise VideoError(f"there is no such frame, the video has {len(times)}",
                                 frame=number)  # fmt: skip
        return requested

    account = DamageAccount(on_damage)
    yield from read_accounted(path, choose, account)
    warn_of_damage(path, account)


def read_accounted(
    path: str | os.PathLike[str], choose: Choice, account: DamageAccount
) -> Iterator[VideoFrame]:
    """Read frames as `sample_frames` does, with a list of missing frames instead of a warning.

    Parameters
    ----------
    path : str or Path
        A video or an animation.
    choose : callable
        Gets the times of all frames, shape (n,), ascending, and the end of the last one; returns
        ascending numbers. See `evenly_spaced`.
    account : DamageAccount
        Decides whether damage raises an error; filled while frames are read.

    Yields
    ------
    VideoFrame
        In display order.
    """
    name = os.fspath(path)
    import_av()
    n_read = 0
    with clear_errors(name):
        check_file(name)
        is_webp = file_format(name).name == "WebP"
        read = _read_webp if is_webp else read_chosen
        for frame in read(name, choose, account):
            n_read += 1
            yield VideoFrame(*frame)
        if n_read == 0 and account.n_lost:
            raise VideoError(account.describe())


def evenly_spaced(n_frames: int) -> Choice:
    """Return the function that chooses frames for `sample_frames`."""
    return lambda times, end: choose_frames(times, end, n_frames)


def choose_frames(times: NDArray[np.int64], end: int, n_frames: int) -> list[int]:
    """Choose distinct frames that are evenly spaced in time.

    Parameters
    ----------
    times : ndarray of shape (n,), int
        Start of each frame, ascending.
    end : int
        End of the last frame.
    n_frames : int
        Number of frames to choose; all, if there are no more.

    Returns
    -------
    list of int
        Positions in `times`, ascending.
    """
    n_frames = min(n_frames, len(times))
    middles = times[0] + (np.arange(n_frames) + 0.5) * ((end - times[0]) / n_frames)
    nearest = np.searchsorted(times, middles, side="right") - 1
    positions: list[int] = []
    for i, number in enumerate(nearest.tolist()):
        earliest = positions[-1] + 1 if positions else 0
        latest = len(times) - (n_frames - i)
        positions.append(min(max(number, earliest), latest))
    return positions


def _read_webp(
    path: str, choose: Choice, account: DamageAccount
) -> Iterator[tuple[int, float, np.ndarray]]:
    times, end, seconds = read_times(path)
    if not len(times):
        raise VideoError(file_format(path).describe("video"))
    for number, image in read_images(path, choose(times, end)):
        if image is None:
            account.add_missing(number)
        else:
            yield number, float(times[number]) * seconds, image


def warn_of_damage(path: str | os.PathLike[str], account: DamageAccount) -> None:
    """Warn of the missing frames of a video, if there are any."""
    if description := account.describe():
        warnings.warn(f"{os.fspath(path)}: {description}", UserWarning, stacklevel=3)
