"""Frames as they arrive: of files that are played, network streams and cameras."""

import contextlib
import functools
import http.server
import threading
import time
import types

import numpy as np
import pytest
from video_files import number_of, picture, write_video

from sklearn_diffake.images import live
from sklearn_diffake.images.errors import VideoError

SIZE = (64, 48)


@pytest.fixture
def clip(tmp_path):
    return str(write_video(tmp_path / "clip.mp4", 30, size=SIZE))


def test_a_file_is_played_at_even_intervals(clip):
    frames = list(live.play_file(clip, 0.2))  # of 25 frames a second
    assert [frame.number for frame in frames] == [0, 5, 10, 15, 20, 25]
    assert [number_of(frame.image) for frame in frames] == [0, 5, 10, 15, 20, 25]
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(6) * 0.2, atol=1e-6)


def test_no_frame_comes_twice_and_gaps_are_no_error(tmp_path):
    times = [0, 4, 100, 104, 300]
    clip = write_video(tmp_path / "v.mp4", 5, size=SIZE, times=times)
    frames = list(live.play_file(str(clip), 0.5))
    assert [frame.number for frame in frames] == [0, 2, 4]
    np.testing.assert_allclose([frame.time for frame in frames], [0, 1, 3], atol=1e-6)


def test_frames_come_before_the_file_is_read_to_its_end(clip, monkeypatch):
    decoded = []
    decode = live._decode

    def counted(video):
        for frame in decode(video):
            decoded.append(frame.number)
            yield frame

    monkeypatch.setattr(live, "_decode", counted)
    next(live.play_file(clip, 0.2))
    assert decoded == [0]


@pytest.mark.parametrize("content", [b"", b"no video", None])
def test_bad_files_are_named(content, tmp_path):
    path = tmp_path / "bad.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VideoError) as caught:
        list(live.play_file(str(path), 1.0))
    assert caught.value.path == str(path)


