"""Sixteen frames of a video as PNG files against reading it plainly with OpenCV and PyAV.

640 x 360 pixels, H.264, a key frame every two seconds. The plain ways read the video from its
beginning to its end, or, with OpenCV, jump to each frame; each writes PNG as its library does.
"""

import shutil
import tempfile
from pathlib import Path

import av
import cv2
import numpy as np
from _yardstick import alone, by_turns, smooth_images, timed

from sklearn_diffake.datasets import extract_frames

FRAMES, SIZE, RATE = 16, (640, 360), 25


def write_video(path, seconds):
    """Write a video of smooth moving images."""
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    wide = smooth_images(1, 1280)[0]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.options = {"g": str(2 * RATE)}
        for i in range(seconds * RATE):
            x, y = i % (1280 - SIZE[0]), i % (1280 - SIZE[1])
            image = np.ascontiguousarray(wide[y : y + SIZE[1], x : x + SIZE[0]])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def wanted(n):
    """Return the frames in the middle of equal stretches."""
    return [int((i + 0.5) * n / FRAMES) for i in range(FRAMES)]


def opencv(path, folder, n):
    """Read on and on."""
    video, numbers = cv2.VideoCapture(str(path)), set(wanted(n))
    for number in range(n):
        _, image = video.read()
        if number in numbers:
            cv2.imwrite(f"{folder}/{number}.png", image)


def opencv_jumps(path, folder, n):
    """Jump to each frame."""
    video = cv2.VideoCapture(str(path))
    for number in wanted(n):
        video.set(cv2.CAP_PROP_POS_FRAMES, number)
        cv2.imwrite(f"{folder}/{number}.png", video.read()[1])


def pyav(path, folder, n):
    """Decode on and on."""
    numbers = set(wanted(n))
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in numbers:
                frame.to_image().save(f"{folder}/{number}.png")


def figures(quick=False):
    seconds, repeats, rows = (10, 3, []) if quick else (60, 7, [])
    with tempfile.TemporaryDirectory() as name:
        folder, path = Path(name), Path(name, "video.mp4")
        write_video(path, seconds)

        def ours():
            shutil.rmtree(folder / "cache", ignore_errors=True)
            extract_frames(path, cache=folder / "cache", n_frames=FRAMES)

        what = f"extract_frames, {FRAMES} frames of {seconds} s of video"
        for plain, function in (
            ("OpenCV, reading through", opencv),
            ("OpenCV, jumping to each frame", opencv_jumps),
            ("PyAV, reading through", pyav),
        ):
            times = by_turns(ours, lambda: function(path, folder, seconds * RATE), repeats)  # noqa: B023
            rows.append(timed(what, plain, times))
    return rows


if __name__ == "__main__":
    alone(figures)
