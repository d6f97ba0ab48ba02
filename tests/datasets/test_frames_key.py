"""Where frames are stored: every parameter that changes a picture changes the folder."""

import functools
import os
import threading
from types import SimpleNamespace

import forked_programs
import numpy as np
import pytest
from key_helpers import check_listed, parameters_of
from PIL import Image

from sklearn_diffake.datasets import _frames as module
from sklearn_diffake.datasets import extract_frames
from sklearn_diffake.datasets._crop_key import crop_key

DECISIVE = {"video", "n_frames", "crop", "on_damage"}
INDIFFERENT = {"cache", "verbose"}
BOX = [[4, 4, 20, 20]]


def boxes(image):
    return BOX


def boxes_at(left_edge, image=None):
    """Return a box, or without an image the detector that returns it."""
    if image is None:
        return lambda image: [[left_edge, 4, left_edge + 16, 20]]
    return [[left_edge, 4, left_edge + 16, 20]]


class Detector:
    def __init__(self, left_edge):
        self.left = left_edge

    def __call__(self, image):
        return self.find(image)

    def find(self, image):
        return boxes_at(self.left, image)


class Unpicklable(Detector):
    def __init__(self, left_edge):
        super().__init__(left_edge)
        self.lock = threading.Lock()


DETECTORS = {
    "none": lambda: None,
    "face": lambda: "face",
    "function": lambda: boxes,
    "lambda": lambda: lambda image: [[4, 4, 20, 20]],
    "another lambda": lambda: lambda image: [[8, 4, 24, 20]],
    "lambda with a default": lambda: lambda image, left_edge=4: [[left_edge, 4, 20, 20]],
    "another default": lambda: lambda image, left_edge=6: [[left_edge, 4, 20, 20]],
    "closure": lambda: boxes_at(4),
    "another closure": lambda: boxes_at(8),
    "partial": lambda: functools.partial(boxes_at, 4),
    "another partial": lambda: functools.partial(boxes_at, 8),
    "partial by name": lambda: functools.partial(boxes_at, left_edge=8),
    "partial of a lambda": lambda: functools.partial(
        lambda left_edge, image: boxes_at(left_edge, image), 4
    ),
    "object": lambda: Detector(4),
    "another object": lambda: Detector(8),
    "method": lambda: Detector(4).find,
    "another method": lambda: Detector(8).find,
    "unpicklable": lambda: Unpicklable(4),
    "builtin": lambda: np.ndarray.tolist,
}


@pytest.fixture
def video(tmp_path, monkeypatch):
    """Put frames in the place of a decoder: the file holds their brightness."""
    file = tmp_path / "clip.mp4"
    file.write_bytes(bytes([100]))

    class Frame:
        def __init__(self, number, image):
            self.number, self.time, self.image = number, number / 10, image

    def read(path, n_frames, corrupt):
        rng = np.random.default_rng(path.read_bytes()[0])
        image = rng.integers(0, 256, (48, 64, 3), dtype=np.uint8)
        return [Frame(number, image) for number in range(n_frames)]

    monkeypatch.setattr(module, "evenly_spaced", lambda n_frames: n_frames)
    monkeypatch.setattr(module, "read_accounted", read)
    return file


def pictures(frames):
    return [np.asarray(Image.open(path)).tolist() for path in frames.paths]


def test_every_parameter_is_listed():
    check_listed("extract_frames", parameters_of(extract_frames), DECISIVE, INDIFFERENT)
    check_listed(
        "_frames_folder", parameters_of(module._frames_folder), {"video", "extraction"}, {"cache"}
    )
    check_listed("Extraction", module.Extraction._fields, DECISIVE - {"video"}, set())


def test_different_detectors_have_different_keys():
    keys = {name: repr(crop_key(make())) for name, make in DETECTORS.items()}
    assert len(set(keys.values())) == len(keys)
    assert {name: repr(crop_key(make())) for name, make in DETECTORS.items()} == keys


def test_detectors_are_recognized_by_other_processes():
    code = (
        "import test_frames_key as t; print({n: t.crop_key(m()) for n, m in t.DETECTORS.items()})"
    )
    printed = forked_programs.run(code, cwd=os.curdir)  # which has another hash seed
    assert printed.strip() == str({name: crop_key(make()) for name, make in DETECTORS.items()})


@pytest.mark.parametrize("change", ["n_frames", "crop", "lambda", "partial", "content", "path"])
def test_what_changes_the_pictures_changes_the_folder(change, video, tmp_path):
    second, original, after = video, {"n_frames": 2, "crop": None}, {"n_frames": 2, "crop": None}
    if change == "n_frames":
        after["n_frames"] = 3
    elif change == "crop":
        after["crop"] = boxes
    elif change == "lambda":
        original["crop"], after["crop"] = DETECTORS["lambda"](), DETECTORS["another lambda"]()
    elif change == "partial":
        original["crop"], after["crop"] = DETECTORS["partial"](), DETECTORS["another partial"]()
    elif change == "path":
        second = tmp_path / "other.mp4"
        second.write_bytes(bytes([101]))
    usual = pictures(extract_frames(video, cache=tmp_path / "warm", **original))
    if change == "content":
        video.write_bytes(bytes([101]))
        os.utime(video, ns=(10**18, 10**18))
    cold = pictures(extract_frames(second, cache=tmp_path / "cold", **after))
    assert cold != usual, "the example changes nothing"
    assert pictures(extract_frames(second, cache=tmp_path / "warm", **after)) == cold


@pytest.mark.parametrize("name", ["_FORMAT", "_MARGIN"])
def test_how_pictures_are_made_changes_the_folder(name, video, tmp_path, monkeypatch):
    original = module._frames_folder(video, tmp_path, module.Extraction(2, boxes))
    monkeypatch.setattr(module, name, getattr(module, name) + 1)
    assert module._frames_folder(video, tmp_path, module.Extraction(2, boxes)) != original


@pytest.mark.parametrize("change", [None, "path", "st_size", "st_mtime_ns", "st_ctime_ns"])
def test_each_mark_of_a_file_changes_the_folder(change, tmp_path, monkeypatch):
    markers = {"st_size": 9, "st_mtime_ns": 50, "st_ctime_ns": 50}

    def folder(parent, **modified):
        with monkeypatch.context() as patched:
            patched.setattr(module.os, "stat", lambda _: SimpleNamespace(**{**markers, **modified}))
            return module._frames_folder(f"/{parent}/clip.mp4", tmp_path, module.Extraction(2))

    modified = {change: 60} if change in markers else {}
    second = folder("b" if change == "path" else "a", **modified)
    assert (second == folder("a")) is (change is None)


def test_a_second_call_finds_them(video, tmp_path, monkeypatch):
    first = extract_frames(video, cache=tmp_path, crop=boxes, n_frames=2)
    monkeypatch.setattr(module, "read_accounted", None)
    assert extract_frames(video, cache=tmp_path, crop=boxes, n_frames=2, verbose=0) == first


def test_what_is_done_about_damage_changes_the_folder(tmp_path, video):
    folders = {
        module._frames_folder(video, tmp_path, module.Extraction(2, on_damage=on_damage))
        for on_damage in ("raise", "skip")
    }
    assert len(folders) == 2
