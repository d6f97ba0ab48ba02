"""Frames as files, extracted once."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av")

from video_files import number_of, picture, write_video

from sklearn_diffake.datasets import Frames, VideoError, _frames, extract_frames
from sklearn_diffake.faces import read_image
from sklearn_diffake.images.video import sample_frames


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "videos" / "a b.mp4", 30)


@pytest.fixture
def no_decoding(monkeypatch):
    def refuse(*args):
        raise AssertionError("a video was decoded")

    return lambda: monkeypatch.setattr(_frames, "read_accounted", refuse)


def remaining_files(cache):
    """Unfinished folders."""
    return [path.name for path in Path(cache).glob(".*")]


def test_pictures_are_the_frames(video, tmp_path):
    frames = extract_frames(video, cache=tmp_path / "cache", n_frames=4)
    assert isinstance(frames, Frames)
    assert frames.numbers == [3, 11, 18, 26]
    np.testing.assert_allclose(frames.times, [0.12, 0.44, 0.72, 1.04])
    assert frames.n_without_face == 0
    for path, frame in zip(frames.paths, sample_frames(video, 4), strict=True):
        np.testing.assert_array_equal(read_image(path), frame.image)
    assert remaining_files(tmp_path / "cache") == []


def test_a_second_run_decodes_nothing(video, tmp_path, no_decoding):
    first = extract_frames(video, cache=tmp_path / "cache")
    no_decoding()
    assert extract_frames(str(video), cache=str(tmp_path / "cache")) == first
    with pytest.raises(AssertionError, match="decoded"):
        extract_frames(video, cache=tmp_path / "cache", n_frames=5)
    with pytest.raises(AssertionError, match="decoded"):
        extract_frames(video, cache=tmp_path / "other")


def test_another_video_of_the_same_name_is_seen(video, tmp_path):
    first = extract_frames(video, cache=tmp_path / "cache", n_frames=2)
    write_video(video, 10)
    second = extract_frames(video, cache=tmp_path / "cache", n_frames=2)
    assert (first.numbers, second.numbers) == ([7, 22], [2, 7])
    size, times = video.stat().st_size, video.stat()
    content = bytearray(video.read_bytes())
    content[-1] ^= 1
    video.write_bytes(content)
    os.utime(video, ns=(times.st_atime_ns, times.st_mtime_ns))  # as copying tools do
    assert video.stat().st_size == size
    assert extract_frames(video, cache=tmp_path / "cache", n_frames=2).paths != second.paths


@pytest.mark.parametrize(
    "corrupt", ["picture gone", "picture cut", "no index", "index cut", "list"]
)
def test_a_damaged_folder_is_made_again(video, tmp_path, corrupt):
    first = extract_frames(video, cache=tmp_path, n_frames=3)
    pictures = [Path(path).read_bytes() for path in first.paths]
    index = Path(first.paths[0]).parent / "frames.json"
    if corrupt == "picture gone":
        os.unlink(first.paths[1])
    elif corrupt == "picture cut":
        Path(first.paths[1]).write_bytes(pictures[1][:20])
    elif corrupt == "no index":
        index.unlink()
    else:
        index.write_text("[]" if corrupt == "list" else index.read_text()[:30])
    repeated = extract_frames(video, cache=tmp_path, n_frames=3)
    assert repeated == first
    assert [Path(path).read_bytes() for path in repeated.paths] == pictures
    assert json.loads(index.read_text())["numbers"] == first.numbers
    assert remaining_files(tmp_path) == []


@pytest.mark.parametrize("lead", ["../", "/", ""])
def test_an_index_names_pictures_of_its_folder_only(video, tmp_path, lead):
    first = extract_frames(video, cache=tmp_path / "cache", n_frames=2)
    index = Path(first.paths[0]).parent / "frames.json"
    outside = tmp_path / "cache" / "000001.png"
    outside.write_bytes(Path(first.paths[0]).read_bytes())
    content = json.loads(index.read_text())
    name = {"../": "../000001.png", "/": str(outside), "": "frames.json"}[lead]
    content["names"][0] = name
    content["sizes"][0] = os.path.getsize(index.parent / name)
    index.write_text(json.dumps(content))
    assert extract_frames(video, cache=tmp_path / "cache", n_frames=2) == first


def test_an_interrupted_run_leaves_nothing_behind(video, tmp_path):
    received = []

    def stop(image):
        received.append(image.shape)
        if len(received) == 3:
            raise KeyboardInterrupt
        return [[0, 0, 9, 9]]

    with pytest.raises(KeyboardInterrupt):
        extract_frames(video, cache=tmp_path / "cache", crop=stop)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_broken_video_leaves_nothing_behind(video, tmp_path):
    video.write_bytes(video.read_bytes()[:300])
    with pytest.raises(VideoError):
        extract_frames(video, cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    with pytest.raises(VideoError, match="no such file"):
        extract_frames(tmp_path / "absent.mp4", cache=tmp_path / "cache")


def test_many_at_once(video, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        results = list(
            pool.map(lambda _: extract_frames(video, cache=tmp_path, n_frames=6), range(8))
        )
    assert all(result == results[0] for result in results)
    assert all(os.path.getsize(path) for path in results[0].paths)
    assert remaining_files(tmp_path) == []


def test_a_folder_that_cannot_be_moved_to_its_place(video, tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError("no")

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(OSError, match="no"):
        extract_frames(video, cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_pictures_that_another_program_takes_away_are_missed(video, tmp_path, monkeypatch):
    publish = _frames._publish

    def meddle(work, folder):
        publish(work, folder)
        next(folder.glob("*.png")).unlink()

    monkeypatch.setattr(_frames, "_publish", meddle)
    with pytest.raises(OSError, match="was changed by another program"):
        extract_frames(video, cache=tmp_path / "cache")


def test_a_face_outside_of_its_frame(video, tmp_path):
    with pytest.raises(VideoError, match="frame 7: the face in this frame lies outside of it"):
        extract_frames(video, cache=tmp_path, n_frames=2, crop=lambda image: [[900, 0, 920, 20]])
    assert list(tmp_path.glob("*/*.png")) == []


def two_people(image):
    """Bright squares, left to right: a detector for the videos below."""
    columns = np.flatnonzero((image.mean(axis=2) > 128).any(axis=0))
    if not len(columns):
        return np.empty((0, 4))
    pieces = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)
    boxes = []
    for piece in pieces:
        rows = np.flatnonzero((image[:, piece].mean(axis=2) > 128).any(axis=1))
        boxes.append([piece[0], rows[0], piece[-1] + 1, rows[-1] + 1])
    return boxes


def test_one_person_is_cut_out_of_all_frames(tmp_path):
    images = [np.zeros((120, 240, 3), dtype=np.uint8) for _ in range(6)]
    for i, image in enumerate(images):
        image[20:50, 20:50] = 250  # the smaller one, who stands first and leaves
        if i in (2, 3):
            image[20:50, 20:50] = 0
        if i != 4:
            image[60 - i : 100 - i, 140 + 4 * i : 180 + 4 * i] = 180
    video = write_video(tmp_path / "a.mp4", 6, size=(240, 120), images=images)
    frames = extract_frames(video, cache=tmp_path / "cache", n_frames=6, crop=two_people)
    assert frames.numbers == [0, 1, 2, 3, 5]
    assert frames.n_without_face == 1
    for path in frames.paths:
        face = read_image(path)
        assert 80 <= face.shape[1] <= 96
        middle = face[face.shape[0] // 2, face.shape[1] // 2]
        np.testing.assert_allclose(middle.astype(int), 180, atol=12)
        assert face.max() < 220  # the other one is not in the picture
    folder = Path(frames.paths[0]).parent
    assert len(list(folder.glob("*.png"))) == 5


def test_no_face_at_all(tmp_path, no_decoding):
    video = write_video(tmp_path / "a.mp4", 4, images=[picture(1, corner=False)] * 4)
    for _ in range(2):
        with pytest.raises(VideoError, match="no face was found in any of 3 frames"):
            extract_frames(video, cache=tmp_path / "cache", n_frames=3, crop=two_people)
        no_decoding()  # that nobody is there has been stored, too
    assert not list(tmp_path.rglob("*.png"))


def test_mtcnn_looks_for_faces_by_default(tmp_path, monkeypatch):
    video = write_video(tmp_path / "a.mp4", 4)
    monkeypatch.setattr(_frames, "_detect_by_mtcnn", lambda image: [[8, 8, 28, 30]])
    frames = extract_frames(video, cache=tmp_path / "cache", n_frames=2, crop="face")
    full = extract_frames(video, cache=tmp_path / "cache", n_frames=2)
    assert read_image(frames.paths[0]).shape[0] < read_image(full.paths[0]).shape[0]
    assert number_of(read_image(full.paths[0])) == full.numbers[0]
