"""Datasets as they lie on disk: parts are absent, other files lie beside, names are odd."""

import shutil
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

pytest.importorskip("av")

import tree_files
from video_files import write_video

from sklearn_diffake import datasets
from sklearn_diffake.datasets import VideoError, _videos
from sklearn_diffake.pairs import make_same_video_pairs

PAIRS = [pair for pairs in tree_files.FF_SPLITS.values() for pair in pairs]
LISTS = ["train.json", "val.json", "test.json"]


@pytest.fixture
def videos(tmp_path):
    return tree_files.Videos(tmp_path / "models", [write_video(tmp_path / "model.mp4", 8)])


@pytest.fixture
def options(tmp_path):
    return {"cache": tmp_path / "cache", "n_frames": 2, "random_state": 0}


@pytest.fixture
def ff(tmp_path, videos):
    """FaceForensics++ in c23 with four techniques, and no lists of the splits."""
    root = tree_files.faceforensics(tmp_path / "ff", videos)
    shutil.rmtree(root / "manipulated_sequences" / "FaceShifter")
    for name in LISTS:
        (root / name).unlink()
    return root


def names(dataset, root):
    return [Path(path).relative_to(root).as_posix() for path in dataset.absent["path"]]


def warned(caught, arguments):
    return [str(warning.message) for warning in caught if arguments in str(warning.message)]


def test_faceforensics_with_four_techniques_and_no_lists(ff, options):
    with pytest.warns(UserWarning, match="absent are") as caught:
        dataset = datasets.load_faceforensics(ff, **options)
    table = dataset.images.drop_duplicates("video").set_index("video")
    assert Counter(table["technique"]) == dict.fromkeys(
        ["genuine", "Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures"], 10
    )
    fake = table.loc["manipulated_sequences/Deepfakes/c23/videos/071_054.mp4"]
    assert fake[["label", "identity", "original", "compression", "split"]].tolist() == [
        -1, "054", "071", "c23", "",
    ]  # fmt: skip
    assert len(dataset.data) == 50
    assert dataset.n_broken == 0
    absent = [*LISTS, "manipulated_sequences/FaceShifter/c23/videos"]
    assert names(dataset, ff) == absent
    assert Counter(dataset.absent["kind"]) == {"list": 3, "folder": 1}
    (arguments,) = warned(caught, "absent are")
    for path in absent:
        assert path in arguments
        assert path in dataset.DESCR
    assert "techniques=['Deepfakes', 'Face2Face', 'FaceSwap', 'NeuralTextures']" in arguments
    with warnings.catch_warnings(action="error"):
        repeated = datasets.load_faceforensics(ff, on_broken="skip", **options)
        datasets.load_faceforensics(ff, techniques=["Deepfakes"], on_broken="skip", **options)
    assert repeated.data.tolist() == dataset.data.tolist()


def test_what_is_absent_is_printed(ff, options, capsys):
    datasets.load_faceforensics(ff, on_broken="skip", verbose=2, **options)
    assert "absent are 1 folder" in capsys.readouterr().err
    datasets.describe(datasets.load_faceforensics(ff, on_broken="skip", **options))
    assert "absent  folders 1, lists 3" in capsys.readouterr().out


def test_a_technique_or_compression_that_is_named_must_be_there(ff, options):
    with pytest.raises(FileNotFoundError, match=r"techniques='FaceShifter'.*There are techniques="
                       r"\['Deepfakes', 'Face2Face', 'FaceSwap', 'NeuralTextures'\]"):  # fmt: skip
        datasets.load_faceforensics(ff, techniques=["Deepfakes", "FaceShifter"], **options)
    with pytest.raises(FileNotFoundError, match=r"compressions='c40'.*compressions=\['c23'\]"):
        datasets.load_faceforensics(ff, compressions=["c23", "c40"], **options)
    dataset = datasets.load_faceforensics(ff, compressions="all", on_broken="skip", **options)
    assert set(dataset.frame["compression"]) == {"c23"}
    folders = [name for name in names(dataset, ff) if "/raw/" in name or "/c40/" in name]
    assert len(folders) == 12


def test_one_list_is_there(ff, options):
    tree_files.write_json(ff / "test.json", tree_files.FF_SPLITS["test"])
    dataset = datasets.load_faceforensics(ff, on_broken="skip", **options)
    assert Counter(dataset.frame["split"]) == {"": 30, "test": 20}
    test = datasets.load_faceforensics(ff, on_broken="skip", subset="test", **options)
    assert len(test.data) == 20
    with pytest.raises(ValueError, match=r"no subset 'train'.*absent are 2 lists .*train.json"):
        datasets.load_faceforensics(ff, subset="train", **options)


