"""Files that are read wrongly unless their kind is thought of; each carries its frame numbers."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("av")

import av
from bar_codes import decode_all, number_of, picture, write

from sklearn_diffake.images import _reading
from sklearn_diffake.images._decoding import Decoder
from sklearn_diffake.images.errors import VideoError
from sklearn_diffake.images.video import read_frames, sample_frames

FOLDER = Path(__file__).parents[1] / "data" / "videos"
#: Number of frames, size as shown, numbers that 8 frames have.
EIGHT_OF_60 = [3, 11, 18, 26, 33, 41, 48, 56]
CASES = {
    "anamorphic.mp4": (75, (640, 240), [4, 14, 23, 32, 42, 51, 60, 70]),
    "animated.gif": (40, (160, 120), [2, 7, 12, 17, 22, 27, 32, 37]),
    "animated.webp": (60, (320, 240), EIGHT_OF_60),
    "cut_without_reencoding.mov": (102, (320, 240), [6, 19, 31, 44, 57, 70, 82, 95]),
    "cut_without_reencoding.mp4": (102, (320, 240), [6, 19, 31, 44, 57, 70, 82, 95]),
    "gop25.mts": (500, (320, 240), [31, 93, 156, 218, 281, 343, 406, 468]),
    "gop50.ts": (500, (320, 240), [31, 93, 156, 218, 281, 343, 406, 468]),
    "h264_bframes.avi": (60, (320, 240), EIGHT_OF_60),
    "pal.mpg": (75, (1024, 576), [4, 14, 23, 32, 42, 51, 60, 70]),
    "plain.3gp": (60, (384, 288), EIGHT_OF_60),
    "plain.wmv": (60, (320, 240), EIGHT_OF_60),
    "plain_without_suffix": (60, (320, 240), EIGHT_OF_60),
    "xvid_packed_bframes.avi": (58, (320, 240), [3, 10, 18, 25, 32, 39, 47, 54]),
    "yuv444_old_x264.mp4": (700, (160, 120), [43, 131, 218, 306, 393, 481, 568, 656]),
}
#: What the bar code of the first frame says, where a clip was cut out of a longer one.
FIRST = {"cut_without_reencoding.mov": 75, "cut_without_reencoding.mp4": 25}


EVERY_TENTH = {"x264-params": "keyint=10:min-keyint=10:scenecut=0:bframes=0"}


@pytest.mark.parametrize("name", CASES)
def test_every_case_gives_what_a_sequential_decode_gives(name):
    n, size, eight = CASES[name]
    path = FOLDER / name
    if name == "animated.webp":
        with Image.open(path) as file:
            full = [np.asarray((file.seek(i), file.convert("RGB"))[1]) for i in range(n)]
    else:
        full = decode_all(path)
    assert len(full) == n
    assert number_of(full[0]) == FIRST.get(name, 0)
    for n_frames in (1, 8, 100 if n > 100 else n):
        frames = list(sample_frames(path, n_frames))
        assert len(frames) == n_frames
        for frame in frames:
            assert frame.image.shape == (size[1], size[0], 3)
            assert number_of(frame.image) == number_of(full[frame.number])
            if full[0].shape == frame.image.shape:
                np.testing.assert_array_equal(frame.image, full[frame.number])
        if n_frames == 8:
            assert [frame.number for frame in frames] == eight


@pytest.mark.parametrize("name", ["plain.3gp", "gop50.ts", "plain_without_suffix"])
def test_frames_of_given_numbers(name):
    full = decode_all(FOLDER / name)
    frames = list(read_frames(FOLDER / name, [33, 1, 17, 1, 58]))
    assert [frame.number for frame in frames] == [1, 17, 33, 58]
    assert [number_of(frame.image) for frame in frames] == [1, 17, 33, 58]
    last = len(full) - 1
    assert number_of(next(read_frames(FOLDER / name, [last])).image) == last
    with pytest.raises(VideoError, match=f"frame {last + 1}: there is no such frame") as caught:
        list(read_frames(FOLDER / name, [5, last + 1]))
    assert caught.value.frame == last + 1
    assert caught.value.path == str(FOLDER / name)


def test_a_frame_of_another_time_is_not_taken(tmp_path, monkeypatch):
    """What decodes after a seek must be as listed; if not, reading goes on from the start."""
    path = write(tmp_path / "a.mp4", "libx264", "mp4", options=EVERY_TENTH, n=60)
    real, sought = _reading._Cursor._skip_to, []

    def late(self, start, frame, state):
        sought.append(start)
        reached = real(self, start, frame, state)
        next(self._frames)  # one frame is lost behind each seek
        return reached

    monkeypatch.setattr(_reading._Cursor, "_skip_to", late)
    frames = list(read_frames(path, [7, 25, 47, 59]))
    assert [number_of(frame.image) for frame in frames] == [7, 25, 47, 59]
    assert sought == [20]


def test_a_seek_that_lands_late_is_repeated_further_back(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4", "libx264", "mp4", options=EVERY_TENTH, n=60)
    real = av.container.InputContainer.seek
    opened = _reading.open_video
    requested = []

    class Late:
        """A container whose seeks land one key frame late."""

        def __init__(self, container):
            self.container = container

        def __getattr__(self, name):
            return getattr(self.container, name)

        def seek(self, pts, **options):
            requested.append(pts)
            real(self.container, pts + 10 * 512, **options)

    class Opened:
        def __init__(self, path):
            self.manager = opened(path)

        def __enter__(self):
            video = self.manager.__enter__()
            return video._replace(container=Late(video.container))

        def __exit__(self, *error):
            return self.manager.__exit__(*error)

    monkeypatch.setattr(_reading, "open_video", Opened)
    frames = list(read_frames(path, [25, 47]))
    assert [number_of(frame.image) for frame in frames] == [25, 47]
    assert requested == [pts * 512 for pts in (20, 10, 40, 30)]


def write_streams(path, streams, container=None):
    """Write several video streams of bar-coded frames: first number, size, disposition."""
    with av.open(str(path), "w", format=container) as file:
        opened = []
        for first, size, disposition in streams:
            stream = file.add_stream("libx264", rate=25, options={"g": "8"})
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            stream.disposition = disposition
            opened.append((stream, first, size))
        for i in range(20):
            for stream, first, size in opened:
                image = picture(first + i, size)
                file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        for stream, _, _ in opened:
            file.mux(stream.encode())
    return path


NO_DISPOSITION, DEFAULT, COVER = 0, 1, 1024  # of av.stream.Disposition


@pytest.mark.parametrize("container", ["matroska", "mov"])
@pytest.mark.parametrize(
    ("dispositions", "first"), [((NO_DISPOSITION, DEFAULT), 200), ((DEFAULT, NO_DISPOSITION), 100)]
)
def test_the_default_stream_is_read(tmp_path, container, dispositions, first):
    sizes = ((128, 96), (96, 64))
    streams = zip((100, 200), sizes, dispositions, strict=True)
    path = write_streams(tmp_path / "a", list(streams), container)
    with av.open(str(path)) as file:
        remaining = [
            bool(stream.disposition & av.stream.Disposition(DEFAULT))
            for stream in file.streams.video
        ]
    if remaining != [disposition == DEFAULT for disposition in dispositions]:
        pytest.skip("the container does not keep these dispositions")
    numbers = [number_of(frame.image) for frame in sample_frames(path, 5)]
    assert numbers == [first + n for n in (2, 6, 10, 14, 18)]


def test_cover_art_beside_a_video_is_not_read(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as file:
        cover = file.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt, cover.disposition = 960, 640, "yuvj420p", COVER
        stream = file.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        image = picture(999, (960, 640))
        file.mux(cover.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(cover.encode())
        for number in range(10):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number), format="rgb24")))
        file.mux(stream.encode())
    with av.open(str(path)) as file:
        assert sorted(
            bool(s.disposition & av.stream.Disposition(COVER)) for s in file.streams.video
        ) == [False, True]
    assert [number_of(frame.image) for frame in sample_frames(path, 99)] == list(range(10))


def test_cover_art_is_no_video(tmp_path):
    path = tmp_path / "song.m4v"
    with av.open(str(path), "w", format="mp4") as file:
        sound = file.add_stream("aac", rate=44100, layout="mono")
        cover = file.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 96, 64, "yuvj420p"
        cover.disposition = COVER
        for packet in cover.encode(av.VideoFrame.from_ndarray(picture(1), format="rgb24")):
            file.mux(packet)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 44100), dtype=np.float32), "fltp", "mono")
        samples.sample_rate = 44100
        file.mux(sound.encode(samples))
        file.mux(sound.encode())
        file.mux(cover.encode())
    with av.open(str(path)) as file:
        assert [bool(s.disposition & av.stream.Disposition(COVER)) for s in file.streams.video] == [
            True
        ]
    with pytest.raises(VideoError, match="no video in this file, only cover art"):
        list(sample_frames(path, 2))


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video"])
def test_a_recording_that_begins_between_key_frames(tmp_path, codec):
    options = {"g": "20", "bf": "2"} | ({"b": "900000"} if codec == "mpeg2video" else {})
    path = write(tmp_path / "a.ts", codec, "mpegts", options=options, n=200)
    data = path.read_bytes()
    with av.open(str(path)) as file:
        positions = [packet.pos for packet in file.demux(video=0) if packet.size]
    start = positions[5] // 188 * 188
    path.write_bytes(data[: 2 * 188] + data[start:])  # the tables, and the sixth frame on
    full = decode_all(path)
    assert 150 < len(full) < 200
    for n_frames in (1, 8, 999):
        frames = list(sample_frames(path, n_frames))
        assert len(frames) == min(n_frames, len(full))
        for frame in frames:
            np.testing.assert_array_equal(frame.image, full[frame.number])


@pytest.mark.parametrize("name", ["animated.png", "animated.webp", "animated.gif"])
def test_animations_of_pillow_with_uneven_times_and_transparency(tmp_path, name):
    durations = [40, 200, 60, 100, 500, 40]
    images = [Image.fromarray(picture(i)).convert("RGBA") for i in range(6)]
    for image in images:
        image.putpixel((50, 60), (0, 0, 0, 0))
    path = tmp_path / name
    images[0].save(path, save_all=True, append_images=images[1:], duration=durations,
                   lossless=True, disposal=2 if name.endswith("gif") else 0)  # fmt: skip
    frames = list(sample_frames(path, 99))
    assert [number_of(frame.image) for frame in frames] == list(range(6))
    expected = np.cumsum([0, *durations])[:-1] / 1000
    np.testing.assert_allclose([frame.time for frame in frames], expected, atol=1e-6)
    assert frames[0].image[60, 50].tolist() == [255, 255, 255]
    np.testing.assert_allclose(frames[3].image[10:, :40], picture(3)[10:, :40], atol=40)


def test_a_webp_that_is_cut_off(tmp_path):
    data = (FOLDER / "animated.webp").read_bytes()
    path = tmp_path / "a.webp"
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(VideoError):
        list(sample_frames(path, 8))


@pytest.mark.parametrize("ratio", [Fraction(2), Fraction(8, 9), Fraction(64, 45)])
@pytest.mark.parametrize("container", ["mp4", "matroska", "avi"])
def test_pixels_become_square(tmp_path, ratio, container):
    path = tmp_path / "a"
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = ratio
        for number in range(4):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    for frame in sample_frames(path, 4):
        assert frame.image.shape == (64, round(96 * ratio), 3)
        assert number_of(frame.image) == frame.number


def test_an_absurd_aspect_ratio_is_ignored_and_a_huge_one_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    for ratio, shape in ((Fraction(200), (64, 96, 3)), (Fraction(15), (64, 96 * 15, 3))):
        with av.open(str(path), "w") as file:
            stream = file.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
            stream.codec_context.sample_aspect_ratio = ratio
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture(0), format="rgb24")))
            file.mux(stream.encode())
        assert next(sample_frames(path, 1)).image.shape == shape
    monkeypatch.setattr("sklearn_diffake.images._decoding.MAX_FRAME_PIXELS", 96 * 64 * 14)
    with pytest.raises(VideoError, match="1440 x 64 pixels are too many"):
        list(sample_frames(path, 1))


MATRICES = {"ITU601": 6, "ITU709": 1, "BT2020": 9}


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv420p10le"])
def test_colors_follow_what_the_file_states(tmp_path, matrix, full_range, pixels):
    reference = av.video.reformatter.Colorspace.__members__
    if matrix not in reference:
        pytest.skip(f"this PyAV has no {matrix}")
    color = (200, 30, 60)
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, pixels
        context = stream.codec_context
        context.colorspace, context.color_range = MATRICES[matrix], 2 if full_range else 1
        if pixels.endswith("10le"):
            context.color_trc, context.color_primaries = 16, 9  # PQ
        frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), color, np.uint8), format="rgb24")
        frame = frame.reformat(format=pixels, dst_colorspace=matrix,
                               dst_color_range="JPEG" if full_range else "MPEG")  # fmt: skip
        frame.colorspace, frame.color_range = context.colorspace, context.color_range
        frame.pts = 0
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    image = next(sample_frames(path, 1)).image
    np.testing.assert_allclose(image[32, 32].astype(int), color, atol=5)


def test_a_seek_whose_key_frame_does_not_come_is_not_believed(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4", "libx264", "mp4", options={"g": "1"}, n=30)
    real, calls = Decoder.frames, []

    def without_first(self):
        calls.append(self)
        frames = real(self)
        if calls.count(self) > 1:  # behind a seek
            next(frames)
        return frames

    monkeypatch.setattr(Decoder, "frames", without_first)
    frames = list(read_frames(path, [3, 9, 20, 29]))
    assert [number_of(frame.image) for frame in frames] == [3, 9, 20, 29]
