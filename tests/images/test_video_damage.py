"""Truncated and corrupted videos: an error or fewer frames, never silently another frame."""

import contextlib
import errno
import random
import time
import warnings

import numpy as np
import pytest

pytest.importorskip("av")

import av
from bar_codes import number_of, write

from sklearn_diffake.datasets import extract_frames
from sklearn_diffake.images import _packets, _reading
from sklearn_diffake.images._decoding import Decoder
from sklearn_diffake.images.errors import VideoError
from sklearn_diffake.images.video import read_frames, sample_frames

EXACT = int(av.__version__.split(".")[0]) >= 18  # older ones ignore colors that a file states
X264 = {"x264-params": "keyint=10:min-keyint=10:scenecut=0:bframes=2"}
ONE_GROUP = {"x264-params": "keyint=300:scenecut=0:bframes=0"}
FORMATS = {
    "mp4": ("libx264", "mp4", X264),
    "mkv": ("libx264", "matroska", X264),
    "ts": ("libx264", "mpegts", X264),
    "mpeg4.avi": ("mpeg4", "avi", {"g": "10", "b": "400000"}),
    "mpg": ("mpeg2video", "mpeg", {"g": "10", "bf": "2", "b": "800000"}),
    "vp9.webm": ("libvpx-vp9", "webm", {"g": "10", "deadline": "realtime", "cpu-used": "8"}),
    "gif": ("gif", "gif", {}),
}


def make(path, name, n=60):
    codec, container, options = FORMATS[name]
    return write(path, codec, container, "rgb8" if codec == "gif" else "yuv420p", options, n=n)


def packet_places(path):
    """Place and size of each packet in a file, in the order in which they are decoded."""
    with av.open(str(path)) as file:
        return [(p.pos, p.size, p.pts, p.is_keyframe) for p in file.demux(video=0) if p.size]


def zero(path, position, size, start=8):
    data = bytearray(path.read_bytes())
    data[position + start : position + size] = bytes(size - start)
    path.write_bytes(data)


def decode_patiently(path):
    """All frames of a loop that goes on behind packets that cannot be decoded: time to image."""
    images = {}
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        packets = [packet for packet in file.demux(stream) if packet.size]
        for decode in [*(packet.decode for packet in packets), stream.codec_context.decode]:
            try:
                images |= {f.pts: (f.to_ndarray(format="rgb24"), f.is_corrupt) for f in decode()}
            except av.FFmpegError:
                continue
    return images


def test_one_lost_packet_costs_what_depends_on_it(tmp_path):
    path = make(tmp_path / "a.mp4", "mp4")
    position, size, _, key = packet_places(path)[23]
    assert not key
    zero(path, position, size, 0)
    numbers = [number_of(frame.image) for frame in sample_frames(path, 3)]
    assert numbers == [10, 30, 50]  # none of them is in the group of the lost packet
    with pytest.raises(VideoError, match=r"frame 2\d: this frame (is missing|depends)") as caught:
        list(sample_frames(path, 60))
    assert 20 < caught.value.frame < 30
    with pytest.warns(UserWarning, match=r"damaged: 1 frame cannot be decoded.*depend|damaged"):
        frames = list(sample_frames(path, 60, on_damage="skip"))
    assert 50 < len(frames) < 60
    for frame in frames:
        if not 20 <= frame.number < 30:
            assert number_of(frame.image) == frame.number


def test_a_lost_packet_does_not_cost_a_file_without_key_frames(tmp_path):
    path = write(tmp_path / "a.mp4", "libx264", "mp4", options=ONE_GROUP, n=60)
    position, size, _, _ = packet_places(path)[5]
    zero(path, position, size, 0)
    with pytest.raises(VideoError, match=r"frame \d+: this frame depends on one that is damaged"):
        list(sample_frames(path, 8))
    with pytest.warns(UserWarning, match="7 frames decoded from damaged ones"):
        assert len(list(sample_frames(path, 8, on_damage="skip"))) == 8


