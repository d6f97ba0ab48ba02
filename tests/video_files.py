"""Tiny videos whose frames tell their number by their brightness."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

STEP = 4  # of brightness, from one frame to the next
BRIGHT = 250


def picture(number, size=(64, 48), corner=True):
    """A gray image; its top left corner is bright."""
    image = np.full((size[1], size[0], 3), (number * STEP) % 232, dtype=np.uint8)
    if corner:
        image[: size[1] // 4, : size[0] // 4] = BRIGHT
    return image


def number_of(image):
    """The number that the brightness of the middle tells."""
    height, width = image.shape[:2]
    middle = image[height // 2 - 4 : height // 2 + 4, width // 2 - 4 : width // 2 + 4]
    return round(float(middle.mean()) / STEP)


def bright_corner(image):
    """Where the bright corner is: (bottom?, right?)."""
    height, width = image.shape[:2]
    rows, columns = np.nonzero(image.mean(axis=2) > (BRIGHT + 232) / 2)
    return bool(rows.mean() > height / 2), bool(columns.mean() > width / 2)


def write_video(path, n_frames=30, *, size=(64, 48), codec="libx264", times=None, images=None,
                gop=10, b_frames=2, matrix=None, faststart=False):  # fmt: skip
    """Write a video; `times` are those of the frames, in hundredths of a second."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if codec not in av.codecs_available:
        codec = "mpeg4"
    flags = {"movflags": "faststart"} if faststart else {}
    form = {".mkv": "matroska", ".avi": "avi", ".h264": "h264"}.get(path.suffix, "mp4")
    with av.open(str(path), "w", format=form, options=flags) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.options = {"g": str(gop), "bf": str(b_frames)}
        stream.options |= {"crf": "10"} if codec == "libx264" else {"b": "8000000"}
        stream.codec_context.thread_count = 1  # threads cost more than these few pixels
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 100)
        container.start_encoding()
        for i in range(n_frames):
            image = picture(i, size) if images is None else images[i]
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = int(times[i]), Fraction(1, 100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    if matrix is not None:
        _set_matrix(path, matrix)
    return path


#: Display matrices by the degrees by which a player turns the picture clockwise.
ROTATIONS = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
MIRRORED = (-1, 0, 0, 1)


def _set_matrix(path, matrix):
    """Overwrite the display matrix in the track header of an mp4 file."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (value * 65536 for value in matrix)
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def write_sound(path):
    """Write a file that has sound and no picture."""
    path = Path(path)
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        samples = np.zeros((1, 1600), dtype=np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
