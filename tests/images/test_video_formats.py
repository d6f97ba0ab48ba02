"""Containers and codecs: each frame is the one that a plain decoding loop gives."""

import random

import numpy as np
import pytest

pytest.importorskip("av")

import av
from bar_codes import decode_all, number_of, write

from sklearn_diffake.images.video import read_frames, sample_frames

B_FRAMES = {"g": "8", "bf": "2"}
MPEG = B_FRAMES | {"b": "800000"}
VPX = {"g": "8", "deadline": "realtime", "cpu-used": "8", "b": "300000",
       "auto-alt-ref": "1", "lag-in-frames": "10"}  # fmt: skip
ALT_REF = VPX | {"g": "30", "deadline": "good", "cpu-used": "2"}
X265 = {"x265-params": "log-level=none:keyint=8:bframes=2:pools=1"}
OPEN_GOP = {"x264-params": "open-gop=1:keyint=8:min-keyint=8:bframes=3:scenecut=0"}
OPEN_GOP_265 = {"x265-params": "log-level=none:keyint=8:bframes=3:open-gop=1:pools=1"}
REFRESH = {"x264-params": "intra-refresh=1:keyint=10:bframes=0"}
SVT = {"preset": "12", "g": "8"}
CIF = (352, 288)
SMALL = (128, 96)

#: Encoder, its containers, pixel format, options, size.
FORMATS = [
    ("libx264", "mp4 mov matroska avi mpegts flv nut 3gp mxf asf h264 mpeg ismv f4v", "yuv420p",
     B_FRAMES),
    ("libx264", "mp4 matroska mpegts", "yuv420p", OPEN_GOP),
    ("libx264", "mp4 matroska mpegts", "yuv420p", REFRESH),
    ("libx264", "mp4 matroska", "yuv444p", B_FRAMES),
    ("libx264", "mp4", "yuv420p", {"g": "1"}),
    ("libx264", "mp4", "yuv420p", {"g": "2", "bf": "1"}),
    ("libx264rgb", "mp4 matroska", "rgb24", B_FRAMES),
    ("libx265", "mp4 mov matroska mpegts hevc", "yuv420p", X265),
    ("libx265", "mp4 matroska", "yuv420p", OPEN_GOP_265),
    ("mpeg4", "mp4 avi matroska mov mpegts nut asf m4v", "yuv420p", MPEG),
    ("mpeg2video", "mpeg vob mpegts matroska mp4 avi mpeg2video mxf wtv", "yuv420p", MPEG),
    ("mpeg1video", "mpeg mpeg1video matroska mov", "yuv420p", MPEG),
    ("libvpx", "webm ivf avi ogg", "yuv420p", VPX),
    ("libvpx", "webm ivf", "yuv420p", ALT_REF),
    ("libvpx-vp9", "webm mp4 ivf", "yuv420p", VPX),
    ("libvpx-vp9", "webm", "yuv420p", ALT_REF),
    ("libsvtav1", "mp4 matroska webm ivf obu", "yuv420p", SVT),
    ("mjpeg", "avi mov matroska mjpeg nut", "yuvj420p", {"q": "3"}),
    ("prores_ks", "mov matroska mxf", "yuv422p10le", {}),
    ("dnxhd", "mov mxf", "yuv422p", {"profile": "dnxhr_lb"}, (256, 128)),
    ("ffv1", "matroska avi nut", "yuv420p", {"g": "8"}),
    ("huffyuv", "avi", "yuv422p", {}),
    ("ffvhuff", "avi", "yuv420p", {}),
    ("utvideo", "avi", "yuv420p", {}),
    ("rawvideo", "avi nut yuv4mpegpipe", "yuv420p", {}),
    ("h263", "avi 3gp mov", "yuv420p", {}, SMALL),
    ("flv", "flv avi", "yuv420p", {}),
    ("wmv1", "asf avi", "yuv420p", B_FRAMES | {"bf": "0", "b": "400000"}),
    ("wmv2", "asf avi", "yuv420p", B_FRAMES | {"bf": "0", "b": "400000"}),
    ("msmpeg4", "asf avi", "yuv420p", B_FRAMES | {"bf": "0", "b": "400000"}),
    ("msmpeg4v2", "avi", "yuv420p", B_FRAMES | {"bf": "0", "b": "400000"}),
    ("gif", "gif", "rgb8", {}),
    ("apng", "apng", "rgb24", {}),
    ("rv10", "rm", "yuv420p", {}),
    ("rv20", "rm", "yuv420p", {}),
    ("qtrle", "mov", "rgb24", {}),
    ("png", "mov avi", "rgb24", {}),
    ("svq1", "mov", "yuv410p", {}, SMALL),
    ("snow", "avi", "yuv420p", {}),
    ("jpeg2000", "mxf", "yuv420p", {}),
]  # fmt: skip
CASES = [
    (encoder, container, pixels, options, size[0] if size else (96, 64))
    for encoder, containers, pixels, options, *size in FORMATS
    for container in containers.split()
]
FUZZED = [
    "libx264-mp4", "libx264-matroska", "libx264-mpegts", "libx264-avi", "libx265-mp4",
    "mpeg4-mp4", "mpeg2video-mpeg", "libvpx-webm", "libvpx-vp9-webm", "libsvtav1-mp4",
    "wmv2-asf", "gif-gif",
]  # fmt: skip


