"""A video in the place of a photograph: its frames are judged and their scores pooled."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import TINY, error_of, write_table
from image_helpers import astronaut, small_face
from PIL import Image
from sklearn_diffake.cli._clips import least_genuine, unfolded

import sklearn_diffake
from sklearn_diffake import persistence
from sklearn_diffake.cli import main
from sklearn_diffake.cli._table import Pair
from sklearn_diffake.datasets import extract_frames
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


def flat(grey):
    return np.full((32, 32, 3), grey, np.uint8)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """Ten frames, of which the last five are red."""
    images = [flat(100 + i) for i in range(5)] + [flat((255, 0, 0))] * 5
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", images)


@pytest.fixture
def score(folder, capsys):
    def run(*words, code=None):
        words = ["score", str(folder / "model"), *map(str, words)]
        found = main([*words, "--trust", TINY, "--device", "cpu"])
        assert code in (None, found)
        return capsys.readouterr()

    return run


def expected(folder, reference, clip, cache, n_frames=8):
    frames = extract_frames(clip, cache=cache, n_frames=n_frames)
    model = persistence.load(folder / "model", trusted=[TINY])
    return frames, model.score_samples([(str(reference), path) for path in frames.paths])


def test_the_score_of_a_video_is_the_mean_of_its_frames(folder, score, clip, tmp_path):
    row = json.loads(score(folder / "000.png", clip, "--json").out)
    frames, scores = expected(folder, folder / "000.png", clip, tmp_path)
    assert len(scores) == 8
    np.testing.assert_allclose([frame["score"] for frame in row["frames"]], scores, rtol=1e-6)
    assert [frame["probe_time"] for frame in row["frames"]] == frames.times
    assert {frame["reference_time"] for frame in row["frames"]} == {None}
    assert row["score"] == pytest.approx(scores.mean())
    assert row["decision"] == row["score"] - row["threshold"]
    assert row["verdict"] == ("genuine" if row["decision"] >= 0 else "deepfake")
    assert row["probe"] == clip


def test_the_number_of_frames_is_chosen(folder, score, clip):
    row = json.loads(score(folder / "000.png", clip, "--json", "--frames", 3).out)
    assert len(row["frames"]) == 3


@pytest.mark.parametrize("text", ["0", "-1", "two", "2.5"])
def test_wrong_numbers_of_frames_are_refused(text, capsys):
    with pytest.raises(SystemExit):
        main(["compare", "a", "b", f"--frames={text}"])
    assert "no positive number" in capsys.readouterr().err


def test_photographs_and_videos_in_one_table(folder, score, clip):
    lines = score(folder / "000.png", folder / "001.png", clip, code=1).out.splitlines()
    assert lines[1].split()[4:] == ["genuine"]
    assert lines[2].endswith("deepfake (mean of 8 pairs of frames)")


def test_every_frame_of_a_reference_video_counts(folder, score, clip):
    words = [clip, folder / "000.png", "--json", "--frames", "4"]
    row = json.loads(score(*words).out)
    assert [frame["probe_time"] for frame in row["frames"]] == [None] * 4
    both = json.loads(score(clip, clip, "--json", "--frames", "4").out)
    times = {(frame["reference_time"], frame["probe_time"]) for frame in both["frames"]}
    assert len(times) == len(both["frames"]) == 16


def test_videos_in_a_csv_file_with_labels(folder, score, clip, tmp_path):
    rows = [(folder / "000.png", clip, -1), (folder / "000.png", folder / "001.png", 1)]
    table = write_table(tmp_path / "p.csv", rows, ("reference", "probe", "label"))
    said = score("--csv", table)
    assert "(1 genuine, 1 deepfake)" in said.err
    assert "AUC 1.000" in said.err


@pytest.mark.parametrize(
    ("content", "why"), [(None, "no such file"), (b"x" * 99, "this is a text file")]
)
def test_a_video_that_cannot_be_read_does_not_cost_the_others(
    folder, score, tmp_path, content, why
):
    bad = tmp_path / "bad.mp4"
    if content:
        bad.write_bytes(content)
    said = score(folder / "000.png", bad, folder / "001.png", "--json", code=2)
    first, second = map(json.loads, said.out.splitlines())
    assert first["error"].startswith(f"probe, file {str(bad)!r}: {why}")
    assert second["verdict"] == "genuine"


def test_lost_frames_of_a_video_are_left_out_and_counted(folder, score, clip, tmp_path):
    with av.open(clip) as file:
        packets = [(p.pos, p.size) for p in file.demux(video=0) if p.size]
    data = bytearray(Path(clip).read_bytes())
    place, size = packets[-1]
    data[place : place + size] = bytes(size)
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(data)
    said = score(folder / "000.png", bad, "--json", "--frames", 99)
    row = json.loads(said.out)
    assert len(row["frames"]) == len(packets) - 1
    assert f"{bad}: 1 frame is damaged or missing, and left out" in said.err


def test_the_report_is_on_the_least_genuine_frame(folder, score, clip, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(
        "sklearn_diffake.cli._commands.write_report",
        lambda args, model, pair, verbose: shown.append((pair, read_image(pair.paths[1]).mean(0))),
    )
    said = score(folder / "000.png", clip, "--report", tmp_path / "why.png")
    ((pair, colour),) = shown
    assert pair.times[1] >= 0.4
    assert said.err == f"the frames that look least genuine: probe at {pair.times[1]:.2f} s\n"
    assert colour.mean(0)[0] > 200 > colour.mean(0)[1]


def test_frames_are_kept_only_in_the_cache(folder, score, clip, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    score(folder / "000.png", clip)
    assert list(tmp_path.iterdir()) == []
    score(folder / "000.png", clip, "--cache", tmp_path / "store")
    assert len(list((tmp_path / "store" / "frames").rglob("*.png"))) == 8


def test_frames_that_cannot_be_judged_are_left_out(recorder, tmp_path, capsys, monkeypatch):
    clip = write_clip(tmp_path / "c.mp4", [flat(100)] * 4)
    real = recorder.score_samples

    def choose(pairs):
        bad = [row for row, (_, probe) in enumerate(pairs) if probe.endswith("000001.png")]
        if bad:
            raise ImageError("no face", row=bad[0], column=1)
        return real(pairs) + 0.25

    monkeypatch.setattr(recorder, "score_samples", choose)
    assert main(["compare", "a.jpg", clip, "--json"]) == 1
    row = json.loads(capsys.readouterr().out)
    assert [frame["score"] for frame in row["frames"]] == [0.25, None, 0.25, 0.25]
    assert row["frames"][1]["error"] == "probe: no face"
    assert row["score"] == 0.25
    assert main(["compare", "a.jpg", clip]) == 1
    assert "(mean of 3 pairs of frames)" in capsys.readouterr().out


def test_a_video_none_of_whose_frames_can_be_judged(recorder, tmp_path, capsys, monkeypatch):
    clip = write_clip(tmp_path / "bad.mp4", [flat(100)] * 4)

    def refuse(pairs):
        raise ImageError("no face", row=0, column=1)

    monkeypatch.setattr(recorder, "score_samples", refuse)
    assert main(["compare", "a.jpg", clip, "--json"]) == 2
    row = json.loads(capsys.readouterr().out)
    assert row["error"] == "probe: no face"
    assert row["score"] is None


def test_a_model_that_aligns_gets_frames_with_a_face(tmp_path):
    empty = np.full_like(astronaut()[0:260, 120:330], 128)
    face = astronaut()[0:260, 120:330]
    clip = write_clip(tmp_path / "c.mp4", [face, empty, face, empty])
    model = sklearn_diffake.make_difffake_pipeline()
    options = {"n_frames": 4, "cache": None, "verbose": 0}
    with unfolded([Pair("a", clip, ("a", clip))], model, **options) as parts:
        (part,) = parts
        assert [pair.times[1] for pair in part] == pytest.approx([0.0, 0.2])
        crops = FaceAligner(64).fit_transform([pair.paths[1] for pair in part])
    assert crops.shape == (2, 64, 64, 3)
    with unfolded([Pair("a", clip, ("a", clip))], model["diff"], **options) as parts:
        assert len(parts[0]) == 4


def test_a_video_without_any_face(tmp_path):
    clip = write_clip(tmp_path / "c.mp4", [flat(128)] * 3)
    model = sklearn_diffake.make_difffake_pipeline()
    options = {"n_frames": 3, "cache": None, "verbose": 0}
    with unfolded([Pair("a", clip, ("a", clip))], model, **options) as parts:
        assert parts == [f"probe, file {clip!r}: no face was found in any of 3 frames"]


def test_the_least_genuine_pair_of_photographs_is_the_only_one():
    part = ["it"]
    assert least_genuine(part, {"score": 1.0}) == "it"


def test_the_extra_is_named(recorder, monkeypatch, capsys, clip):
    monkeypatch.setitem(sys.modules, "av", None)
    assert main(["compare", "-q", "a.jpg", clip]) == 2
    assert error_of(capsys).endswith(
        "need av (not installed): pip install 'sklearn-diffake[video]'\n"
    )
    assert recorder.calls == []


@pytest.mark.parametrize("read", [read_image, lambda path: FaceAligner().fit_transform([path])])
def test_elsewhere_a_video_is_no_image_and_what_to_do_is_said(clip, read):
    with pytest.raises(ImageError, match=r"clip\.mp4|video") as caught:
        read(clip)
    said = str(caught.value)
    assert "this is a video (MP4), where an image is expected" in said
    assert "sklearn_diffake.datasets.extract_frames" in said
    assert "sklearn-diffake compare" in said


def test_a_picture_with_the_name_of_a_video_is_read(tmp_path):
    Image.fromarray(small_face()).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.mp4")
    np.testing.assert_array_equal(read_image(tmp_path / "a.mp4"), small_face())
