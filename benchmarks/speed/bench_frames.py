"""Frames of a video against reading it plainly with OpenCV and PyAV.

640 x 360 pixels, H.264, a key frame every two seconds. Sixteen frames are written as PNG files:
the plain ways read the video from its beginning to its end, or, with OpenCV, jump to each frame.
Eight of ten thousand frames are decoded without being written: from MP4, against listing the
packets and seeking with PyAV unchecked; from MPEG-TS, where seeking is not exact, against a loop
over all frames. decord and torchcodec, which read by number too, have rows where they are
installed (``pip install decord torchcodec``). Peak memory is that of a process of its own.
"""

import functools
import shutil
import subprocess
import sys
import tempfile
from bisect import bisect_right
from importlib.metadata import version
from pathlib import Path

import av
import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the imports below
from benchmarks.speed._images import smooth_images
from benchmarks.speed._timing import row, run_alone, time_alternately, timed
from sklearn_diffake.datasets import extract_frames
from sklearn_diffake.images.video import sample_frames

FRAMES, SIZE, RATE = 16, (640, 360), 25
FEW = 8  # of many


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


def frame_numbers(n, frames=FRAMES):
    """Return the frames in the middle of equal stretches."""
    return [int((i + 0.5) * n / frames) for i in range(frames)]


def opencv(path, folder, n):
    """Read on and on."""
    video, numbers = cv2.VideoCapture(str(path)), set(frame_numbers(n))
    for number in range(n):
        _, image = video.read()
        if number in numbers:
            cv2.imwrite(f"{folder}/{number}.png", image)


def opencv_jumps(path, folder, n):
    """Jump to each frame."""
    video = cv2.VideoCapture(str(path))
    for number in frame_numbers(n):
        video.set(cv2.CAP_PROP_POS_FRAMES, number)
        cv2.imwrite(f"{folder}/{number}.png", video.read()[1])


def pyav(path, folder, n):
    """Decode on and on."""
    numbers = set(frame_numbers(n))
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in numbers:
                frame.to_image().save(f"{folder}/{number}.png")


def remux(source, target):
    """Copy the packets of a video into another container."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)


def seek_unchecked(path):
    """List the packets with PyAV, then decode from the key frame before each frame."""
    with av.open(str(path)) as container:
        packets = [(p.pts, p.is_keyframe) for p in container.demux(video=0) if p.size]
    times = sorted(pts for pts, _ in packets)
    keys = sorted(pts for pts, is_key in packets if is_key)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for number in frame_numbers(len(times), FEW):
            pts = times[number]
            container.seek(keys[bisect_right(keys, pts) - 1], stream=stream)
            frame = next(frame for frame in container.decode(stream) if frame.pts == pts)
            frame.to_ndarray(format="rgb24")


def decode_all(path, n):
    """Decode on and on, and convert a few frames."""
    numbers = set(frame_numbers(n, FEW))
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in numbers:
                frame.to_ndarray(format="rgb24")


def sample(path):
    """Read a few frames as this package does."""
    for _ in sample_frames(path, FEW):
        pass


def decord_frames(path, n):
    """Read a few frames with decord, which lists the frames of a video and seeks."""
    import decord

    decord.VideoReader(str(path), num_threads=1).get_batch(frame_numbers(n, FEW)).asnumpy()


def torchcodec_frames(path, n):
    """Read a few frames with torchcodec, which finds out first where each frame is."""
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(str(path), seek_mode="exact", num_ffmpeg_threads=1)
    decoder.get_frames_at(frame_numbers(n, FEW))


def optional_rows(measure, path, n, repeats):
    """Return the rows of readers that may not be installed; what is missing is printed."""
    rows = []
    for name, read in (("decord", decord_frames), ("torchcodec", torchcodec_frames)):
        yardstick = f"{name}, exact"
        try:
            read(path, n)
        except (ImportError, OSError, RuntimeError) as error:  # a library or FFmpeg is missing
            print(f"no row for {yardstick}: {str(error).splitlines()[0]:.100}", file=sys.stderr)
            continue
        times = time_alternately(lambda: sample(path), lambda: read(path, n), repeats)  # noqa: B023
        rows.append(timed(measure, f"{yardstick} ({version(name)})", times))
    return rows


def peak_memory(path):
    """Return the most memory that a process took which reads a few frames, in MB."""
    code = (
        "import sys; from sklearn_diffake.images.video import sample_frames\n"
        f"for _ in sample_frames(sys.argv[1], {FEW}): pass\n"
        "lines = open('/proc/self/status').read().splitlines()\n"
        "print(next(line for line in lines if line.startswith('VmHWM')).split()[1])"
    )
    command = [sys.executable, "-c", code, str(path)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) / 1024


def few_of_many(folder, quick, repeats):
    """Measure reading a few frames of a long video, exactly and in little memory."""
    seconds = 40 if quick else 400
    n, rows = seconds * RATE, []
    short, long = folder / "short.mp4", folder / "long.mp4"
    write_video(short, seconds // 10)
    write_video(long, seconds)
    for path in (short, long):
        remux(path, path.with_suffix(".ts"))
    measure = f"sample_frames, {FEW} of {n:,} frames"
    times = time_alternately(lambda: sample(long), lambda: seek_unchecked(long), repeats)
    rows.append(timed(f"{measure}, MP4", "PyAV, seeking unchecked", times, goal=">= 0.85"))
    rows += optional_rows(f"{measure}, MP4", long, n, repeats)
    stream = long.with_suffix(".ts")
    times = time_alternately(lambda: sample(stream), lambda: decode_all(stream, n), repeats)
    rows.append(timed(f"{measure}, MPEG-TS", "PyAV, decoding all", times, goal=">= 0.83333"))
    for name, suffix in (("MP4", ".mp4"), ("MPEG-TS", ".ts")):
        long_peak, short_peak = (peak_memory(path.with_suffix(suffix)) for path in (long, short))
        yardstick = f"a tenth of the frames, {name}"
        rows.append(
            row(f"{measure}, peak memory", yardstick, long_peak, short_peak, "MB", goal=">= 0.9")
        )
    return rows


def figures(quick=False):
    seconds, repeats, rows = (10, 3, []) if quick else (60, 7, [])
    with tempfile.TemporaryDirectory() as name:
        folder, path = Path(name), Path(name, "video.mp4")
        write_video(path, seconds)

        def sample_ours():
            shutil.rmtree(folder / "cache", ignore_errors=True)
            extract_frames(path, cache=folder / "cache", n_frames=FRAMES)

        measure = f"extract_frames, {FRAMES} frames of {seconds} s of video"
        for plain, function in (
            ("OpenCV, reading through", opencv),
            ("OpenCV, jumping to each frame", opencv_jumps),
            ("PyAV, reading through", pyav),
        ):
            their_function = functools.partial(function, path, folder, seconds * RATE)
            times = time_alternately(sample_ours, their_function, repeats)
            rows.append(timed(measure, plain, times))
        rows += few_of_many(folder, quick, repeats)
    return rows


if __name__ == "__main__":
    run_alone(figures)