def test_lists_that_name_more_than_there_is(ff, options):
    for split, pairs in tree_files.FF_SPLITS.items():
        tree_files.write_json(ff / f"{split}.json", pairs)
    remaining = {f"{target}_{donor}" for target, donor in PAIRS[:2]} | {PAIRS[0][0]}
    for path in ff.rglob("*.mp4"):
        if path.stem not in remaining:
            path.unlink()
    with pytest.warns(UserWarning, match=r"absent are 1 folder .* and 41 videos \("):
        dataset = datasets.load_faceforensics(ff, **options)
    assert len(dataset.data) == 9
    assert dataset.n_broken == 0
    assert len(dataset.absent) == 42
    with pytest.raises(VideoError, match="no such file"):
        datasets.load_faceforensics(ff, on_broken="raise", **options)
    for path in ff.rglob("*.mp4"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"any of the 50 videos that are listed.*form"):
        datasets.load_faceforensics(ff, **options)


def test_faceforensics_without_genuine_videos(ff, options):
    shutil.rmtree(ff / "original_sequences")
    dataset = datasets.load_faceforensics(ff, on_broken="skip", **options)
    assert set(dataset.target) == {-1}
    assert "original_sequences/youtube/c23/videos" in names(dataset, ff)


def test_a_deepfake_never_meets_the_frame_it_was_made_from(ff, options):
    options |= {"mode": "reference", "n_frames": 4, "k": "all"}
    with pytest.warns(UserWarning, match="genuine pairs") as caught:
        dataset = datasets.load_faceforensics(ff, **options)
    frame = dataset.frame
    reenacted = frame[frame["technique"].isin(["Face2Face", "NeuralTextures"])]
    stems = reenacted["reference_video"].str.extract(r"(\d+)\.mp4")[0]
    assert (stems == reenacted["original"]).all()
    assert (reenacted["reference_frame"] != reenacted["probe_frame"]).all()
    assert len(reenacted) == 20 * 4 * 3
    swapped = frame[frame["technique"] == "Deepfakes"]
    assert len(swapped) == 10 * 4 * 4
    for arguments in ("120 of 120 genuine pairs are two frames of one video",
                  "240 of 560 deepfake pairs have a reference from the video that"):  # fmt: skip
        assert len(warned(caught, arguments)) == 1
        assert arguments in dataset.DESCR


def test_the_source_frame_is_the_nearest_where_the_copy_is_shorter(tmp_path, options):
    for name, n_frames in (("genuine.mp4", 16), ("fake.mp4", 12)):
        write_video(tmp_path / name, n_frames)
    table = pd.DataFrame({"path": ["genuine.mp4", "fake.mp4"], "label": [1, -1],
                          "identity": "a", "original": ["", "genuine.mp4"]})  # fmt: skip
    table["path"] = [str(tmp_path / path) for path in table["path"]]
    options |= {"mode": "reference", "references": "all_videos", "n_frames": 4, "k": "all"}
    with pytest.warns(UserWarning, match="12 of 12 deepfake pairs have a reference from"):
        frame = datasets.load_video_table(table, **options).frame
    fakes = frame[frame["label"] == -1]
    numbers = sorted(set(fakes["reference_frame"]))
    for probe, piece in fakes.groupby("probe_frame"):
        (excluded,) = set(numbers) - set(piece["reference_frame"])
        assert abs(excluded - probe) == min(abs(number - probe) for number in numbers)


def test_pairs_of_one_video_only_are_said(ff, videos, options):
    with pytest.warns(UserWarning, match="genuine pair") as caught:
        dataset = datasets.load_faceforensics(
            ff, mode="reference", references="other_videos", **options
        )
    assert set(dataset.target) == {-1}
    assert len(warned(caught, "no genuine pair can be made, since no person has two")) == 1
    assert 'references="all_videos"' in dataset.DESCR
    root = tree_files.deepfakedetection(
        ff.parent / "dfd", tree_files.Videos(ff, [ff.parent / "model.mp4"])
    )
    with warnings.catch_warnings(action="error"):
        dataset = datasets.load_deepfakedetection(root, mode="reference", **options)
    assert "one video" not in dataset.DESCR