def test_damaged_frames_are_left_out_and_counted(tmp_path):
    clip = tmp_path / "clip.mkv"
    write_video(clip, 60, size=SIZE)
    content = bytearray(clip.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = bytes(40)
    clip.write_bytes(content)
    with pytest.warns(UserWarning, match=r"of \d+ frames are damaged, and were left out"):
        frames = list(live.play_file(str(clip), 1e-9))
    assert 0 < len(frames) < 60
    assert [number_of(frame.image) for frame in frames[:5]] == list(range(5))


def test_frames_without_times_come_at_the_stated_rate(tmp_path):
    clip = write_video(tmp_path / "clip.h264", 11, size=SIZE)
    frames = list(live.play_file(str(clip), 0.2))
    assert [frame.number for frame in frames] == [0, 5, 10]
    np.testing.assert_allclose([frame.time for frame in frames], [0, 0.2, 0.4], atol=1e-6)


def test_a_file_without_a_frame_is_an_error(clip, monkeypatch):
    monkeypatch.setattr(live, "_decode", lambda video: iter(()))
    with pytest.raises(VideoError, match="there is no frame that can be decoded") as caught:
        next(live.play_file(clip, 0.2))
    assert caught.value.path == clip


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def served(folder):
    """Serve a folder on this computer."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def test_a_network_stream_is_read_to_its_end(clip, tmp_path):
    with served(tmp_path) as address:
        frames = list(live.read_address(f"{address}/clip.mp4", 1e-9))
    numbers = [frame.number for frame in frames]
    assert numbers == sorted(set(numbers))  # it may be too fast for every frame to be seen
    assert numbers[-1] == 29
    assert [number_of(frame.image) for frame in frames] == numbers
    assert not [t for t in threading.enumerate() if t.name.startswith("read http")]


def test_playlists_and_missing_streams_are_refused(tmp_path):
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")
    with served(tmp_path) as address:
        for name in ("list.m3u8", "missing.mp4"):
            with pytest.raises(VideoError, match="cannot be opened or read") as caught:
                list(live.read_address(f"{address}/{name}", 1.0))
            assert caught.value.path == f"{address}/{name}"


@pytest.mark.parametrize("address", ["file:///etc/passwd", "concat://a|b", "data://x"])
def test_other_schemes_are_not_opened(address):
    assert live.is_address(address)
    with pytest.raises(VideoError, match="are not opened; expected one of rtsp"):
        next(live.read_address(address, 1.0))


def test_a_slow_caller_gets_the_newest_frame(monkeypatch):
    """Frames are lost, and the delay does not grow."""
    sent = threading.Event()

    def decode(video):
        for number in range(50):
            yield live._Decoded(number, float(number), picture(number, SIZE), None)
            time.sleep(0.01)
        sent.set()

    monkeypatch.setattr(live, "_decode", decode)
    monkeypatch.setattr(live, "_converted", lambda d: live.VideoFrame(d.number, d.time, d.frame))
    frames = live._read_live(lambda: contextlib.nullcontext(), "a test", 1e-9)
    first = next(frames)
    assert sent.wait(timeout=30)
    assert next(frames).number == 49
    assert first.number < 40
    assert next(frames, None) is None


def test_a_source_that_falls_silent_is_an_error(monkeypatch):
    stop = threading.Event()

    def decode(video):
        yield live._Decoded(0, 0.0, None, None)
        stop.wait(timeout=60)

    monkeypatch.setattr(live, "_decode", decode)
    monkeypatch.setattr(live, "_converted", lambda decoded: decoded)
    monkeypatch.setattr(live, "_TIMEOUT", 0.7)
    frames = live._read_live(lambda: contextlib.nullcontext(), "a test", 1e-9)
    next(frames)
    with pytest.raises(VideoError, match=r"no frame came for 0\.7 s"):
        next(frames)
    stop.set()


def test_the_source_is_not_read_on_after_the_last_frame_was_taken(monkeypatch):
    closed, taken, decoded = threading.Event(), threading.Event(), []

    @contextlib.contextmanager
    def source():
        yield
        closed.set()

    def decode(video):
        for number in range(1000):
            if number:
                assert taken.wait(timeout=30)
            decoded.append(number)
            yield live._Decoded(number, float(number), None, None)

    monkeypatch.setattr(live, "_decode", decode)
    monkeypatch.setattr(live, "_converted", lambda decoded: decoded)
    frames = live._read_live(source, "a test", 1e-9)
    assert next(frames).number == 0
    frames.close()
    taken.set()
    assert closed.wait(timeout=30)
    assert decoded == [0, 1]


def test_an_error_of_the_source_keeps_its_words():
    @contextlib.contextmanager
    def source():
        raise VideoError("there is no video in this file")
        yield

    with pytest.raises(VideoError, match="there is no video in this file") as caught:
        next(live._read_live(source, "camera 3", 1.0))
    assert caught.value.path == "camera 3"
    assert "opened or read" not in str(caught.value)


def test_a_file_that_is_no_camera(tmp_path, monkeypatch):
    (tmp_path / "video5").touch()
    monkeypatch.setattr(live.sys, "platform", "linux")
    device, _ = live._DEVICES["linux"]
    monkeypatch.setitem(live._DEVICES, "linux", (device, str(tmp_path / "video{}")))
    if not any(device in names.split(",") for names in live.import_av().formats_available):
        pytest.skip("this build of PyAV has no cameras")
    assert live._camera("5") == (device, str(tmp_path / "video5"))
    with pytest.raises(VideoError, match="it cannot be opened or read") as caught:
        next(live.read_camera("5", 1.0))
    assert caught.value.path == "camera 5"
    with pytest.raises(VideoError, match=r"there is no camera '6'.* of this computer: .*video5"):
        next(live.read_camera("6", 1.0))


def test_a_build_without_cameras_is_named(monkeypatch):
    monkeypatch.setattr(live.sys, "platform", "linux")
    build = types.SimpleNamespace(formats_available={"mp4", "matroska,webm"})
    monkeypatch.setattr(live, "import_av", lambda: build)
    with pytest.raises(VideoError, match=r"cannot read cameras \(it lacks v"):
        next(live.read_camera("0", 1.0))


def test_there_is_no_such_camera(monkeypatch):
    monkeypatch.setattr(live.sys, "platform", "linux")
    with pytest.raises(VideoError, match="there is no camera '77': /dev/video77 does not exist"):
        next(live.read_camera("77", 1.0))


def test_cameras_of_windows_have_names(monkeypatch):
    monkeypatch.setattr(live.sys, "platform", "win32")
    with pytest.raises(VideoError, match="called by its name, got '0'"):
        next(live.read_camera("0", 1.0))
    monkeypatch.setattr(live.sys, "platform", "sunos5")
    with pytest.raises(VideoError, match="not supported on sunos5"):
        next(live.read_camera("0", 1.0))


def test_a_device_of_ffmpeg_is_read(monkeypatch):
    import av

    if "lavfi" not in av.formats_available:
        pytest.skip("this build of PyAV has no test device")
    source = "testsrc=duration=2:rate=10:size=64x48"
    monkeypatch.setattr(live, "_camera", lambda name: ("lavfi", source))
    frames = list(live.read_camera("0", 1e-9))
    assert frames[-1].number == 19
    assert frames[0].image.shape == (48, 64, 3)
