"""Build an index of a video's frames from its packets, without decoding."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.images._decoding import OpenVideo, import_av, open_video
from sklearn_diffake.images.errors import VideoError

# Containers that store the time of each frame. With others, demuxers guess, and guess differently
# after a seek.
_TIMED_CONTAINERS = ("mov", "matroska")
# Codecs whose decoders need nothing before a key frame.
_SEEKABLE_CODECS = frozenset(
    {"h264", "hevc", "av1", "vp8", "vp9", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "prores",
     "dnxhd"}
)  # fmt: skip
# Unit types at which decoding can restart: IDR of H.264; BLA, IDR and CRA of H.265.
_RESTARTS = {"h264": frozenset({5}), "hevc": frozenset(range(16, 22))}
_N_LAST = 4  # last gaps between frames; a file may be too short by twice the longest of them
_COMPLETE = 0.98  # fraction of its stated duration that a video must have, +- two frames


@dataclass(frozen=True)
class PacketIndex:
    """The frames of a file according to its packets.

    Attributes
    ----------
    times : ndarray of shape (n,), int64
        Start of each frame in units of `seconds`, ascending.
    key_ranks : list of int
        Positions in `times` from which decoding can start.
    end : int
        End of the last frame.
    seconds : float
        Length of a unit.
    is_seekable : bool
        Whether every frame has a time, and decoding can start at each of `key_ranks`.
    n_cut_off : int
        Frames missing at the end, according to the stated duration.
    summary : str
        Text for an error message about damage or missing frames; empty if there is none.
    """

    times: NDArray[np.int64]
    key_ranks: list[int]
    end: int
    seconds: float
    is_seekable: bool
    n_cut_off: int
    summary: str

    def rank(self, pts: int | None) -> int | None:
        """Return the position of the frame that starts at a time, or None."""
        if pts is None:
            return None
        rank = int(np.searchsorted(self.times, pts))
        return rank if rank < len(self.times) and self.times[rank] == pts else None

    def keys_before(self, number: int) -> list[int]:
        """Return the key frames from which a frame can be decoded, the nearest first."""
        return self.key_ranks[: bisect_right(self.key_ranks, number)][::-1]

    def time(self, number: int) -> float:
        """Return the seconds from the first frame to a frame."""
        return float(self.times[number] - self.times[0]) * self.seconds


class _PacketList:
    """Properties of the packets, collected while they are read."""

    def __init__(self, video: OpenVideo) -> None:
        self._hides_frames = {"vp8": _is_hidden_vp8, "vp9": _is_hidden_vp9}.get(video.codec)
        self._restart_types = _RESTARTS.get(video.codec)
        self._nal_length = _nal_length(video.codec, video.stream.codec_context.extradata)
        self.times = array("q")
        self.keys = array("q")
        self.n_frames = 0
        self.n_damaged = 0
        self.first_damaged = 0
        self.end = 0
        self.starts_with_key = False
        self.hides_packets = False  # by an edit list

    def add(self, packet: Any) -> None:
        """Add one packet."""
        if packet.size == 0:
            return
        if packet.is_discard:
            self.hides_packets = True
            return
        if self._hides_frames is not None and self._hides_frames(packet):
            return
        if self.n_frames == 0:
            self.starts_with_key = packet.is_keyframe
        self.n_frames += 1
        if packet.is_corrupt:
            self.n_damaged += 1
            self.first_damaged = self.first_damaged or self.n_frames
        if packet.pts is not None:
            self._add_time(packet)

    def _add_time(self, packet: Any) -> None:
        self.times.append(packet.pts)
        self.end = max(self.end, packet.pts + (packet.duration or 0))
        if packet.is_keyframe and self._is_restart(packet):
            self.keys.append(packet.pts)

    def _is_restart(self, packet: Any) -> bool:
        """Return whether a key frame of the container is one of the codec, too."""
        types = self._restart_types
        return types is None or not types.isdisjoint(
            _nal_types(bytes(packet), self._nal_length, 5 in types)
        )


def read_index(path: str) -> PacketIndex:
    """List the frames of a video by its packets.

    Parameters
    ----------
    path : str
        A video file.

    Returns
    -------
    PacketIndex

    Raises
    ------
    VideoError
        If the file has no video, or its video has no frames.
    """
    with open_video(path) as video:
        packets = _PacketList(video)
        fault = None
        for packet in _demux(video):
            if isinstance(packet, Exception):
                fault = packet
                break
            packets.add(packet)
        if packets.n_frames == 0:
            if fault is not None:
                raise fault
            raise VideoError("the video has no frames")
        return _make_index(video, packets)


def _demux(video: OpenVideo) -> Any:
    """Yield the packets; an error of the file is yielded, not raised."""
    try:
        yield from video.container.demux(video.stream)
    except MemoryError:
        raise
    except import_av().FFmpegError as error:
        yield error


def _make_index(video: OpenVideo, packets: _PacketList) -> PacketIndex:
    n = packets.n_frames
    times = np.sort(np.frombuffer(packets.times, dtype=np.int64)) if packets.times else None
    unique = times is not None and len(times) == n and bool((np.diff(times) > 0).all())
    if times is None or not unique:  # frames are counted, at an even rate
        times, end = np.arange(n, dtype=np.int64), n
        seconds, keys, cut, summary = 1 / video.frame_rate, [], 0, ""
    else:
        times = times.copy()
        gap = int(np.median(np.diff(times))) if n > 1 else 1
        end = packets.end if packets.end > times[-1] else int(times[-1]) + gap
        seconds = float(video.stream.time_base)
        keys = np.searchsorted(times, np.unique(np.asarray(packets.keys))).tolist()
        last_gaps = np.diff(times[-_N_LAST - 1 :]).tolist()
        cut, summary = _find_cut(video, int(times[0]), end, max(gap, *last_gaps, 0), seconds)
    if packets.n_damaged:
        summary = (
            f"the file is cut off or damaged after frame {packets.first_damaged - 1}"
            f" ({packets.n_damaged} of {n} frames)"
        )
    return PacketIndex(
        times=times,
        key_ranks=keys,
        end=end,
        seconds=seconds,
        is_seekable=unique and bool(keys) and keys[0] == 0 and _may_seek(video, packets),
        n_cut_off=cut,
        summary=summary,
    )


def _may_seek(video: OpenVideo, packets: _PacketList) -> bool:
    container = video.container.format.name.split(",")[0]
    trusted = container in _TIMED_CONTAINERS and video.codec in _SEEKABLE_CODECS
    trusted &= not video.is_read_by_version
    return trusted and packets.starts_with_key and not packets.hides_packets


def _find_cut(video: OpenVideo, start: int, end: int, gap: int, seconds: float) -> tuple[int, str]:
    """Compare the frames of the file with its stated duration."""
    duration, origin = video.stream.duration, start
    if not duration:  # FFmpeg writes into the tag when the last frame ends, not how long all last
        duration, origin = _tagged_duration(video), min(start, 0)
    if not duration or origin + _COMPLETE * duration <= end + 2 * gap:
        return 0, ""
    missing = max(round((origin + duration - end) / max(gap, 1)), 1)
    present = (end - origin) * seconds
    return missing, (
        f"the file is cut off: it has {present:.2f} of {duration * seconds:.2f} seconds"
    )


def _tagged_duration(video: OpenVideo) -> int:
    """Read the duration from the tag in which Matroska files store it."""
    fields = str(video.stream.metadata.get("DURATION", "")).split(":")
    try:
        hours, minutes, seconds = (float(field) for field in fields)
    except ValueError:
        return 0
    return int((3600 * hours + 60 * minutes + seconds) / float(video.stream.time_base))


def _is_hidden_vp8(packet: Any) -> bool:
    """Return whether a packet of VP8 is never shown (RFC 6386, 9.1)."""
    return not memoryview(packet)[0] & 0x10


def _is_hidden_vp9(packet: Any) -> bool:
    """Return whether a packet of VP9 is one frame that is never shown (VP9 bitstream, 6.2)."""
    data = memoryview(packet)
    if data[-1] & 0xE0 == 0xC0:  # several frames, of which the last one is shown
        return False
    profile = (data[0] >> 5 & 1) | (data[0] >> 3 & 2)
    header = data[0] << 8 | (data[1] if len(data) > 1 else 0)
    header = header << (5 if profile == 3 else 4) & 0xFFFF
    shows_existing, shows_itself = header & 0x8000, header & 0x2000
    return not shows_existing and not shows_itself


def _nal_length(codec: str, extradata: bytes | None) -> int:
    """Return the number of bytes of a unit's length; 0 if start codes separate units."""
    position = 21 if codec == "hevc" else 4  # in hvcC and avcC, ISO/IEC 14496-15
    if not extradata or extradata[0] != 1 or len(extradata) <= position:
        return 0
    return (extradata[position] & 3) + 1


def _nal_types(data: bytes, length: int, is_h264: bool) -> set[int]:
    """Return the types of the units in a packet of H.264 or H.265."""
    starts = _starts_by_length(data, length) if length else _starts_by_code(data)
    return {
        data[start] & 31 if is_h264 else data[start] >> 1 & 63
        for start in starts
        if start < len(data)
    }


def _starts_by_length(data: bytes, length: int) -> list[int]:
    starts, position = [], 0
    while position + length < len(data):
        starts.append(position + length)
        position += length + int.from_bytes(data[position : position + length], "big")
    return starts


def _starts_by_code(data: bytes) -> list[int]:
    starts, position = [], data.find(b"\0\0\1")
    while position >= 0:
        starts.append(position + 3)
        position = data.find(b"\0\0\1", position + 3)
    return starts