def test_celeb_df_without_its_list_and_a_folder(tmp_path, videos, options):
    root = tree_files.celeb_df(tmp_path / "tree", videos)
    (root / "List_of_testing_videos.txt").unlink()
    shutil.rmtree(root / "YouTube-real")
    with pytest.warns(UserWarning, match="absent are 1 folder .*YouTube-real.* and 1 list"):
        dataset = datasets.load_celeb_df(root, **options)
    assert len(dataset.data) == 13
    assert set(dataset.frame["split"]) == {""}


def test_celeb_df_without_a_folder_that_its_list_names(tmp_path, videos, options):
    root = tree_files.celeb_df(tmp_path / "tree", videos)
    shutil.rmtree(root / "YouTube-real")
    dataset = datasets.load_celeb_df(root, on_broken="skip", **options)
    assert names(dataset, root) == ["YouTube-real"]
    assert Counter(dataset.frame["split"]) == {"train": 10, "test": 3}


@pytest.mark.parametrize("kind", ["original_sequences", "manipulated_sequences"])
def test_deepfakedetection_without_one_half(tmp_path, videos, options, kind):
    root = tree_files.deepfakedetection(tmp_path / "tree", videos)
    shutil.rmtree(root / kind)
    with pytest.warns(UserWarning, match=f"absent are 1 folder .*{kind}"):
        dataset = datasets.load_deepfakedetection(root, **options)
    assert set(dataset.target) == {1 if kind.startswith("manipulated") else -1}


def test_deeperforensics_without_lists_and_an_actor(tmp_path, videos, options):
    root = tree_files.deeperforensics(tmp_path / "tree", videos)
    shutil.rmtree(root / "lists")
    shutil.rmtree(root / "source_videos" / "M004")
    dataset = datasets.load_deeperforensics(root, actors="*", on_broken="skip", **options)
    assert Counter(dataset.target.tolist()) == {1: 6, -1: 4}
    assert set(dataset.frame["split"]) == {""}
    assert Counter(dataset.absent["kind"]) == {"list": 3, "folder": 1}
    all_of_it = datasets.load_deeperforensics(root, variants="all", on_broken="skip", **options)
    assert len(all_of_it.data) == 4


def test_dfdc_without_the_originals(tmp_path, videos, options):
    root = tree_files.dfdc(tmp_path / "tree", videos)
    for piece in range(2):
        (root / f"dfdc_train_part_{piece}" / f"real{piece}.mp4").unlink()
    with pytest.warns(UserWarning, match=r"absent are 2 videos \(.*real0.mp4, .*real1.mp4\)"):
        dataset = datasets.load_dfdc(root, **options)
    assert Counter(dataset.target.tolist()) == {1: 2, -1: 4}
    assert dataset.frame["original"].tolist()[:2] == [
        "dfdc_train_part_0/real0.mp4", "dfdc_train_part_1/real1.mp4",
    ]  # fmt: skip


def test_a_folder_laid_out_as_faceforensics(ff, videos, options):
    tree_files.deepfakedetection(ff, videos)
    tree_files.write_json(ff / "val.json", [["720", "672"]])
    videos.put(ff, "manipulated_sequences/Deepfakes/masks/videos/071_054.mp4")
    for number in (1, 2, 10):
        path = ff / "manipulated_sequences/FaceSwap/c40/frames/026_012" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    dataset = datasets.load_video_folder(ff, **options)
    table = dataset.images.drop_duplicates("video").set_index("video")
    assert len(table) == 50 + 8 + 1
    columns = ["label", "technique", "compression", "split", "identity", "original"]
    for video, expected in {
        "original_sequences/youtube/c23/videos/720.mp4": [1, "genuine", "c23", "val", "720", ""],
        "manipulated_sequences/Deepfakes/c23/videos/720_672.mp4":
            [-1, "Deepfakes", "c23", "val", "672", "720"],
        "manipulated_sequences/Face2Face/c23/videos/026_012.mp4":
            [-1, "Face2Face", "c23", "", "026", "026"],
        "manipulated_sequences/FaceSwap/c40/frames/026_012":
            [-1, "FaceSwap", "c40", "", "012", "026"],
        "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__exit_phone_room__YVGY8LOK.mp4":
            [-1, "DeepFakeDetection", "c23", "", "02", "01__exit_phone_room"],
    }.items():  # fmt: skip
        assert table.loc[video, columns].tolist() == expected
    frames = dataset.images[dataset.images["video"].str.endswith("frames/026_012")]
    assert [Path(path).stem for path in frames["path"]] == ["1", "2", "10"]
    assert frames["number"].tolist() == [0, 1, 2]
    assert dataset.skipped_files["kind"].tolist() == ["text", "mask"]