def make(tmp_path, encoder, container, pixels, options, size, **extra):
    if encoder not in av.codecs_available or container not in av.formats_available:
        pytest.skip(f"this PyAV has no {encoder} in {container}")
    try:
        return write(tmp_path / "video", encoder, container, pixels, options, size, **extra)
    except av.FFmpegError as error:
        pytest.skip(f"this PyAV cannot write {encoder} in {container}: {error}")


EXACT = int(av.__version__.split(".")[0]) >= 18  # older ones ignore colors that a file states


def check(frames, full):
    """Compare frames with those of a plain loop; those of H.263 have pixels that are not square."""
    for frame in frames:
        assert number_of(frame.image) == number_of(full[frame.number])
        if frame.image.shape == full[frame.number].shape:
            difference = np.abs(frame.image.astype(int) - full[frame.number])
            assert (difference.max() == 0) if EXACT else (difference.mean() < 16)


@pytest.mark.parametrize(
    ("encoder", "container", "pixels", "options", "size"),
    CASES,
    ids=[f"{i}-{case[0]}-{case[1]}" for i, case in enumerate(CASES)],
)
def test_frames_equal_a_sequential_decode(tmp_path, encoder, container, pixels, options, size):
    path = make(tmp_path, encoder, container, pixels, options, size)
    full = decode_all(path)
    assert len(full) >= 28
    for n_frames in (1, 8, 10**6):
        frames = list(sample_frames(path, n_frames))
        assert len(frames) == min(n_frames, len(full))
        check(frames, full)
    assert [frame.number for frame in frames] == list(range(len(full)))
    assert (np.diff([frame.time for frame in frames]) > 0).all()


def test_at_least_forty_combinations_are_made():
    combinations = {
        (encoder, container)
        for encoder, container, *_ in CASES
        if encoder in av.codecs_available and container in av.formats_available
    }
    assert len(combinations) >= 40
    assert len({encoder for encoder, _ in combinations}) >= 20


@pytest.mark.parametrize("name", FUZZED)
def test_any_set_of_numbers(tmp_path, name):
    case = next(case for case in CASES if f"{case[0]}-{case[1]}" == name)
    path = make(tmp_path, *case, n=40)
    full = decode_all(path)
    rng = random.Random(name)
    for _ in range(12):
        numbers = rng.sample(range(len(full)), rng.randint(1, 6))
        frames = list(read_frames(path, numbers))
        assert [frame.number for frame in frames] == sorted(numbers)
        check(frames, full)


@pytest.mark.parametrize("name", ["libx264-mp4", "libx264-mpegts", "libx264-avi", "mpeg4-avi"])
def test_long_videos_are_counted_by_their_packets(tmp_path, name):
    case = next(case for case in CASES if f"{case[0]}-{case[1]}" == name)
    path = make(tmp_path, *case, n=240)
    full = decode_all(path)
    for n_frames in (1, 7, 200, len(full) - 1, 999):
        frames = list(sample_frames(path, n_frames))
        assert len(frames) == min(n_frames, len(full))
        check(frames, full)


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts", "nut", "flv"])
def test_variable_frame_rate(tmp_path, container):
    times = [*range(0, 15), *range(16, 100, 6)]
    options = {"g": "8", "bf": "2"}
    path = make(tmp_path, "libx264", container, "yuv420p", options, (96, 64), times=times,
                n=len(times))  # fmt: skip
    full = decode_all(path)
    assert len(full) == len(times)
    frames = list(sample_frames(path, 100))
    check(frames, full)
    expected_times = np.array(times) / 25
    np.testing.assert_allclose([frame.time for frame in frames], expected_times, atol=2e-3)
    few = list(sample_frames(path, 4))
    check(few, full)
    assert (np.diff([frame.time for frame in few]) > 0.6).all()
