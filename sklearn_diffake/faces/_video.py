"""Read some frames of a video, each of them exactly the one that was asked for."""

from __future__ import annotations

import contextlib
import itertools
import os
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..images.errors import VideoError
from ..images.formats import VIDEO_SUFFIXES as VIDEO_SUFFIXES
from ..images.formats import is_video as is_video
from ..utils._extras import import_extra

#: A video with more pixels in a frame is refused before it is decoded: a decoder keeps up to
#: seventeen frames, so this takes some 2.5 GB at most. It is two frames in 8K.
MAX_FRAME_PIXELS = 2**26
# FFmpeg's names of what holds its frames itself: a playlist opens further files.
_FORMATS = (
    "mov,matroska,avi,mpeg,mpegts,mpegvideo,m4v,h264,hevc,ivf,obu,flv,asf,ogg,mxf,nut,dv,rm,wtv,"
    "yuv4mpegpipe,mjpeg,gif,apng"
)
_COMPLETE = 0.98  # share of its stated duration that a video must have, two frames more or less


class VideoFrame(NamedTuple):
    """One frame of a video.

    Attributes
    ----------
    number : int
        Position among the frames in the order in which they are shown, from 0.
    time : float
        Seconds since the first frame.
    image : ndarray of shape (H, W, 3), uint8
        RGB, turned as the video is meant to be shown.
    """

    number: int
    time: float
    image: np.ndarray


class _Index(NamedTuple):
    """When each frame is shown, in units of the stream's time base."""

    times: NDArray[np.int64]  # ascending, one per frame
    keys: NDArray[np.int64]  # those of them from which decoding can start
    end: int  # when the last frame is over
    seconds: float  # of one unit


def sample_frames(path: str | os.PathLike[str], n_frames: int) -> Iterator[VideoFrame]:
    """Read frames that are evenly spaced in time over a whole video, one after the other.

    The video is cut into `n_frames` stretches of equal length, and the frame shown in the middle
    of each is taken. Frames never repeat: where one is shown for longer than a stretch, as in a
    video of variable rate, its successor takes the next place. Each frame is decoded from the
    key frame before it, and only one is held in memory.

    Parameters
    ----------
    path : str or Path
        A video in any format that FFmpeg reads, no playlist; what its name ends in does not
        matter.
    n_frames : int
        Number of frames; all of them if the video has no more.

    Yields
    ------
    VideoFrame
        In the order in which they are shown.

    Raises
    ------
    VideoError
        If the file is not a video, is cut off, has no frames, has more than `MAX_FRAME_PIXELS`
        pixels in one, or a frame asked for cannot be decoded.
    ImportError
        If PyAV is not installed.
    """
    name = os.fspath(path)
    if not os.path.isfile(name):
        raise VideoError("no such file")
    if os.path.getsize(name) == 0:
        raise VideoError("the file is empty")
    with _clear_errors():
        index = _read_index(name)
        if index is None:
            yield from _counted(name, n_frames)
        else:
            yield from _decode(name, index, choose_frames(index.times, index.end, n_frames))


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


def _import_av() -> Any:
    """Import PyAV, or say how to get it."""
    return import_extra("av", "video", "Videos")


@contextlib.contextmanager
def _clear_errors() -> Iterator[None]:
    """Say what an error of FFmpeg means."""
    av = _import_av()
    try:
        yield
    except av.FFmpegError as error:
        if isinstance(error, OSError):
            raise VideoError(f"the file cannot be read: {error.strerror}") from error
        if isinstance(error, MemoryError):
            raise VideoError(
                "a damaged file perhaps: it asks for more memory than FFmpeg grants or there is"
            ) from error
        raise VideoError(
            f"not a video, or a damaged one, cut off perhaps: {error.strerror}"
        ) from error


@contextlib.contextmanager
def _opened(path: str) -> Iterator[tuple[Any, Any]]:
    """Open a local file and find its video stream; FFmpeg refuses large frames as it meets them."""
    limit = {"max_pixels": str(MAX_FRAME_PIXELS)}
    av = _import_av()
    # From 19 on PyAV reads metadata in any encoding, and has no such option any more.
    lenient = {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "replace"}
    with av.open(
        f"file:{os.path.abspath(path)}",
        **lenient,
        options={"protocol_whitelist": "file", "format_whitelist": _FORMATS, **limit},
    ) as container:
        if not container.streams.video:
            raise VideoError("there is no video in this file")
        stream = container.streams.video[0]
        decoder = stream.codec_context
        if decoder is None:
            raise VideoError("FFmpeg does not know how to decode the video in this file")
        if decoder.width * decoder.height > MAX_FRAME_PIXELS:
            raise VideoError(
                f"{decoder.width} x {decoder.height} pixels are too many to be decoded safely "
                f"(limit {MAX_FRAME_PIXELS:,})"
            )
        decoder.options = limit
        yield container, stream


