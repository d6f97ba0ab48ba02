"""Each loader reads the folders as they are published, and keeps to the official splits."""

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("av")

import tree_files
from tree_files import PUBLISHED

from sklearn_diffake import datasets
from sklearn_diffake.datasets import VideoError

VIDEOS = {"faceforensics": 60, "deepfakedetection": 8, "celeb_df": 15, "dfdc": 8,
          "dfdc_preview": 6, "deeperforensics": 4, "ffiw": 8, "forgerynet": 5}  # fmt: skip
SPLITS = {
    "faceforensics": {"train": 24, "val": 12, "test": 24},
    "deepfakedetection": {"": 8},
    "celeb_df": {"train": 11, "test": 4},
    "dfdc": {"train": 4, "val": 2, "test": 2},
    "dfdc_preview": {"train": 3, "test": 3},
    "deeperforensics": {"train": 2, "val": 1, "test": 1},
    "ffiw": {"train": 4, "val": 4},
    "forgerynet": {"train": 3, "val": 2},
}


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    """Every tree once; tests that break one make their own."""
    folder = tmp_path_factory.mktemp("trees")
    videos = tree_files.Videos(folder / "models")
    return {name: getattr(tree_files, name)(folder / name, videos) for name in PUBLISHED}


@pytest.fixture(scope="module")
def load(trees, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")

    def load(name, **options):
        options = {"n_frames": 2, "random_state": 0, "cache": cache, "on_broken": "raise"} | options
        return PUBLISHED[name](trees[name], **options)

    return load


@pytest.fixture
def videos(tmp_path):
    return tree_files.Videos(tmp_path / "models")


def one_per_video(dataset):
    table = dataset.images.drop_duplicates("video").set_index("video")
    assert len(table) == len(set(dataset.images["video"]))
    return table


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_every_loader_returns(name, load):
    dataset = load(name)
    n = len(dataset.data)
    assert n == VIDEOS[name]  # one pair of the two frames of each video
    assert dataset.data.shape == (n, 2)
    assert dataset.data.dtype == object
    assert all(os.path.isfile(path) for path in dataset.data.ravel())
    assert set(dataset.target.tolist()) == {1, -1} if name != "deeperforensics" else {-1}
    assert len(dataset.frame) == len(dataset.groups) == len(dataset.target) == n
    for column in ("dataset", "technique", "compression", "split", "identity", "video",
                   "reference_frame", "probe_frame"):  # fmt: skip
        assert dataset.frame[column].notna().all()
    assert (dataset.frame["label"] == dataset.target).all()
    assert ((dataset.frame["technique"] == "genuine") == (dataset.target == 1)).all()
    assert (dataset.frame["reference_frame"] < dataset.frame["probe_frame"]).all()
    assert (dataset.n_broken, dataset.n_skipped, len(dataset.broken)) == (0, 0, 0)
    assert len(dataset.images) == 2 * VIDEOS[name]
    assert "http" in dataset.DESCR


@pytest.mark.parametrize("name", PUBLISHED)
def test_official_splits(name, load):
    assert dict(Counter(one_per_video(load(name))["split"])) == SPLITS[name]
    for split, count in SPLITS[name].items():
        if split:
            piece = load(name, subset=split)
            assert set(piece.frame["split"]) == {split}
            assert len(piece.frame) == count
    with pytest.raises(ValueError, match="has no subset 'holdout'"):
        load(name, subset="holdout")


def test_faceforensics(load):
    table = one_per_video(load("faceforensics"))
    deepfake = table.loc["manipulated_sequences/Deepfakes/c23/videos/071_054.mp4"]
    assert deepfake[["label", "identity", "original", "split", "compression"]].tolist() == [
        -1, "054", "071", "train", "c23",
    ]  # fmt: skip
    reenacted = table.loc["manipulated_sequences/Face2Face/c23/videos/026_012.mp4"]
    assert reenacted[["identity", "original", "split"]].tolist() == ["026", "026", "test"]
    genuine = table.loc["original_sequences/youtube/c23/videos/720.mp4"]
    assert genuine[["label", "technique", "identity", "split"]].tolist() == [
        1, "genuine", "720", "val",
    ]  # fmt: skip
    assert Counter(table["technique"]) == {"genuine": 10} | dict.fromkeys(
        tree_files.FF_TECHNIQUES, 10
    )


def test_faceforensics_techniques_and_compressions(tmp_path, videos):
    root = tree_files.faceforensics(tmp_path / "ff", videos, ("c23", "c40"), "dataset/splits")
    options = {"cache": tmp_path / "cache", "n_frames": 2}
    several_rows = datasets.load_faceforensics(
        root, techniques=["FaceSwap"], compressions=("c40", "c23"), **options
    )
    counts = Counter(
        zip(several_rows.frame["technique"], several_rows.frame["compression"], strict=True)
    )
    assert counts == {(name, c): 10 for name in ("genuine", "FaceSwap") for c in ("c23", "c40")}
    (root / "dataset" / "splits").rename(root / "splits")
    repeated = datasets.load_faceforensics(root, techniques="FaceSwap", **options)
    assert len(repeated.data) == 20
    with pytest.raises(ValueError, match=r"techniques must be some of .* got 'Faceswap'"):
        datasets.load_faceforensics(root, techniques="Faceswap", **options)
    with pytest.raises(FileNotFoundError, match=r"youtube/raw/videos.*form"):
        datasets.load_faceforensics(root, compressions="raw", **options)


def test_faceforensics_in_reference_mode(load):
    with pytest.warns(UserWarning, match="60 of 120 rows are skipped"):
        second = load("faceforensics", mode="reference", references="other_videos")
    assert set(second.target.tolist()) == {-1}  # there is one genuine video per person
    dataset = load("faceforensics", mode="reference")
    assert Counter(dataset.target.tolist()) == {1: 20, -1: 100}
    assert dataset.feature_names == ["reference", "probe"]
    assert len(dataset.data) == 120
    names = dataset.frame["reference_video"].str.extract(r"youtube/c23/videos/(\d+)")[0]
    assert (names == dataset.frame["identity"]).all()


def test_deepfakedetection(load):
    dataset = load("deepfakedetection", mode="reference")
    table = one_per_video(dataset)
    fake = table.loc["manipulated_sequences/DeepFakeDetection/c23/videos/"
                     "01_02__exit_phone_room__YVGY8LOK.mp4"]  # fmt: skip
    assert fake[["identity", "original", "technique"]].tolist() == [
        "02", "01__exit_phone_room", "DeepFakeDetection",
    ]  # fmt: skip
    assert len(dataset.data) == 16
    frame = dataset.frame
    assert (frame["reference_video"] != frame["video"]).all()
    actors = frame["reference_video"].str.extract(r"videos/(\d+)__")[0]
    assert (actors == frame["identity"]).all()


def test_celeb_df(load):
    table = one_per_video(load("celeb_df"))
    fake = table.loc["Celeb-synthesis/id0_id16_0001.mp4"]
    assert fake[["label", "identity", "original", "split"]].tolist() == [
        -1, "id16", "id0_0001", "train",
    ]  # fmt: skip
    assert set(table.index[table["split"] == "test"]) == {
        "Celeb-real/id0_0002.mp4", "Celeb-real/id0_0001.mp4", "YouTube-real/00001.mp4",
        "Celeb-synthesis/id1_id0_0002.mp4",
    }  # fmt: skip
    assert load("celeb_df", version=1).frame["dataset"][0] == "Celeb-DF-v1"
    with pytest.raises(ValueError, match="version must be 1 or 2, got 3"):
        load("celeb_df", version=3)


def test_references_keep_to_other_videos_of_the_person_and_to_the_split(load):
    with pytest.warns(UserWarning, match="rows are skipped"):  # nobody of YouTube-real has two
        dataset = load("celeb_df", mode="reference", k="all")
    frame = dataset.frame
    split = one_per_video(dataset)["split"]
    assert len(frame)
    assert (frame["reference_video"] != frame["video"]).all()
    assert (split[frame["reference_video"]].to_numpy() == frame["split"]).all()
    person = frame["reference_video"].str.extract(r"Celeb-real/(id\d+)_")[0]
    assert (person == frame["identity"]).all()
    for (reference, probe), row in zip(dataset.data, frame.itertuples(), strict=True):
        for path, name, number in ((reference, row.reference_video, row.reference_frame),
                                   (probe, row.video, row.probe_frame)):  # fmt: skip
            assert Path(path).parent.name.startswith(Path(name).stem)
            assert Path(path).name == f"{number:06d}.png"
    fake = frame[frame["video"] == "Celeb-synthesis/id16_id0_0000.mp4"]
    assert set(fake["reference_video"]) == {"Celeb-real/id0_0000.mp4"}


def test_the_video_a_fake_was_made_from_is_no_reference(tmp_path, videos):
    videos.put(tmp_path, "a1.mp4", "a2.mp4", "fake.mp4")
    table = pd.DataFrame({"path": ["a1.mp4", "a2.mp4", "fake.mp4"], "label": [1, 1, -1],
                          "identity": "a", "original": ["", "", "a2"]})  # fmt: skip
    table["path"] = str(tmp_path) + os.sep + table["path"]
    options = {"cache": tmp_path / "cache", "mode": "reference", "k": "all", "n_frames": 2}
    frame = datasets.load_video_table(table, **options).frame
    fakes = frame.loc[frame["label"] == -1, "reference_video"]
    assert {Path(name).name for name in fakes} == {"a1.mp4"}
    frame = datasets.load_video_table(table, references="all_videos", **options).frame
    fakes = frame.loc[frame["label"] == -1, "reference_video"]
    assert {Path(name).name for name in fakes} == {"a1.mp4", "a2.mp4"}


def test_dfdc(load):
    table = one_per_video(load("dfdc"))
    assert table.loc["dfdc_train_part_1/fake1.mp4"][["label", "original"]].tolist() == [
        -1, "dfdc_train_part_1/real1.mp4",
    ]  # fmt: skip
    assert table.loc["test/x.mp4", "label"] == table.loc["validation/x.mp4", "label"] == 1
    assert table.loc["test/y.mp4", "label"] == -1
    dataset = load("dfdc", subset="train")
    assert dataset.groups.tolist() == [
        f"DFDC:dfdc_train_part_{i}/real{i}.mp4" for i in (0, 0, 1, 1)
    ]


@pytest.mark.parametrize("name", ["dfdc", "ffiw", "forgerynet"])
def test_without_identities_there_is_no_reference_mode(name, load):
    with pytest.raises(ValueError, match=r"does not say who is seen.*Use mode='same-video'"):
        load(name, mode="reference")


def test_dfdc_preview(load):
    table = one_per_video(load("dfdc_preview"))
    fake = table.loc["method_A/643116/643116_1224068_A_001.mp4"]
    assert fake[["identity", "technique", "split"]].tolist() == ["643116", "method_A", "train"]
    genuine = table.loc["original_videos/1224068/1224068_B_002.mp4"]
    assert genuine[["identity", "label"]].tolist() == ["1224068", 1]
    assert len(load("dfdc_preview", mode="reference").data) == 12


def test_deeperforensics(trees, load):
    table = one_per_video(load("deeperforensics"))
    fake = table.loc["manipulated_videos/end_to_end/071_M004.mp4"]
    assert fake[["identity", "original", "technique", "label"]].tolist() == [
        "M004", "071", "end_to_end", -1,
    ]  # fmt: skip
    combined = load("deeperforensics", faceforensics=trees["faceforensics"])
    assert Counter(combined.target.tolist()) == {1: 4, -1: 4}
    genuine = one_per_video(combined).loc["original_sequences/youtube/c23/videos/953.mp4"]
    assert genuine[["label", "split"]].tolist() == [1, "test"]
    actors = load("deeperforensics", actors="*_light_uniform_*_camera_front.mp4", mode="reference")
    assert Counter(actors.target.tolist()) == {1: 16, -1: 8}
    with pytest.raises(FileNotFoundError, match="any video of the actors"):
        load("deeperforensics", actors="*_BlendShape_*.mp4")
    with pytest.raises(FileNotFoundError, match="manipulated_videos/end_to_end_level_5"):
        load("deeperforensics", variants="end_to_end_level_5")


def test_forgerynet_frames_are_labeled_by_segment(load):
    dataset = load("forgerynet", n_frames=8, k="all")
    images = dataset.images
    piece = images[images["video"] == "Training/video/train_video_release/2/part.mp4"]
    assert piece.loc[piece["label"] == -1, "number"].tolist() == [2, 3, 4]
    frame = dataset.frame[dataset.frame["video"] == piece["video"].iloc[0]]
    manipulated = frame["reference_frame"].isin([2, 3, 4]) | frame["probe_frame"].isin([2, 3, 4])
    assert ((frame["label"] == -1) == manipulated).all()
    assert set(frame.loc[manipulated, "technique"]) == {"class_11"}
    assert set(frame.loc[~manipulated, "technique"]) == {"genuine"}


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_empty_folder_says_what_was_looked_for_and_how_to_get_it(name, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        PUBLISHED[name](tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "http" in str(caught.value)
    with pytest.raises(FileNotFoundError, match="the folder of the dataset"):
        PUBLISHED[name](tmp_path / "nowhere")


@pytest.mark.parametrize(("name", "file"), [
    ("faceforensics", "manipulated_sequences/FaceSwap/c23/videos/071_054.mp4"),
    ("celeb_df", "Celeb-real/id0_0002.mp4"),
    ("dfdc", "dfdc_train_part_0/fake0.mp4"),
    ("dfdc_preview", "method_A/643116/643116_1224068_A_001.mp4"),
    ("deeperforensics", "manipulated_videos/end_to_end/720_M109.mp4"),
    ("forgerynet", "Training/video/train_video_release/1/fake.mp4"),
])  # fmt: skip
def test_a_half_copied_tree(name, file, tmp_path, videos):
    root = getattr(tree_files, name)(tmp_path / "tree", videos)
    (root / file).unlink()
    options = {"cache": tmp_path / "cache", "n_frames": 2}
    with pytest.warns(UserWarning, match=rf"absent are 1 video \({root / file}\)") as caught:
        dataset = PUBLISHED[name](root, **options)
    assert len([w for w in caught if "absent" in str(w.message)]) == 1
    assert dataset.absent["path"].tolist() == [str(root / file)]
    assert dataset.absent["kind"].tolist() == ["video"]
    assert dataset.n_broken == 0
    assert len(dataset.data) == VIDEOS[name] - 1
    assert str(root / file) in dataset.DESCR
    assert datasets.describe(dataset, as_dict=True)["absent"] == {"videos": 1}
    with pytest.raises(VideoError, match=r"no such file; is the copy.*complete\?.*http"):
        PUBLISHED[name](root, on_broken="raise", **options)


@pytest.mark.parametrize(("name", "file", "content", "message"), [
    ("faceforensics", "train.json", "[[", "train.json: not a JSON file"),
    ("faceforensics", "val.json", '[["720", 672]]', "val.json: entries must be pairs like"),
    ("faceforensics", "test.json", "{}", "the content must be a JSON list, got a dict"),
    ("celeb_df", "List_of_testing_videos.txt", "0 Celeb-real/id0_0002.mp4", "line 1: label 0 cont"),
    ("celeb_df", "List_of_testing_videos.txt", "\n1 Elsewhere/a.mp4", "line 2"),
    ("dfdc", "dfdc_train_part_0/metadata.json", '{"a.mp4": {"label": "?"}}', "entry 'a.mp4'"),
    ("dfdc", "test/labels.csv", "filename,label\nx.mp4,1\n", "label of x.mp4 contradicts"),
    ("dfdc", "test/labels.csv", "filename,label\n" + 200_000 * "x", "labels.csv: field larger"),
    ("dfdc_preview", "dataset.json", '{"a.mp4": 1}', "no label real or fake in the entry 'a.mp4'"),
    ("deeperforensics", "lists/splits/val.txt", "720.mp4", "line 1 must be a name like 000_M101"),
    ("forgerynet", "Training/video_list.txt", "2 a.mp4 0 8 1 1 1 7", "line 1: there must be 2"),
    ("forgerynet", "Training/video_list.txt", "1 a.mp4 0 8 1 1 1 0", "line 1: labels 1 and 0"),
])  # fmt: skip
def test_damaged_lists(name, file, content, message, tmp_path, videos):
    root = getattr(tree_files, name)(tmp_path / "tree", videos)
    (root / file).write_text(content)
    with pytest.raises(ValueError, match=message):
        PUBLISHED[name](root, cache=tmp_path / "cache", n_frames=2)


@pytest.mark.parametrize(("name", "file"), [
    ("celeb_df", "Celeb-synthesis/id0_0000.mp4"),
    ("celeb_df", "Celeb-real/someone.mp4"),
    ("deepfakedetection", "original_sequences/actors/c23/videos/exit.mp4"),
])  # fmt: skip
def test_strange_names(name, file, tmp_path, videos):
    root = getattr(tree_files, name)(tmp_path / "tree", videos)
    videos.put(root, file)
    with pytest.raises(ValueError, match=f"{file}: the name must be like"):
        PUBLISHED[name](root, cache=tmp_path / "cache")


def test_hidden_files_are_not_the_datasets(tmp_path, videos):
    root = tree_files.celeb_df(tmp_path / "tree", videos)
    (root / "Celeb-real" / "._id0_0000.mp4").write_bytes(b"a copy by macOS leaves these behind")
    assert len(datasets.load_celeb_df(root, cache=tmp_path / "cache", n_frames=2).data) == 15


def test_ffiw(load):
    table = one_per_video(load("ffiw"))
    assert table.loc["source/train/00000.mp4", ["label", "technique"]].tolist() == [1, "genuine"]
    assert table.loc["target/val/00001.mp4", ["label", "technique"]].tolist() == [-1, "FFIW"]


def test_ffiw_with_half_a_split(tmp_path, videos):
    root = tree_files.ffiw(tmp_path / "tree", videos)
    videos.put(root, "source/test/00000.mp4")
    with pytest.warns(UserWarning, match=r"absent are 1 folder \(.*target/test\)"):
        dataset = datasets.load_ffiw(root, cache=tmp_path / "cache", n_frames=2)
    assert len(dataset.data) == 9
    assert dataset.absent["path"].tolist() == [str(root / "target" / "test")]


def test_ffiw_without_any_split(tmp_path):
    for kind in ("source", "target"):
        (tmp_path / kind).mkdir()
    with pytest.raises(FileNotFoundError, match=r"any video was looked for.*source/train"):
        datasets.load_ffiw(tmp_path)


def test_a_folder_without_videos_is_named(tmp_path, videos):
    root = tree_files.ffiw(tmp_path / "tree", videos)
    for video in (root / "target" / "val").iterdir():
        video.write_text("to be downloaded")
    with pytest.warns(UserWarning, match=r"1 video \(.*target/val/"):
        dataset = datasets.load_ffiw(root, cache=tmp_path / "cache", n_frames=2)
    assert len(dataset.data) == 6
    assert dataset.skipped_files["kind"].tolist() == ["text", "text"]
    assert dataset.skipped_files["path"].str.startswith(str(root / "target" / "val")).all()


def test_dfdc_preview_finds_actors_by_their_folders(tmp_path, videos):
    root = tree_files.dfdc_preview(tmp_path / "tree", videos)
    entries = json.loads((root / "dataset.json").read_text())
    for entry in entries.values():
        if entry["label"] == "real":
            del entry["target_id"]
    (root / "dataset.json").write_text(json.dumps(entries))
    dataset = datasets.load_dfdc_preview(root, cache=tmp_path / "cache", n_frames=2)
    identity = one_per_video(dataset)["identity"]
    assert identity["original_videos/643116/643116_A_001.mp4"] == "643116"
    assert identity["original_videos/1224068/1224068_B_002.mp4"] == "1224068"


@pytest.fixture
def lfw(tmp_path):
    """A data home of scikit-learn with four people in it."""
    from PIL import Image

    home = tmp_path / "lfw_home"
    rng = np.random.default_rng(0)
    for name, count in (("Ada_L", 3), ("Bo", 2), ("Cy_Y", 1)):
        for number in range(1, count + 1):
            path = home / "lfw_funneled" / name / f"{name}_{number:04d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (250, 250, 3), dtype=np.uint8)).save(path)
    pairs = "3\nAda_L\t1\t3\nBo\t1\t2\nAda_L\t2\t3\nAda_L\t1\tBo\t2\nBo\t1\tCy_Y\t1\nCy_Y\t1\tBo\t2"
    for name in ("pairsDevTrain.txt", "pairsDevTest.txt", "pairs.txt"):
        (home / name).write_text(pairs)
    return tmp_path


def test_lfw(lfw):
    dataset = datasets.fetch_lfw_pairs(data_home=lfw, download_if_missing=False)
    folder = lfw / "lfw_home" / "lfw_funneled"
    assert dataset.data[0].tolist() == [
        str(folder / "Ada_L" / "Ada_L_0001.jpg"), str(folder / "Ada_L" / "Ada_L_0003.jpg"),
    ]  # fmt: skip
    assert dataset.target.tolist() == [1, 1, 1, -1, -1, -1]
    assert dataset.frame["technique"].tolist() == ["genuine"] * 3 + ["impostor"] * 3
    assert dataset.frame["identity"].tolist() == ["Ada_L", "Bo", "Ada_L", "Bo", "Cy_Y", "Bo"]
    assert all(os.path.isfile(path) for path in dataset.data.ravel())
    X, y = datasets.fetch_lfw_pairs(
        subset="10_folds", data_home=lfw, impostors=False, return_X_y=True, as_frame=True,
        download_if_missing=False,
    )  # fmt: skip
    assert X.shape == (3, 2)
    assert y.tolist() == [1, 1, 1]
    assert list(X.columns) == ["reference", "probe"]


def test_lfw_that_is_not_there(tmp_path):
    with pytest.raises(OSError, match=r"."):
        datasets.fetch_lfw_pairs(data_home=tmp_path, download_if_missing=False)


def test_lfw_list_that_was_read_otherwise(lfw):
    """scikit-learn tells genuine pairs by the number of columns, not by the names."""
    odd = "1\nAda_L\t1\t3\nBo\t1\tBo\t2"
    (lfw / "lfw_home" / "pairsDevTrain.txt").write_text(odd)
    with pytest.raises(ValueError, match=r"pairsDevTrain\.txt is not the list that scikit-learn"):
        datasets.fetch_lfw_pairs(data_home=lfw, download_if_missing=False)
