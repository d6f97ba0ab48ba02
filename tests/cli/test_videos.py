"""A video in the place of a photograph stands for its frames."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import TINY
from image_helpers import small_face
from PIL import Image

from sklearn_diffake.cli import main
from sklearn_diffake.faces import FaceAligner, ImageError, read_image

av = pytest.importorskip("av", reason="videos need the extra video")


def write_clip(path, images, rate=10):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"b": "4000000"}
        for image in images:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return str(path)


def flat(gray):
    return np.full((32, 32, 3), gray, np.uint8)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Ten frames, of which the last five are red."""
    images = [flat(100 + i) for i in range(5)] + [flat((255, 0, 0))] * 5
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", images)


@pytest.fixture
def score(folder, capsys):
    def run(*arguments, code=None):
        arguments = ["score", str(folder / "model"), *map(str, arguments)]
        result = main([*arguments, "--trust", TINY, "--device", "cpu"])
        assert code in (None, result)
        return capsys.readouterr()

    return run


def test_a_video_is_a_template_of_its_frames(folder, score, clip):
    row = json.loads(score(folder / "000.png", clip, "--json", "--frames", 8).out)
    assert (row["n_references"], row["n_probes"]) == (1, 8)
    frames = [image for image in row["images"] if image["side"] == "probe"]
    assert [frame["time"] for frame in frames] == sorted(frame["time"] for frame in frames)
    assert row["clip"]["n_frames"] == 8
    below = sum(frame["p_value"] <= row["level"] for frame in frames)
    assert row["clip"]["fraction_below"] == pytest.approx(below / 8)
    assert row["probe"] == clip


def test_the_table_says_how_many_frames_are_suspicious(folder, score, clip):
    line = score(folder / "000.png", clip, "--frames", 8).out.splitlines()[1]
    row = json.loads(score(folder / "000.png", clip, "--json", "--frames", 8).out)
    fraction = 100 * row["clip"]["fraction_below"]
    assert line.endswith(f"(8 probe images, {fraction:.1f}% of frames suspicious)")


def test_the_number_of_frames_is_chosen(folder, score, clip):
    row = json.loads(score(folder / "000.png", clip, "--json", "--frames", 3).out)
    assert row["n_probes"] == 3


def test_a_video_may_be_the_reference(folder, score, clip):
    row = json.loads(score(clip, folder / "000.png", "--json", "--frames", "4").out)
    assert (row["n_references"], row["n_probes"], row["clip"]) == (4, 1, None)


@pytest.mark.parametrize("text", ["0", "-1", "two", "2.5"])
def test_wrong_numbers_of_frames_are_refused(text, capsys):
    with pytest.raises(SystemExit):
        main(["compare", "a", "b", f"--frames={text}"])
    assert "no positive number" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "no such file"), (b"x" * 99, "this is a text file")]
)
def test_a_video_that_cannot_be_read_does_not_cost_the_others(
    folder, score, tmp_path, content, reason
):
    bad = tmp_path / "bad.mp4"
    if content:
        bad.write_bytes(content)
    output = score(folder / "000.png", bad, folder / "001.png", "--json", code=2)
    first, second = map(json.loads, output.out.splitlines())
    assert first["outcome"] == "error"
    assert first["reason"].startswith(f"probe, file {str(bad)!r}: {reason}")
    assert second["outcome"] == "genuine"


def test_lost_frames_of_a_video_are_left_out_and_counted(folder, score, clip, tmp_path):
    with av.open(clip) as file:
        packets = [(p.pos, p.size) for p in file.demux(video=0) if p.size]
    data = bytearray(Path(clip).read_bytes())
    packet_position, size = packets[-1]
    data[packet_position : packet_position + size] = bytes(size)
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(data)
    output = score(folder / "000.png", bad, "--json", "--frames", 99)
    row = json.loads(output.out)
    assert row["clip"]["n_frames"] == len(packets) - 1
    assert "the video is damaged" in output.err


def test_no_frame_is_written_to_disk(folder, score, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    score(folder / "000.png", clip)
    assert list(tmp_path.iterdir()) == []
    score(folder / "000.png", clip, "--cache", tmp_path / "store")
    assert not [path for path in tmp_path.rglob("*.*") if path.suffix in (".png", ".jpg")]


def test_a_video_without_any_face(tmp_path, capsys):
    clip = write_clip(tmp_path / "c.mp4", [flat(128)] * 3)
    Image.fromarray(small_face()).save(tmp_path / "a.png")
    assert main(["compare", str(tmp_path / "a.png"), clip, "--json"]) == 2
    row = json.loads(capsys.readouterr().out)
    assert row["outcome"] == "error"
    assert row["reason"].startswith(f"probe, file {clip!r}, frame 0: no face was found")


def test_the_extra_is_named(folder, score, monkeypatch, clip):
    monkeypatch.setitem(sys.modules, "av", None)
    output = score(folder / "000.png", clip, code=2)
    assert "pip install 'sklearn-diffake[video]'" in output.out + output.err


@pytest.mark.parametrize("read", [read_image, lambda path: FaceAligner().fit_transform([path])])
def test_elsewhere_a_video_is_no_image_and_what_to_do_is_said(clip, read):
    with pytest.raises(ImageError, match=r"clip\.mp4|video") as caught:
        read(clip)
    output = str(caught.value)
    assert "this is a video (MP4), where an image is expected" in output
    assert "sklearn_diffake.datasets.extract_frames" in output
    assert "sklearn-diffake compare" in output


def test_a_picture_with_the_name_of_a_video_is_read(tmp_path):
    Image.fromarray(small_face()).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.mp4")
    np.testing.assert_array_equal(read_image(tmp_path / "a.mp4"), small_face())