@pytest.mark.parametrize("name", ["mp4", "mkv"])
def test_the_number_of_a_frame_behind_a_lost_one_does_not_change(tmp_path, name):
    path = make(tmp_path / "a", name)
    position, size, _, _ = packet_places(path)[13]
    zero(path, position, size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for n_frames in (8, 60):
            for frame in sample_frames(path, n_frames, on_damage="skip"):
                if not 10 <= frame.number < 20:
                    assert number_of(frame.image) == frame.number


@pytest.mark.parametrize("name", ["mp4", "mkv", "mpeg4.avi"])
def test_a_file_that_is_cut_off(tmp_path, name):
    codec, container, options = FORMATS[name]
    flags = {"movflags": "faststart"} if name == "mp4" else {}  # the index first, as on the web
    path = write(tmp_path / "a", codec, container, options=options, n=60, flags=flags)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    with pytest.raises(VideoError, match="cut off"):
        list(sample_frames(path, 4))
    with pytest.warns(UserWarning, match=r"about \d+ frames cut off at the end"):
        frames = list(sample_frames(path, 4, on_damage="skip"))
    assert 3 <= len(frames) <= 4
    assert [number_of(frame.image) for frame in frames] == [frame.number for frame in frames]


def test_extracted_frames_count_the_lost_ones(tmp_path):
    path = make(tmp_path / "a.mp4", "mp4")
    for position, size, _, _ in packet_places(path)[30:33]:
        zero(path, position, size, 0)
    options = {"cache": tmp_path / "cache", "n_frames": 60}
    for _ in range(2):  # extracted, and found
        with pytest.warns(UserWarning, match=r"\d+ frames are damaged or missing, and left out"):
            frames = extract_frames(path, on_damage="skip", **options)
        assert frames.n_lost >= 3
        assert len(frames.paths) + frames.n_lost == 60
        with pytest.raises(VideoError, match=r"frame \d+: this frame depends on one"):
            extract_frames(path, **options)


def corruptions(data, rng):
    """A few ways to spoil a file."""
    start = len(data) // 20
    for _ in range(4):
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 3, 30))):  # flipped bits
            damaged[rng.randrange(start, len(data))] ^= 1 << rng.randrange(8)
        yield bytes(damaged)
    for _ in range(2):
        first = rng.randrange(start, len(data))
        length = rng.choice((1, 188, 2000))
        yield data[:first] + data[first + length :]  # lost bytes
        yield data[:first] + bytes(length) + data[first + length :]  # zeros
    yield data[: rng.randrange(start, len(data))]


@pytest.mark.parametrize("name", FORMATS)
def test_corrupted_files_give_no_other_frame(tmp_path, name):
    path = make(tmp_path / "a", name)
    data = path.read_bytes()
    rng = random.Random(name)
    began = time.perf_counter()
    for damaged in corruptions(data, rng):
        path.write_bytes(damaged)
        try:
            frames = list(sample_frames(path, 6))
        except VideoError:
            with warnings.catch_warnings(), contextlib.suppress(VideoError):
                warnings.simplefilter("ignore")
                list(sample_frames(path, 6, on_damage="skip"))
            continue
        if not EXACT:
            continue
        images = list(decode_patiently(path).values())
        for frame in frames:  # each is a frame of the file, not marked as corrupt
            identical = [corrupt for image, corrupt in images if np.array_equal(image, frame.image)]
            assert False in identical
    assert time.perf_counter() - began < 30


