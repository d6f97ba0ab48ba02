"""Open local video files safely, and decode them packet by packet."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple

from sklearn_diffake.images.errors import VideoError
from sklearn_diffake.images.formats import file_format
from sklearn_diffake.utils._optional import import_extra

#: A video with more pixels in a frame is refused before it is decoded. A decoder keeps up to
#: seventeen frames, so it needs at most about 2.5 GB. The limit is two frames in 8K.
MAX_FRAME_PIXELS = 2**26
#: FFmpeg's names of formats without playlists, which would open further files.
FORMATS = (
    "mov,matroska,avi,mpeg,mpegts,mpegtsraw,mpegvideo,m4v,h264,hevc,vvc,av1,vc1,vc1test,h261,h263,"
    "ivf,obu,flv,asf,ogg,mxf,gxf,nut,dv,rm,wtv,nsv,yuv4mpegpipe,mjpeg,gif,apng"
)
_CODECS_BY_DECODER = {
    "libdav1d": "av1",
    "libaom-av1": "av1",
    "libvpx": "vp8",
    "libvpx-vp9": "vp9",
}
_VIDEO_KINDS = frozenset({"video", "animation", "unknown"})
_RAW_STREAM_NAMES = frozenset({"JPEG", "GIF"})  # a stream of JPEGs begins as a JPEG does


class FrameState(Enum):
    """The state of a frame according to the decoder."""

    GOOD = "good"
    DAMAGED = "damaged"  # some of its pixels are invented
    DEPENDENT = "dependent"  # decoded from a frame that is damaged or missing


class OpenVideo(NamedTuple):
    """An open file and the stream that is shown.

    Attributes
    ----------
    container, stream
        PyAV's objects.
    """

    container: Any
    stream: Any

    @property
    def codec(self) -> str:
        """FFmpeg's name of the codec, such as ``"h264"``, whatever decodes it."""
        name = str(self.stream.codec_context.codec.name)
        return _CODECS_BY_DECODER.get(name, name)

    @property
    def is_read_by_version(self) -> bool:
        """Whether FFmpeg needs the version of the encoder, which the first frame names.

        This is so with H.264 4:4:4. Frames after a seek are then correct only if the first frame
        was decoded before, and FFmpeg reports intact frames as damaged if the version is wrong.
        """
        return self.codec == "h264" and "444" in (self.stream.codec_context.pix_fmt or "")

    @property
    def frame_rate(self) -> float:
        """Frames per second as stated in the file, 25 if not stated."""
        return float(self.stream.average_rate or 25)


def import_av() -> Any:
    """Import PyAV, or raise an error that names the extra."""
    return import_extra("av", "video", "Videos")


def check_file(path: str) -> None:
    """Raise an error if the content of a file is not a video.

    Raises
    ------
    VideoError
        Names the format of the file.
    """
    content = file_format(path)
    if content.kind not in _VIDEO_KINDS and content.name not in _RAW_STREAM_NAMES:
        raise VideoError(content.describe("video"))


@contextlib.contextmanager
def clear_errors(path: str) -> Iterator[None]:
    """Convert errors of FFmpeg to a VideoError with the cause, and add the file to all errors."""
    av = import_av()
    try:
        yield
    except VideoError as error:
        raise error.at(path=path) from error.__cause__
    except av.FFmpegError as error:
        raise VideoError(_explain(error, path), path=path) from error


def _explain(error: Exception, path: str) -> str:
    reason = getattr(error, "strerror", error)
    if isinstance(error, MemoryError):
        return "the file may be damaged: it needs more memory than FFmpeg allows or is available"
    if isinstance(error, OSError):
        return f"the file cannot be read: {reason}"
    content = file_format(path)
    if not content.is_video and content.kind != "unknown":
        return content.describe("video")
    return f"not a video, or a damaged or truncated one: {reason}"


@contextlib.contextmanager
def open_video(path: str) -> Iterator[OpenVideo]:
    """Open a local file and its video stream; FFmpeg refuses large frames while it decodes.

    Parameters
    ----------
    path : str
        A file. Playlists and URLs are refused, whatever their names are.

    Yields
    ------
    OpenVideo

    Raises
    ------
    VideoError
        If it has no video stream, or one that cannot be decoded safely.
    """
    av = import_av()
    with av.open(f"file:{os.path.abspath(path)}", **open_options("file", FORMATS)) as container:
        yield choose_video(container)


def choose_video(container: Any) -> OpenVideo:
    """Choose the video stream of an open container, and set how it is decoded.

    Parameters
    ----------
    container : av.container.InputContainer

    Returns
    -------
    OpenVideo

    Raises
    ------
    VideoError
        If it has no video stream, or one that cannot be decoded safely.
    """
    stream = _choose_stream(container)
    decoder = stream.codec_context
    if decoder is None:
        raise VideoError("FFmpeg cannot decode the codec of this video")
    check_size(decoder.width, decoder.height)
    # Verify the checksums that the codec stores; intact files pass.
    decoder.options = _pixel_limit() | {"err_detect": "crccheck"}
    return OpenVideo(container, stream)


