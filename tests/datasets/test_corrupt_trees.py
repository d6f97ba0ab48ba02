"""Every loader on a tree where a video is broken, one shows nobody, one two people, one is turned.

The videos are H.264 and the faces are looked for by MTCNN.
"""

import re
import shutil
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av")

import people_files
import tree_files
from tree_files import LOADERS

from sklearn_diffake.datasets import VideoError, _frames
from sklearn_diffake.faces import read_image
from sklearn_diffake.images import _reading
from sklearn_diffake.images.video import sample_frames

NO_FACE = "no face was found in any of 3 frames"
DFD = "manipulated_sequences/DeepFakeDetection/c23/videos"
ACTORS = "original_sequences/actors/c23/videos"

#: Of each tree, the videos to be replaced, by what takes their place.
CORRUPTIONS = {
    "faceforensics": {
        "manipulated_sequences/FaceSwap/c23/videos/071_054.mp4": "no index",
        "original_sequences/youtube/c23/videos/720.mp4": "no face",
        "manipulated_sequences/Deepfakes/c23/videos/953_974.mp4": "two people",
        "original_sequences/youtube/c23/videos/012.mp4": "rotated",
    },
    "deepfakedetection": {
        f"{DFD}/01_02__exit_phone_room__YVGY8LOK.mp4": "half of it",
        f"{ACTORS}/28__exit_phone_room.mp4": "no face",
        f"{ACTORS}/01__walking_down_street_outside_angry.mp4": "two people",
        f"{DFD}/02_28__exit_phone_room__0XUW13RW.mp4": "rotated",
    },
    "celeb_df": {
        "Celeb-real/id0_0001.mp4": "no index",
        "Celeb-synthesis/id0_id16_0001.mp4": "no face",
        "Celeb-synthesis/id1_id0_0002.mp4": "two people",
        "YouTube-real/00000.mp4": "rotated",
    },
    "dfdc": {
        "dfdc_train_part_0/fake0.mp4": "half of it",
        "validation/x.mp4": "no face",
        "test/y.mp4": "two people",
        "dfdc_train_part_1/real1.mp4": "rotated",
    },
    "dfdc_preview": {
        "original_videos/643116/643116_A_001.mp4": "no index",
        "method_B/1224068/1224068_643116_B_001.mp4": "no face",
        "method_A/643116/643116_1224068_A_001.mp4": "two people",
        "original_videos/1224068/1224068_B_002.mp4": "rotated",
    },
    "deeperforensics": {
        "manipulated_videos/end_to_end/071_M004.mp4": "half of it",
        "source_videos/M109/light_uniform/happy/camera_front/"
        "M109_light_uniform_happy_camera_front.mp4": "no face",
        "manipulated_videos/end_to_end/953_W033.mp4": "two people",
        "source_videos/W101/light_uniform/neutral/camera_front/"
        "W101_light_uniform_neutral_camera_front.mp4": "rotated",
    },
    "ffiw": {
        "target/train/00000.mp4": "no index",
        "source/val/00001.mp4": "no face",
        "target/val/00000.mp4": "two people",
        "source/train/00001.mp4": "rotated",
    },
    "forgerynet": {
        "Training/video/train_video_release/9/real.mp4": "half of it",
        "Validation/video/val_video_release/1/fake.mp4": "no face",
        "Training/video/train_video_release/2/part.mp4": "two people",
        "Validation/video/val_video_release/9/real.mp4": "rotated",
    },
    "folder": {
        "train/anna/real/1.mp4": "no index",
        "val/anna/fake/FaceSwap/2.mp4": "no face",
        "test/ben/real/3.mp4": "two people",
        "test/anna/fake/FaceSwap/2.mp4": "rotated",
    },
    "table": {
        "anna/2.mp4": "half of it",
        "ben/0.mp4": "no face",
        "anna/0.mp4": "two people",
        "ben/3.mp4": "rotated",
    },
}  # fmt: skip
#: Official splits: the first pattern that is found in the name of a video tells its split.
SPLITS = {
    "faceforensics": {"train": "/(071|054|087|081)", "val": "/(720|672)",
                      "test": "/(953|974|012|026)"},
    "deepfakedetection": {"": ""},
    "celeb_df": {"test": "real/id0_000[12]|YouTube-real/00001|id1_id0_0002", "train": ""},
    "dfdc": {"train": "^dfdc_train_part", "val": "^validation/", "test": "^test/"},
    "dfdc_preview": {"train": "^original_videos/643116/|^method_A", "test": ""},
    "deeperforensics": {"train": "M004|W101", "val": "M109", "test": "W033"},
    "ffiw": {"train": "/train/", "val": "/val/"},
    "forgerynet": {"train": "^Training/", "val": "^Validation/"},
    "folder": {"train": "^train/", "val": "^val/", "test": "^test/"},
    "table": {"train": "^anna/", "test": "^ben/"},
}  # fmt: skip
OPTIONS = {
    "faceforensics": {"techniques": ["Deepfakes", "FaceSwap"]},  # all five would take long
    "deeperforensics": {"actors": "*"},  # without, it has no genuine videos
}
#: What is not read: other techniques, and where something is manipulated in FFIW.
NOT_READ = "/(Face2Face|NeuralTextures|FaceShifter)/|^target_mask/"


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    return people_files.make_videos(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def detections():
    """The boxes of every picture so far: the videos of all trees are copies of the same few."""
    return {}


@pytest.fixture(autouse=True)
def detect_each_picture_once(monkeypatch, detections):
    detect = _frames._detect_by_mtcnn

    def detect_once(image):
        key = image.shape, image.tobytes()
        if key not in detections:
            detections[key] = detect(image)
        return detections[key]

    monkeypatch.setattr(_frames, "_detect_by_mtcnn", detect_once)


@pytest.fixture(params=LOADERS)
def name(request):
    return request.param


@pytest.fixture
def root(name, kinds, tmp_path):
    """The tree of one loader, with other videos in the place of four."""
    models = [kinds[kind] for kind in ("tall", "wide", "small")]
    root = getattr(tree_files, name)(tmp_path / "tree", tree_files.Videos(None, models))
    for file, kind in CORRUPTIONS[name].items():
        assert (root / file).is_file()
        shutil.copyfile(kinds[kind], root / file)
    return root


@pytest.fixture
def load(name, root, tmp_path):
    def load(**options):
        shared = {"crop": "face", "n_frames": 3, "random_state": 0, "cache": tmp_path / "cache"}
        return LOADERS[name](root, **shared, **OPTIONS.get(name, {}), **options)

    return load


def test_the_videos_are_what_they_are_called(kinds):
    import av

    saved = {}
    for kind in ("tall", "wide", "small", "rotated", "two people", "no face"):
        with av.open(str(kinds[kind])) as container:
            assert container.streams.video[0].codec_context.name == "h264"
            saved[kind] = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert len({image.shape for image in saved.values()}) == 6
    assert people_files.quarter_turns(saved["tall"]) == 0
    assert people_files.quarter_turns(saved["rotated"]) == 1
    for frame in sample_frames(kinds["two people"], 3):
        boxes = _frames._detect_by_mtcnn(frame.image)
        pale, ruddy = boxes[np.argsort(boxes[:, 0])]  # from the left
        larger = np.prod(pale[2:] - pale[:2]) > np.prod(ruddy[2:] - ruddy[:2])
        assert larger == (frame.number == 1)


def test_a_corrupt_tree(name, root, kinds, load, monkeypatch):
    with warnings.catch_warnings(action="error"):
        dataset = load(on_broken="skip", k="all")
    splits = split_by_name(name, root)
    check_what_is_left(dataset, root, bad(name), splits)
    check_pictures(dataset.images)
    with monkeypatch.context() as patch:
        patch.setattr(_reading, "_Cursor", None)  # everything has been decoded
        check_subsets(load, dataset, root, bad(name), splits)
        arguments = f"2 of {len(splits)} videos cannot be used.*They are skipped, and listed"
        with pytest.warns(UserWarning, match=arguments):
            repeated = load(on_broken="warn", k="all")
    assert repeated.data.tolist() == dataset.data.tolist()
    check_refusal(load, root, bad(name), kinds["tall"])
    assert set(load(on_broken="raise").images["video"]) == set(splits)


def split_by_name(name, root):
    """The split of every video that is read, as its name tells."""
    return {
        file: next(split for split, pattern in SPLITS[name].items() if re.search(pattern, file))
        for file in names(root.rglob("*.mp4"), root)
        if not re.search(NOT_READ, file)
    }


def names(paths, root):
    return [Path(path).relative_to(root).as_posix() for path in paths]


def bad(name):
    """The videos of a tree that cannot be used, with the reason that is to be given."""
    reasons = {"no index": "not a video", "half of it": "cut off", "no face": NO_FACE}
    return {file: reasons[kind] for file, kind in CORRUPTIONS[name].items() if kind in reasons}


def check_what_is_left(dataset, root, bad, splits):
    broken = dict(zip(names(dataset.broken["path"], root), dataset.broken["reason"], strict=True))
    assert set(broken) == set(bad)
    assert all(re.search(reason, broken[file]) for file, reason in bad.items())
    assert (dataset.n_broken, dataset.n_skipped) == (2, 0)
    remaining = {file: split for file, split in splits.items() if file not in bad}
    images, frame = dataset.images, dataset.frame
    assert names(images["file"], root) == images["video"].tolist()
    assert Counter(images["video"]) == dict.fromkeys(remaining, 3)
    assert Counter(frame["video"]) == dict.fromkeys(remaining, 3)  # pairs of three frames
    assert (frame["reference_video"] == frame["video"]).all()
    assert len(dataset.data) == len(dataset.target) == len(dataset.groups) == 3 * len(remaining)
    for table in (images, frame):
        assert table["split"].tolist() == [remaining[video] for video in table["video"]]


def check_pictures(images):
    """All of them show one person, always the same one, upright."""
    for path in images["path"]:
        picture = read_image(path)
        ruddy, pale = people_files.tints(picture)
        assert ruddy > 0.6, path
        assert pale == 0, path
        assert people_files.quarter_turns(picture) == 0, path


def check_subsets(load, dataset, root, bad, splits):
    for split in set(splits.values()) - {""}:
        present = {video for video, its in splits.items() if its == split}
        piece = load(on_broken="skip", subset=split)
        assert set(piece.images["split"]) == set(piece.frame["split"]) == {split}
        assert set(piece.images["video"]) == present - set(bad)
        assert set(piece.images["path"]) <= set(dataset.images["path"])
        assert set(names(piece.broken["path"], root)) == present & set(bad)


def check_refusal(load, root, bad, good):
    """One of the bad videos is named until a good one takes its place; then the other is."""
    bad = dict(bad)
    while bad:
        with pytest.raises(VideoError) as caught:
            load(on_broken="raise")
        name_list = next(file for file in bad if f"({root / file})" in str(caught.value))
        assert re.search(bad.pop(name_list), str(caught.value))
        shutil.copyfile(good, root / name_list)