@pytest.mark.parametrize("suffix", ["wmv", "3gp", "xyz", "jpg", ""])
def test_whatever_a_video_is_called_it_is_used(tmp_path, options, suffix):
    path = tmp_path / "own" / "real" / f"clip.{suffix}".rstrip(".")
    path.parent.mkdir(parents=True)
    write_video(tmp_path / "clip.mp4", 6)
    shutil.move(tmp_path / "clip.mp4", path)
    dataset = datasets.load_video_folder(tmp_path / "own", **options)
    assert dataset.frame["video"].tolist() == [path.relative_to(tmp_path / "own").as_posix()]


def test_whatever_a_picture_is_called_it_is_used_and_an_animation_is_a_video(tmp_path, options):
    root = tmp_path / "own"
    (root / "real").mkdir(parents=True)
    pictures = [Image.new("RGB", (32, 32), (40 * i, 0, 0)) for i in range(5)]
    for i, suffix in enumerate(("jfif", "heic", "mp4")):
        pictures[i].save(root / "real" / f"{i}.{suffix}", format="JPEG")
    content = {"a.jpg": "<html>", "b.jpg": "version https://git-lfs.github.com/spec/v1\n",
               "c.jpg": "", "notes.txt": "mine", ".DS_Store": "\1"}  # fmt: skip
    for name, text in content.items():
        (root / "real" / name).write_text(text)
    with pytest.warns(UserWarning, match=r"3 files cannot be used. The first is .*a.jpg: this is a"
                      " web page.*skipped_files"):  # fmt: skip
        dataset = datasets.load_video_folder(root, **options)
    assert len(dataset.images) == 3
    skipped = dataset.skipped_files
    assert skipped["kind"].tolist() == ["html", "git-lfs pointer", "empty", "text"]
    assert skipped["reason"].str.len().min() > 10
    with pytest.raises(VideoError, match=r"own, file .*a.jpg: this is a web page"):
        datasets.load_video_folder(root, on_broken="raise", **options)
    media = _videos.file_format
    pictures[0].save(root / "real" / "0.jfif", format="GIF", save_all=True,
                     append_images=pictures[1:])  # fmt: skip
    assert media(root / "real" / "0.jfif").is_video


def test_a_folder_of_nothing_but_unusable_files_says_why(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.jpg").write_text("<html>")
    with pytest.raises(FileNotFoundError, match=r"any video or picture.*a.jpg: this is a web page"):
        datasets.load_video_folder(tmp_path)


def test_frames_of_unpadded_names_are_in_natural_order(tmp_path, options):
    folder = tmp_path / "own" / "real" / "clip"
    folder.mkdir(parents=True)
    for number in range(1, 13):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"frame_{number}.png")
    dataset = datasets.load_video_folder(tmp_path / "own", k="all", **options)
    numbers = [[int(Path(path).stem[6:]) for path in pair] for pair in dataset.data]
    assert len(numbers) == 66
    assert (np.diff(numbers, axis=1) > 0).all()
    assert dataset.images["number"].tolist() == list(range(12))


@pytest.mark.parametrize("kind", [list, np.array])
def test_frame_names_are_sorted_by_their_numbers(kind):
    names = [f"frame_{number}.png" for number in (10, 9, 2, 1, 12)]
    table = {"path": kind(names), "video": kind(["v"] * 5), "frame": kind(names)}
    pairs = make_same_video_pairs(table, k="all", frame="frame")
    numbers = [[int(name[6:-4]) for name in pair] for pair in pairs.data]
    assert (np.diff(numbers, axis=1) > 0).all()


def test_a_title_of_sixty_characters_of_four_bytes(tmp_path, options):
    path = write_video(tmp_path / "short.mp4", 4).rename(tmp_path / ("\U00020000" * 60 + ".mp4"))
    del options["random_state"]
    frames = datasets.extract_frames(path, **options)
    assert len(frames.paths) == 2
    folder = Path(frames.paths[0]).parent.name
    assert len(folder.encode()) <= 100


def test_long_titles_keep_what_fits(tmp_path, options):
    del options["random_state"]
    path = write_video(tmp_path / "short.mp4", 4).rename(tmp_path / ("é" * 50 + ".mp4"))
    folder = Path(datasets.extract_frames(path, **options).paths[0]).parent.name
    assert folder.startswith("é" * 30 + "-")
