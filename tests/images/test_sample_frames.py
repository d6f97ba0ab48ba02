"""Frames of real, tiny videos."""

import io
import sys

import av
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av")

from video_files import (
    MIRRORED,
    ROTATIONS,
    bright_corner,
    number_of,
    picture,
    write_sound,
    write_video,
)

from sklearn_diffake.images import _decoding, _packets
from sklearn_diffake.images._frame_pixels import turn
from sklearn_diffake.images.errors import VideoError
from sklearn_diffake.images.video import choose_frames, sample_frames


def numbers(path, n_frames):
    """Numbers that the frames claim, after a look at what is seen in them."""
    frames = list(sample_frames(path, n_frames))
    assert [number_of(frame.image) for frame in frames] == [frame.number for frame in frames]
    return [frame.number for frame in frames]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mp4", "mpeg4"), ("a.avi", "mpeg4"), ("a.mkv", "libx264")],
)
@pytest.mark.parametrize(("gop", "b_frames"), [(10, 2), (250, 0), (1, 0)])
def test_frames_are_evenly_spaced_and_exactly_those(tmp_path, name, codec, gop, b_frames):
    path = write_video(tmp_path / name, 55, codec=codec, gop=gop, b_frames=b_frames)
    assert numbers(path, 5) == [5, 16, 27, 38, 49]
    assert numbers(path, 11) == [2, 7, 12, 17, 22, 27, 32, 37, 42, 47, 52]
    assert numbers(path, 55) == list(range(55))
    assert numbers(path, 1) == [27]


def test_a_short_video_gives_all_its_frames(tmp_path):
    assert numbers(write_video(tmp_path / "a.mp4", 3), 16) == [0, 1, 2]
    assert numbers(write_video(tmp_path / "b.mp4", 1), 16) == [0]


@pytest.mark.parametrize("b_frames", [0, 2])
def test_frames_are_counted_where_nothing_says_when_they_are_shown(tmp_path, b_frames):
    if "libx264" not in pytest.importorskip("av").codecs_available:
        pytest.skip("this FFmpeg has no libx264")
    path = write_video(tmp_path / "a.h264", 10, b_frames=b_frames)
    assert not _packets.read_index(str(path)).is_seekable
    assert numbers(path, 3) == [1, 5, 8]
    assert numbers(path, 16) == list(range(10))
    times = [frame.time for frame in sample_frames(path, 3)]
    np.testing.assert_allclose(times, np.array([1, 5, 8]) / 25)


@pytest.mark.parametrize("size", [(64, 48), (128, 96), (48, 112)])
def test_size_and_color(tmp_path, size):
    image = picture(0, size)
    image[:, size[0] // 2 :] = (200, 30, 60)
    frame = next(sample_frames(write_video(tmp_path / "a.mp4", 1, size=size, images=[image]), 1))
    assert frame.image.shape == (size[1], size[0], 3)
    assert frame.image.dtype == np.uint8
    np.testing.assert_allclose(frame.image[-8, -8].astype(int), (200, 30, 60), atol=12)


def test_times_and_even_spacing_at_variable_rate(tmp_path):
    times = [*range(0, 60, 2), *range(60, 1020, 96)]  # 0.6 s of many frames, 9.6 s of few
    path = write_video(tmp_path / "a.mp4", len(times), times=times)
    frames = list(sample_frames(path, 5))
    assert [number_of(frame.image) for frame in frames] == [frame.number for frame in frames]
    np.testing.assert_allclose(
        [frame.time for frame in frames], [times[f.number] / 100 for f in frames], atol=1e-6
    )
    gaps = np.diff([frame.time for frame in frames])
    assert (gaps > 0.9).all()  # by number, two of them would lie in the first half second
    assert len(set(numbers(path, 30))) == 30


def test_times_begin_with_the_first_frame(tmp_path):
    path = write_video(tmp_path / "a.mkv", 20, times=range(300, 400, 5))
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).time == 3.0
    frames = list(sample_frames(path, 20))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(20) / 20, atol=2e-3)


