"""Round trips of a few frames through a video codec, in memory. Loads PyAV (extra ``video``)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_diffake.utils._optional import import_extra, missing_extra

Image = NDArray[np.uint8]


class Codec(NamedTuple):
    """One codec of PyAV and its settings.

    Attributes
    ----------
    encoder, decoder : str
        FFmpeg's names.
    qualities : tuple of int
        Lowest and highest constant rate factor that is drawn: from hardly visible to strong.
    weight : float
        How often it is drawn, relative to the others.
    options : dict of str to str
        Settings of the encoder; one thread, so that the same frames give the same bytes.
    """

    encoder: str
    decoder: str
    qualities: tuple[int, int]
    weight: float
    options: dict[str, str]


CODECS = {
    "h264": Codec("libx264", "h264", (17, 36), 3.0, {"preset": "superfast"}),
    "hevc": Codec(
        "libx265",
        "hevc",
        (18, 36),
        1.0,
        {
            "preset": "ultrafast",
            "x265-params": "log-level=none:pools=none:frame-threads=1:wpp=0",
        },
    ),
    "vp9": Codec(
        "libvpx-vp9",
        "vp9",
        (24, 50),
        1.0,
        {"deadline": "realtime", "cpu-used": "8", "b": "0", "lag-in-frames": "0"},
    ),
}
CHROMA = ("420", "422", "444")
_MIN_SIDE = 64  # pixels: x265 overruns its memory in frames smaller than one of its blocks


@cache
def available_codecs() -> tuple[str, ...]:
    """Return the codecs that the installed PyAV can write and read.

    Returns
    -------
    tuple of str
        Of ``"h264"``, ``"hevc"`` and ``"vp9"``.

    Raises
    ------
    ImportError
        If PyAV is not installed, or has none of them.
    """
    av = import_extra("av", "video", "Video codecs")
    names = tuple(
        name
        for name, codec in CODECS.items()
        if codec.encoder in av.codecs_available and codec.decoder in av.codecs_available
    )
    if not names:
        encoders = ", ".join(codec.encoder for codec in CODECS.values())
        raise missing_extra(
            "av", "video", "Video codecs", f"PyAV {av.__version__} has none of {encoders}"
        )
    return names


def code_frames(
    frames: Sequence[Image], *, codec: str = "h264", quality: int = 23, chroma: str = "420"
) -> list[Image]:
    """Write frames as a video stream and read them again.

    The stream has one key frame, the first; colors are limited-range YUV.

    Parameters
    ----------
    frames : sequence of ndarray of shape (H, W, 3), uint8
        RGB, all of one size, in the order in which they are shown. While they are coded, an odd
        height or width, and one under 64 pixels, is extended by repeating the edge.
    codec : {"h264", "hevc", "vp9"}, default="h264"
    quality : int, default=23
        Constant rate factor: 0 to 51, for VP9 to 63; higher is stronger compression.
    chroma : {"420", "422", "444"}, default="420"
        Subsampling of colors: halved in both directions, in rows, or not at all.

    Returns
    -------
    list of ndarray of shape (H, W, 3), uint8
        As many frames, RGB.

    Raises
    ------
    ImportError
        If PyAV is not installed, or lacks the codec.
    ValueError
        If there is no frame, or the codec or the subsampling is unknown.
    RuntimeError
        If the codec returns another number of frames.
    """
    if codec not in CODECS or chroma not in CHROMA:
        raise ValueError(
            f"codec must be one of {list(CODECS)} and chroma one of {list(CHROMA)}, got {codec!r} "
            f"and {chroma!r}."
        )
    if not frames:
        raise ValueError("frames must hold at least one frame, got none.")
    if codec not in available_codecs():
        raise missing_extra(
            "av", "video", f"Videos in {codec}", f"it has no {CODECS[codec].encoder}"
        )
    height, width = frames[0].shape[:2]
    pad = [(0, max(_MIN_SIDE, side + side % 2) - side) for side in (height, width)]
    pad.append((0, 0))
    packets = _encode([np.pad(frame, pad, mode="edge") for frame in frames], codec, quality, chroma)
    decoded = _decode(packets, codec)
    if len(decoded) != len(frames):
        raise RuntimeError(f"{codec} returned {len(decoded)} frames for {len(frames)}.")
    return [np.ascontiguousarray(frame[:height, :width]) for frame in decoded]


def _encode(frames: Sequence[Image], codec: str, quality: int, chroma: str) -> list[Any]:
    av = import_extra("av", "video", "Video codecs")
    context = av.CodecContext.create(CODECS[codec].encoder, "w")
    context.height, context.width = frames[0].shape[:2]
    context.pix_fmt, context.time_base = f"yuv{chroma}p", Fraction(1, 25)
    context.thread_count, context.gop_size = 1, len(frames)
    context.options = {**CODECS[codec].options, "crf": str(quality)}
    packets = []
    for number, frame in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
        picture = picture.reformat(format=f"yuv{chroma}p")
        picture.pts, picture.time_base = number, Fraction(1, 25)
        packets.extend(context.encode(picture))
    return [*packets, *context.encode(None)]


def _decode(packets: Sequence[Any], codec: str) -> list[Image]:
    av = import_extra("av", "video", "Video codecs")
    context = av.CodecContext.create(CODECS[codec].decoder, "r")
    context.thread_count = 1
    frames = [frame for packet in packets for frame in context.decode(packet)]
    frames += context.decode(None)
    return [frame.to_ndarray(format="rgb24") for frame in frames]