def test_frames_that_follow_a_seek_into_damage_are_those_of_a_sequential_decode(tmp_path):
    path = make(tmp_path / "a.mp4", "mp4", n=120)
    for position, size, _, _ in packet_places(path)[62:64]:
        zero(path, position, size)
    expected = decode_patiently(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for frame in read_frames(path, [5, 60, 61, 66, 67, 90], on_damage="skip"):
            image, _ = expected[frame.number * 512]
            np.testing.assert_array_equal(frame.image, image)


def test_a_packet_that_the_container_marks_is_no_good_frame(tmp_path):
    """In MPEG-TS a lost packet of 188 bytes is seen by its counter alone."""
    path = make(tmp_path / "a.ts", "ts", n=200)
    data = path.read_bytes()
    positions = [position for position, *_ in packet_places(path)]
    start = positions[105] // 188 * 188
    path.write_bytes(data[:start] + data[start + 188 :])
    with av.open(str(path)) as file:
        assert any(packet.is_corrupt for packet in file.demux(video=0))
    with pytest.raises(VideoError, match=r"cut off or damaged after frame 10\d"):
        list(sample_frames(path, 8))
    with pytest.warns(UserWarning, match="the video is damaged"):
        frames = list(sample_frames(path, 199, on_damage="skip"))
    assert len(frames) < 199
    for frame in frames:
        if not 100 <= frame.number < 110:
            assert abs(number_of(frame.image) - frame.number) <= 1


class Failing:
    """A container whose file fails after some packets."""

    def __init__(self, container, error, after):
        self.container, self.error, self.after = container, error, after

    def __getattr__(self, name):
        return getattr(self.container, name)

    def demux(self, *streams):
        for number, packet in enumerate(self.container.demux(*streams)):
            if number == self.after:
                raise self.error
            yield packet


def fail_after(monkeypatch, module, error, after):
    opened = module.open_video

    @contextlib.contextmanager
    def open_failing(path):
        with opened(path) as video:
            yield video._replace(container=Failing(video.container, error, after))

    monkeypatch.setattr(module, "open_video", open_failing)


DISK = av.error.PermissionError(errno.EACCES, "the disk fails")
DATA = av.error.InvalidDataError(1094995529, "invalid data")


@pytest.mark.parametrize(
    ("error", "message"), [(DISK, "the file cannot be read: the disk fails"), (DATA, "damaged")]
)
def test_a_file_that_fails_before_its_first_frame(tmp_path, monkeypatch, error, message):
    path = make(tmp_path / "a.mp4", "mp4", n=20)
    fail_after(monkeypatch, _packets, error, 0)
    with pytest.raises(VideoError, match=message) as caught:
        list(sample_frames(path, 2))
    assert caught.value.path == str(path)
    assert caught.value.__cause__ is error


def test_a_file_that_fails_in_the_middle_is_cut_off(tmp_path, monkeypatch):
    path = make(tmp_path / "a.mp4", "mp4")
    fail_after(monkeypatch, _packets, DATA, 30)
    index = _packets.read_index(str(path))
    assert len(index.times) == 30
    assert index.n_cut_off > 20
    assert index.rank(None) is None
    assert index.rank(int(index.times[7])) == 7
    assert index.rank(int(index.times[7]) + 1) is None
    with pytest.raises(VideoError, match=r"the file is cut off: it has 1\.\d+ of 2\.40 seconds"):
        list(sample_frames(path, 2))


def test_a_file_that_fails_while_it_is_decoded(tmp_path, monkeypatch):
    path = write(tmp_path / "a.mp4", "libx264", "mp4", options=ONE_GROUP, n=60)
    fail_after(monkeypatch, _reading, DATA, 30)
    with pytest.raises(VideoError, match="this frame is missing or damaged") as caught:
        list(read_frames(path, [5, 9, 55]))
    assert caught.value.frame == 55
    with pytest.warns(UserWarning, match="the video is damaged: 1 frame cannot be decoded"):
        frames = list(read_frames(path, [5, 9, 55], on_damage="skip"))
    assert [number_of(frame.image) for frame in frames] == [5, 9]


@pytest.mark.parametrize("module", [_packets, _reading])
def test_short_memory_is_no_damage(tmp_path, monkeypatch, module):
    path = make(tmp_path / "a.mp4", "mp4", n=20)
    fail_after(monkeypatch, module, MemoryError("no memory"), 5)
    with pytest.raises(MemoryError, match="no memory"):
        list(read_frames(path, [15], on_damage="skip"))


@pytest.mark.parametrize("refused", [0, 2])
def test_fewer_frames_than_packets(tmp_path, monkeypatch, refused):
    """The last frames are taken, unless packets were refused: then a number is missing."""
    path = make(tmp_path / "a.avi", "mpeg4.avi", n=200)
    real = Decoder.frames

    def shorter(self):
        for position, item in enumerate(real(self)):
            if position == 195:
                self.n_refused = refused
                return
            yield item

    monkeypatch.setattr(Decoder, "frames", shorter)
    if not refused:
        frames = list(read_frames(path, [10, 197, 199]))
        assert [frame.number for frame in frames] == [10, 193, 194]
        assert [number_of(frame.image) for frame in frames] == [10, 193, 194]
        return
    with pytest.raises(VideoError, match="this frame is missing or damaged") as caught:
        list(read_frames(path, [10, 197]))
    assert caught.value.frame == 197
    with pytest.warns(UserWarning, match="1 frame cannot be decoded"):
        frames = list(read_frames(path, [10, 197], on_damage="skip"))
    assert [frame.number for frame in frames] == [10]