@pytest.mark.parametrize(("degrees", "corner"), [
    (0, (False, False)), (90, (False, True)), (180, (True, True)), (270, (True, False))
])  # fmt: skip
def test_rotation_is_applied(tmp_path, degrees, corner):
    path = write_video(tmp_path / "a.mp4", 2, matrix=ROTATIONS[degrees])
    image = next(sample_frames(path, 1)).image
    assert image.shape == ((48, 64, 3) if degrees % 180 == 0 else (64, 48, 3))
    assert bright_corner(image) == corner


def test_mirroring_is_applied(tmp_path):
    path = write_video(tmp_path / "a.mp4", 2, matrix=MIRRORED)
    assert bright_corner(next(sample_frames(path, 1)).image) == (False, True)


def test_turning_agrees_with_the_matrix_point_by_point():
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    for a, b, c, d in [*ROTATIONS.values(), MIRRORED, (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)]:
        turned = turn(image, np.array([a, b, 0, c, d, 0, 0, 0, 1]) << 16)
        points = np.array([(x, y) for y in range(2) for x in range(3)])
        shifted = points @ np.array([[a, b], [c, d]])
        shifted -= shifted.min(axis=0)
        for (x, y), (to_x, to_y) in zip(points, shifted, strict=True):
            assert turned[to_y, to_x].tolist() == image[y, x].tolist()


def test_the_name_of_a_file_does_not_matter(tmp_path):
    path = write_video(tmp_path / "a.mp4", 8)
    for name in ("a.txt", "b.avi", "c d,é:1"):
        path = path.rename(tmp_path / name)
        assert numbers(path, 2) == [2, 6]


def read_all(path, **options):
    return write_video(path, 50, **options).read_bytes()


