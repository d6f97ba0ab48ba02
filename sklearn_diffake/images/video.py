"""Read some frames of a video, each of them exactly the one that its number says.

A frame's number is its place in the order in which decoding the whole file shows them.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._damage import DamageAccount, OnDamage
from ._decoding import check_file, clear_errors, import_av
from ._reading import Choice, read_chosen
from ._webp import read_images, read_times
from .errors import VideoError
from .formats import file_format


class VideoFrame(NamedTuple):
    """One frame of a video.

    Attributes
    ----------
    number : int
        Position among the frames in the order in which they are shown, from 0.
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
    """Read frames that are evenly spaced in time over a whole video, one after the other.

    The video is cut into `n_frames` stretches of equal length, and the frame shown in the middle
    of each is taken. Frames never repeat: where one is shown for longer than a stretch, as in a
    video of variable rate, its successor takes the next place. A few frames are held in memory,
    whatever the length of the video.

    Parameters
    ----------
    path : str or Path
        A video in any format that FFmpeg reads, no playlist, or an animated GIF, PNG or WebP.
        What its name ends in does not matter. Of several video streams the default one is read;
        cover art is no video.
    n_frames : int
        Number of frames; all of them if the video has no more.
    on_damage : {"raise", "skip"}, default="raise"
        What to do where the file is cut off, or a frame cannot be decoded without fault.
        ``"skip"`` leaves such frames out, and reports in a warning at the end how many they are.

    Yields
    ------
    VideoFrame
        In the order in which they are shown. Images are rotated and mirrored as the file says.
        Where pixels are not square, their width is scaled, as players do. Colors are converted by
        the matrix and range that the file states, to 8 bits; HDR (PQ, HLG) is not tone-mapped,
        and interlaced frames are not deinterlaced.

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
        With ``on_damage="skip"``, if frames are left out.
    """
    damage = DamageAccount(on_damage)
    yield from read_accounted(path, evenly_spaced(n_frames), damage)
    warn_of_damage(path, damage)


def read_frames(
    path: str | os.PathLike[str], numbers: Sequence[int], *, on_damage: OnDamage = "raise"
) -> Iterator[VideoFrame]:
    """Read the frames of some numbers.

    Parameters
    ----------
    path : str or Path
        As in `sample_frames`.
    numbers : sequence of int
        In any order; one that is given twice is read once.
    on_damage : {"raise", "skip"}, default="raise"
        As in `sample_frames`.

    Yields
    ------
    VideoFrame
        In the order in which they are shown.

    Raises
    ------
    VideoError
        As in `sample_frames`, and if the video has no frame of a number.
    """
    wanted = sorted({int(number) for number in numbers})

    def choose(times: NDArray[np.int64], end: int) -> list[int]:
        for number in wanted:
            if not 0 <= number < len(times):
                raise VideoError(f"there is no such frame, the video has {len(times)}",
                                 frame=number)  # fmt: skip
        return wanted

    damage = DamageAccount(on_damage)
    yield from read_accounted(path, choose, damage)
    warn_of_damage(path, damage)


def read_accounted(
    path: str | os.PathLike[str], choose: Choice, damage: DamageAccount
) -> Iterator[VideoFrame]:
    """Read frames as `sample_frames` does, with an account of lost ones instead of a warning.

    Parameters
    ----------
    path : str or Path
        A video or an animation.
    choose : callable
        Gets the times of all frames, shape (n,), ascending, and when the last one is over;
        returns ascending numbers. See `evenly_spaced`.
    damage : DamageAccount
        Says whether damage raises, and is filled while frames are read.

    Yields
    ------
    VideoFrame
        In the order in which they are shown.
    """
    name = os.fspath(path)
    import_av()
    n_read = 0
    with clear_errors(name):
        check_file(name)
        is_webp = file_format(name).name == "WebP"
        read = _read_webp if is_webp else read_chosen
        for frame in read(name, choose, damage):
            n_read += 1
            yield VideoFrame(*frame)
        if n_read == 0 and damage.n_lost:
            raise VideoError(damage.describe())


def evenly_spaced(n_frames: int) -> Choice:
    """Return the function that chooses frames for `sample_frames`."""
    return lambda times, end: choose_frames(times, end, n_frames)


def choose_frames(times: NDArray[np.int64], end: int, n_frames: int) -> list[int]:
    """Choose frames that are evenly spaced in time, none of them twice.

    Parameters
    ----------
    times : ndarray of shape (n,), int
        When each frame appears, ascending.
    end : int
        When the last one disappears.
    n_frames : int
        How many to choose; with `n` frames or fewer, all are.

    Returns
    -------
    list of int
        Positions in `times`, ascending.
    """
    n_frames = min(n_frames, len(times))
    middles = times[0] + (np.arange(n_frames) + 0.5) * ((end - times[0]) / n_frames)
    shown = np.searchsorted(times, middles, side="right") - 1
    chosen: list[int] = []
    for i, number in enumerate(shown.tolist()):
        earliest = chosen[-1] + 1 if chosen else 0
        latest = len(times) - (n_frames - i)
        chosen.append(min(max(number, earliest), latest))
    return chosen


def _read_webp(
    path: str, choose: Choice, damage: DamageAccount
) -> Iterator[tuple[int, float, np.ndarray]]:
    times, end, seconds = read_times(path)
    if not len(times):
        raise VideoError(file_format(path).describe("video"))
    for number, image in read_images(path, choose(times, end)):
        if image is None:
            damage.add_missing(number)
        else:
            yield number, float(times[number]) * seconds, image


def warn_of_damage(path: str | os.PathLike[str], damage: DamageAccount) -> None:
    """Warn of the frames of a video that are lost, if any are."""
    if words := damage.describe():
        warnings.warn(f"{os.fspath(path)}: {words}", UserWarning, stacklevel=3)
