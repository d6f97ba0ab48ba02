"""Read frames as they arrive: of a camera, of a network stream, or of a file that is played."""

from __future__ import annotations

import contextlib
import glob
import math
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from sklearn_diffake.images._decoding import (
    FORMATS,
    Decoder,
    FrameState,
    OpenVideo,
    check_file,
    choose_video,
    clear_errors,
    import_av,
    open_options,
    open_video,
)
from sklearn_diffake.images._frame_pixels import Display, read_display, to_image
from sklearn_diffake.images.errors import VideoError
from sklearn_diffake.images.video import VideoFrame
from sklearn_diffake.utils._messages import warn_caller

__all__ = ["SCHEMES", "is_address", "play_file", "read_address", "read_camera"]

#: Schemes of addresses that are opened. None of them leads to a local file.
SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "srt", "udp", "rtp", "tcp")
_PROTOCOLS = f"{','.join(SCHEMES)},srtp,tls,httpproxy"
_STREAM_FORMATS = f"{FORMATS},rtsp,rtp,mpjpeg"
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_TIMEOUT = 10.0  # seconds without an answer or a frame, after which reading a source fails
# FFmpeg's name of the devices of a system, and how it names a camera.
_DEVICES = {
    "linux": ("v4l2", "/dev/video{}"),
    "darwin": ("avfoundation", "{}"),
    "win32": ("dshow", "video={}"),
}

#: Opens a source, within a context.
Open = Callable[[], AbstractContextManager[OpenVideo]]


class _Decoded(NamedTuple):
    number: int
    time: float  # seconds since the first frame
    frame: Any
    display: Display
    is_good: bool = True  # neither damaged nor decoded from a damaged frame


def is_address(source: str) -> bool:
    """Return whether a source is an address such as ``rtsp://host/path``, and no file."""
    return _ADDRESS.match(source) is not None


def play_file(path: str, interval: float) -> Iterator[VideoFrame]:
    """Read a video file as if it arrived now: from its start, without its index.

    Parameters
    ----------
    path : str
        A video.
    interval : float
        Seconds of the video between two frames; those between them are left out.

    Yields
    ------
    VideoFrame
        Damaged frames are left out.

    Raises
    ------
    VideoError
        If it is no video, or holds no frame that can be decoded.

    Warns
    -----
    UserWarning
        If frames are damaged.
    """
    due, n_frames, n_damaged = 0.0, 0, 0
    with clear_errors(path):
        check_file(path)
        with open_video(path) as video:
            for decoded in _decode(video):
                n_frames += 1
                n_damaged += not decoded.is_good
                if decoded.is_good and decoded.time >= due:
                    due = (math.floor(decoded.time / interval + 1e-6) + 1) * interval - 1e-6
                    yield _converted(decoded)
        if not n_frames:
            raise VideoError("there is no frame that can be decoded")
    if n_damaged:
        warn_caller(f"{path}: {n_damaged} of {n_frames} frames are damaged, and were left out")


def read_address(address: str, interval: float) -> Iterator[VideoFrame]:
    """Read a network stream: the newest frame at each time.

    Parameters
    ----------
    address : str
        As ``rtsp://host/path``. Playlists are not opened.
    interval : float
        Least seconds between two frames, by the clock. If the caller takes longer, frames are
        lost, and the delay does not grow.

    Yields
    ------
    VideoFrame

    Raises
    ------
    VideoError
        If the scheme is none of `SCHEMES`, or the stream cannot be opened or read.
    """
    match = _ADDRESS.match(address)
    scheme = match[1].lower() if match else ""
    if scheme not in SCHEMES:
        raise VideoError(
            f"addresses that begin with {scheme}:// are not opened; expected one of "
            f"{', '.join(SCHEMES)}",
            path=address,
        )
    yield from _read_live(lambda: _open_address(address), address, interval)


def read_camera(name: str, interval: float) -> Iterator[VideoFrame]:
    """Read a camera of this computer: the newest frame at each time.

    Parameters
    ----------
    name : str
        Its number, from 0; on Windows its name.
    interval : float
        As for `read_address`.

    Yields
    ------
    VideoFrame

    Raises
    ------
    VideoError
        If there is no such camera, or it cannot be opened.
    """
    device, file = _camera(name)
    yield from _read_live(lambda: _open_camera(device, file), f"camera {name}", interval)