def broken_files(path):
    """Name, content and what is said about it."""
    good, streamed = read_all(path), read_all(path, faststart=True)
    start = streamed.index(b"mdat") + 4
    return {
        "empty": (b"", "the file is empty"),
        "text": (b"not a video " * 50, "this is a text file, where a video is expected"),
        "index cut off": (good[: len(good) // 2], "not a video, or a damaged or truncated one"),
        "cut off in a frame": (streamed[: len(streamed) * 7 // 10], "cut off"),
        "cut off after a frame": (streamed[: len(streamed) * 9 // 10], "cut off"),
        "last frame cut": (streamed[:-4], "cut off or damaged after frame 49"),
        "no frames left": (streamed[: start + 4], "cut off|no frames|damaged"),
        "zeros": (streamed[:start] + bytes(len(streamed) - start), "damaged"),
    }


BROKEN = ["empty", "text", "index cut off", "cut off in a frame", "cut off after a frame",
          "last frame cut", "no frames left", "zeros"]  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_videos_are_said_to_be(tmp_path, name):
    files = broken_files(tmp_path / "good.mp4")
    assert list(files) == BROKEN
    content, message = files[name]
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError, match=message):
        list(sample_frames(path, 8))


def test_what_is_no_video(tmp_path):
    with pytest.raises(VideoError, match="a WAV audio file, where a video is expected"):
        list(sample_frames(write_sound(tmp_path / "a.wav"), 2))
    for name in ("zero.mp4", "zero.avi", "zero.mkv"):
        with pytest.raises(VideoError, match=r"no frames|no video in this file|not a video"):
            list(sample_frames(write_video(tmp_path / name, 0), 2))
    with pytest.raises(VideoError, match="no such file"):
        list(sample_frames(tmp_path / "absent.mp4", 2))
    with pytest.raises(VideoError, match="this is a directory, where a video is expected"):
        list(sample_frames(tmp_path, 2))


@pytest.mark.parametrize("name", ["list.m3u8", "list.mp4", "list.ffconcat"])
def test_a_playlist_opens_no_other_file(tmp_path, monkeypatch, name):
    (tmp_path / "inside").mkdir()
    for position in (tmp_path, tmp_path / "inside"):
        write_video(position / "clip.ts", 8, codec="mpeg2video")
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n../clip.ts\n#EXT-X-ENDLIST\n"
    if name == "list.ffconcat":
        text = "ffconcat version 1.0\nfile 'clip.ts'\n"
    (tmp_path / "inside" / name).write_text(text)
    with pytest.raises(VideoError, match="where a video is expected"):
        list(sample_frames(tmp_path / "inside" / name, 2))
    monkeypatch.setattr("sklearn_diffake.images.video.check_file", lambda path: None)
    with pytest.raises(VideoError, match="where a video is expected"):  # by FFmpeg as well
        list(sample_frames(tmp_path / "inside" / name, 2))


def test_frames_of_too_many_pixels_are_refused(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", 4, size=(64, 48))
    monkeypatch.setattr(_decoding, "MAX_FRAME_PIXELS", 64 * 48)
    assert len(numbers(path, 4)) == 4
    monkeypatch.setattr(_decoding, "MAX_FRAME_PIXELS", 64 * 48 - 1)
    with pytest.raises(VideoError, match=r"64 x 48 pixels are too many .*limit 3,071\)"):
        list(sample_frames(path, 4))


def test_frames_that_grow_too_large_within_a_video_are_refused(tmp_path, monkeypatch):
    import av

    path = tmp_path / "growing.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        container.start_encoding()
        for number, side in enumerate((64, 64, 256, 256)):
            target = io.BytesIO()  # each frame is a JPEG file
            Image.fromarray(picture(number, (side, side))).save(target, "JPEG")
            packet = av.Packet(target.getvalue())
            packet.stream, packet.pts, packet.dts = stream, number, number
            packet.time_base, packet.is_keyframe = stream.time_base, True
            container.mux(packet)
    assert [len(frame.image) for frame in sample_frames(path, 4)] == [64, 64, 256, 256]
    monkeypatch.setattr(_decoding, "MAX_FRAME_PIXELS", 64 * 64)
    with pytest.raises(VideoError, match="damaged: 2 frames cannot be decoded"):
        list(sample_frames(path, 4))
    with pytest.warns(UserWarning, match="2 frames cannot be decoded"):
        frames = list(sample_frames(path, 4, on_damage="skip"))
    assert [len(frame.image) for frame in frames] == [64, 64]


def test_a_codec_that_nobody_knows(tmp_path):
    path = write_video(tmp_path / "a.mp4", 4)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"avc1", b"zzzz").replace(b"mp4v", b"zzzz"))
    with pytest.raises(VideoError, match="cannot decode the codec"):
        list(sample_frames(path, 2))


def test_a_header_that_asks_for_gigabytes(tmp_path):
    path = write_video(tmp_path / "a.mp4", 4)
    data = bytearray(path.read_bytes())
    start = data.index(b"stts") + 8  # the number of entries of a table
    data[start : start + 4] = b"\x7f\xff\xff\xff"
    path.write_bytes(data)
    with pytest.raises(VideoError, match="needs more memory than"):
        list(sample_frames(path, 2))


def test_no_more_is_decoded_than_from_the_key_frame_before(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", 57, gop=10, b_frames=0)
    decoded = []
    real = _decoding.Decoder.frames

    def counting(self):
        for frame, state in real(self):
            decoded.append(frame.pts)
            yield frame, state

    monkeypatch.setattr(_decoding.Decoder, "frames", counting)
    frames = sample_frames(path, 3)
    assert next(frames).number == 9
    assert len(decoded) == 10  # from 0
    assert [frame.number for frame in frames] == [28, 47]
    assert len(decoded) == 10 + 9 + 8  # from 20, from 40


def test_without_pyav_the_extra_is_named(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", 2)
    monkeypatch.setitem(sys.modules, "av", None)  # importing it fails
    with pytest.raises(ImportError, match=r"sklearn-diffake\[video\]"):
        list(sample_frames(path, 1))


def test_choice_never_repeats():
    rng = np.random.default_rng(0)
    for _ in range(200):
        times = np.unique(rng.integers(-50, 1000, rng.integers(1, 40)))
        n_frames = int(rng.integers(1, 50))
        selected = choose_frames(times, int(times[-1] + rng.integers(1, 90)), n_frames)
        assert len(selected) == min(n_frames, len(times))
        assert (np.diff(selected) > 0).all()
        assert 0 <= selected[0] <= selected[-1] < len(times)