def _read_index(path: str) -> _Index | None:
    """List the frames of a video without decoding any; None if it does not say when they come."""
    times: list[int] = []
    keys: list[int] = []
    last = 0
    with _opened(path) as (container, stream):
        for packet in container.demux(stream):
            if packet.size == 0 or packet.is_discard:
                continue
            if packet.is_corrupt:
                raise VideoError(f"the file is cut off or damaged after frame {len(times)}")
            if packet.pts is None:
                return None
            times.append(packet.pts)
            if packet.is_keyframe:
                keys.append(packet.pts)
            last = max(last, packet.pts + (packet.duration or 0))
        seconds = float(stream.time_base)
        promised = stream.duration
    if not times:
        raise VideoError("the video has no frames")
    ordered = np.unique(np.asarray(times, dtype=np.int64))
    gap = int(np.median(np.diff(ordered))) if len(ordered) > 1 else 1
    end = last if last > ordered[-1] else int(ordered[-1]) + gap
    if promised and ordered[0] + _COMPLETE * promised > end + 2 * gap:
        raise VideoError(
            f"the file is cut off: it has {(end - ordered[0]) * seconds:.2f} of "
            f"{promised * seconds:.2f} seconds"
        )
    return _Index(ordered, np.unique(np.asarray(keys, dtype=np.int64)), end, seconds)


def _decode(path: str, index: _Index, numbers: list[int]) -> Iterator[VideoFrame]:
    """Decode the frames of these numbers, each from the key frame before it."""
    keys = index.keys.tolist()
    with _opened(path) as (container, stream):
        frames: Iterator[Any] = iter(())
        reached = -1  # the key frame that decoding has passed
        for number in numbers:
            wanted = int(index.times[number])
            start = max(bisect_right(keys, wanted) - 1, 0)
            if start > reached:
                frames = _seek(container, stream, keys[: start + 1], wanted)
                reached = start
            later = (frame for frame in frames if frame.pts is not None and frame.pts >= wanted)
            frame = next(later, None)
            if frame is None or frame.pts != wanted or frame.is_corrupt:
                raise VideoError(f"frame {number} is damaged or missing")
            yield VideoFrame(
                number, float((wanted - index.times[0]) * index.seconds), _to_image(frame)
            )


def _seek(container: Any, stream: Any, keys: list[int], wanted: int) -> Iterator[Any]:
    """Start to decode at the last key frame that leads to `wanted`."""
    for key in reversed(keys):
        container.seek(key, stream=stream, backward=True)
        frames = container.decode(stream)
        first = next(frames, None)
        if first is not None and first.pts is not None and first.pts <= wanted:
            return itertools.chain([first], frames)
    return iter(())


def _counted(path: str, n_frames: int) -> Iterator[VideoFrame]:
    """Choose frames by their number, where a video does not say when they are shown."""
    with _opened(path) as (container, stream):
        total = sum(1 for _ in container.decode(stream))
    if total == 0:
        raise VideoError("the video has no frames")
    chosen = set(choose_frames(np.arange(total, dtype=np.int64), total, n_frames))
    with _opened(path) as (container, stream):
        rate = float(stream.average_rate or 25)
        for number, frame in enumerate(container.decode(stream)):
            if number in chosen:
                yield VideoFrame(number, number / rate, _to_image(frame))


def _to_image(frame: Any) -> np.ndarray:
    """Convert a frame to RGB and turn it upright."""
    image = frame.to_ndarray(format="rgb24")
    matrix = frame.side_data.get("DISPLAYMATRIX")
    return image if matrix is None else turn(image, np.frombuffer(bytes(matrix), dtype="=i4"))


def turn(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Turn and mirror an image as a display matrix says, by the nearest right angle.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3)
        Any image.
    matrix : ndarray of shape (9,)
        Rows of the matrix by which (x, y, 1) is multiplied from the left, as in ISO/IEC 14496-12.

    Returns
    -------
    ndarray of shape (H, W, 3) or (W, H, 3)
        The image as it is to be shown.
    """
    x_to_x, x_to_y, _, y_to_x, y_to_y = (int(value) for value in matrix[:5])
    if abs(x_to_y) > abs(x_to_x):  # what was a row becomes a column
        image, to_x, to_y = image.transpose(1, 0, 2), y_to_x, x_to_y
    else:
        to_x, to_y = x_to_x, y_to_y
    image = image[:: -1 if to_y < 0 else 1, :: -1 if to_x < 0 else 1]
    return np.ascontiguousarray(image)