def _camera(name: str) -> tuple[str, str]:
    """Return FFmpeg's names of the kind of device, and of a camera."""
    system = "linux" if sys.platform.startswith("linux") else sys.platform
    if system not in _DEVICES:
        raise VideoError(f"cameras are not supported on {sys.platform}")
    device, template = _DEVICES[system]
    if system == "win32" and name.isdecimal():
        raise VideoError(
            f"on Windows a camera is called by its name, got {name!r}; `ffmpeg -list_devices true "
            "-f dshow -i dummy` lists them"
        )
    if not any(device in names.split(",") for names in import_av().formats_available):
        raise VideoError(f"this build of PyAV cannot read cameras (it lacks {device})")
    file = template.format(name) if name.isdecimal() or system != "linux" else name
    if system == "linux" and not os.path.exists(file):
        cameras = sorted(glob.glob(template.format("*"))) or ["none"]
        raise VideoError(
            f"there is no camera {name!r}: {file} does not exist; cameras of this computer: "
            f"{', '.join(cameras)}"
        )
    return device, file


@contextlib.contextmanager
def _open_address(address: str) -> Iterator[OpenVideo]:
    av = import_av()
    options = open_options(_PROTOCOLS, _STREAM_FORMATS)
    with av.open(address, timeout=_TIMEOUT, **options) as container:
        yield choose_video(container)


@contextlib.contextmanager
def _open_camera(device: str, file: str) -> Iterator[OpenVideo]:
    with import_av().open(file, format=device) as container:
        yield choose_video(container)


def _decode(video: OpenVideo) -> Iterator[_Decoded]:
    """Decode the frames of an open source one after the other."""
    display, first, seconds = None, None, 0.0
    for number, (frame, state) in enumerate(Decoder(video).frames()):
        if display is None:
            display = read_display(video, frame)
        if frame.pts is None or not video.stream.time_base:
            seconds = number / video.frame_rate
        else:  # the last frames of a file have no time base of their own
            first = frame.pts if first is None else first
            seconds = max(seconds, float((frame.pts - first) * video.stream.time_base))
        yield _Decoded(number, seconds, frame, display, state is FrameState.GOOD)


def _converted(decoded: _Decoded) -> VideoFrame:
    return VideoFrame(decoded.number, decoded.time, to_image(decoded.frame, decoded.display))


def _read_live(source: Open, name: str, interval: float) -> Iterator[VideoFrame]:
    newest = _NewestFrame(source, name)
    due = 0.0
    try:
        while (decoded := newest.wait(due)) is not None:
            due = decoded.time + interval
            yield _converted(decoded)
    finally:
        newest.stop()


class _NewestFrame:
    """A thread that decodes a live source without a pause, and keeps its newest frame.

    A source that is not read in time would drop packets, or show what is long past.

    Parameters
    ----------
    source : callable
        Opens it.
    name : str
        For messages.
    """

    def __init__(self, source: Open, name: str) -> None:
        self._open, self._name = source, name
        self._changed = threading.Condition()
        self._newest: _Decoded | None = None
        self._error: Exception | None = None
        self._ended = self._stopped = False
        threading.Thread(target=self._read, name=f"read {name}", daemon=True).start()

    def wait(self, due: float) -> _Decoded | None:
        """Return the first frame at a time or later; None after the end of the source.

        Parameters
        ----------
        due : float
            In seconds since the first frame, by the clock.

        Returns
        -------
        _Decoded or None
        """
        silent_since = time.monotonic()
        with self._changed:
            while self._newest is None or self._newest.time < due:
                if self._error is not None:
                    raise VideoError(_explain(self._error), path=self._name) from self._error
                if self._ended:
                    return None
                if self._changed.wait(timeout=0.5):
                    silent_since = time.monotonic()
                elif time.monotonic() - silent_since > _TIMEOUT:
                    raise VideoError(f"no frame came for {_TIMEOUT:g} s", path=self._name)
            return self._newest

    def stop(self) -> None:
        """Let the thread end with its next frame."""
        self._stopped = True

    def _read(self) -> None:
        try:
            with self._open() as video:
                start: float | None = None
                for decoded in filter(lambda decoded: decoded.is_good, _decode(video)):
                    clock = time.monotonic()
                    start = clock if start is None else start
                    with self._changed:
                        self._newest = decoded._replace(time=clock - start)
                        self._changed.notify()
                    if self._stopped:
                        return
        except Exception as error:
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify()


def _explain(error: Exception) -> str:
    if isinstance(error, VideoError):
        return error.message
    return f"it cannot be opened or read: {getattr(error, 'strerror', None) or error}"