def _pixel_limit() -> dict[str, str]:
    return {"max_pixels": str(MAX_FRAME_PIXELS)}


def open_options(protocols: str, formats: str) -> dict[str, Any]:
    """Return the options of av.open: no large frames, and only what is listed.

    Parameters
    ----------
    protocols, formats : str
        FFmpeg's names, with commas between them.

    Returns
    -------
    dict of str to object
    """
    options = {"protocol_whitelist": protocols, "format_whitelist": formats}
    version = int(import_av().__version__.split(".")[0])
    if version < 18:  # it crashes on options of streams if a file has no header, such as MPEG-PS
        return {"container_options": options, "metadata_errors": "replace"}
    # From 19 on, metadata is read in any encoding, and the option is gone.
    lenient = {"metadata_errors": "replace"} if version < 19 else {}
    return {"options": options | _pixel_limit(), **lenient}


def check_size(width: int, height: int) -> None:
    """Refuse frames of more than `MAX_FRAME_PIXELS`."""
    if width * height > MAX_FRAME_PIXELS:
        raise VideoError(
            f"{width} x {height} pixels are too many to be decoded safely "
            f"(limit {MAX_FRAME_PIXELS:,})"
        )


def _choose_stream(container: Any) -> Any:
    """Return the stream that players show: FFmpeg's best one that is not an attached picture."""
    streams = container.streams.video
    if not streams:
        raise VideoError("there is no video in this file")
    Disposition = import_av().stream.Disposition
    playable = [stream for stream in streams if not stream.disposition & Disposition.attached_pic]
    if not playable:
        raise VideoError("there is no video in this file, only cover art")
    default = [stream for stream in playable if stream.disposition & Disposition.default]
    if len(default) == 1:
        return default[0]
    best = container.streams.best("video")
    return best if best in (default or playable) else (default or playable)[0]


class Decoder:
    """Decode one stream, frame by frame, and count what cannot be decoded.

    Parameters
    ----------
    video : OpenVideo
        The file to decode, from its current position.

    Attributes
    ----------
    n_refused : int
        Packets that gave an error so far.
    n_damaged : int
        These packets, and frames marked as damaged, so far.
    n_packets : int
        Packets passed to the decoder so far.
    first_pts : int or None
        Presentation time of the first packet since `frames` was called.
    """

    def __init__(self, video: OpenVideo) -> None:
        self._video = video
        self._started = False
        # Keep a reference, as a plain loop over the frames does. If a decoder does not write all
        # of a frame, the rest shows an earlier frame, and which one depends on the frames in use.
        self._latest: Any = None
        self._damage_pts: int | None = None
        self._corrupt_pts: set[int | None] = set()
        self._damaged_reference = False
        self.n_refused = 0
        self.n_damaged = 0
        self.n_packets = 0
        self.first_pts: int | None = None

    def frames(self) -> Iterator[tuple[Any, FrameState]]:
        """Yield the frames in display order, from the current position of the container.

        A packet that cannot be decoded is counted, and decoding continues after it, as in
        players. Packets before the first key frame, in a recording that starts in the middle,
        are not counted.

        Yields
        ------
        frame : av.VideoFrame
        state : FrameState
        """
        self._damaged_reference = False
        self._damage_pts = None
        first = True
        for packet in self._packets():
            if first:
                self.first_pts, first = packet.pts, False
            self._started |= packet.is_keyframe
            if packet.is_corrupt:  # according to the container, for example if bytes are missing
                self._corrupt_pts.add(packet.pts)
            self.n_packets += 1
            yield from self._decode(packet.decode, packet.pts)
        yield from self._decode(self._video.stream.codec_context.decode, None)

    def _packets(self) -> Iterator[Any]:
        """Yield packets to the end of the file, or to the first error of the file."""
        av = import_av()
        try:
            for packet in self._video.container.demux(self._video.stream):
                if packet.size:  # an empty one would end decoding
                    yield packet
        except MemoryError:
            raise
        except av.FFmpegError:
            self._note_refused(None)

    def _decode(self, decode: Any, pts: int | None) -> Iterator[tuple[Any, FrameState]]:
        av = import_av()
        try:
            decoded = decode()
        except MemoryError:
            raise
        except av.FFmpegError:
            if self._started:
                self._note_refused(pts)
            return
        for frame in decoded:
            self._latest = frame
            yield frame, self._state(frame)

    def _note_refused(self, pts: int | None) -> None:
        self.n_refused += 1
        self.n_damaged += 1
        self._damaged_reference, self._damage_pts = True, pts

    def _state(self, frame: Any) -> FrameState:
        """Return the state of a frame; damage lasts until the next independent frame."""
        later = self._damage_pts is None or frame.pts is None or frame.pts > self._damage_pts
        if frame.key_frame and later:
            self._damaged_reference = False
        is_corrupt = frame.is_corrupt and not self._video.is_read_by_version
        if is_corrupt or frame.pts in self._corrupt_pts:
            self.n_damaged += 1
            self._damaged_reference, self._damage_pts = True, frame.pts
            return FrameState.DAMAGED
        return FrameState.DEPENDENT if self._damaged_reference else FrameState.GOOD
