"""Tables and folders of your own, and what all loaders share."""

import contextlib
import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

pytest.importorskip("av")

from tree_files import Videos
from video_files import write_video

from sklearn_diffake import datasets
from sklearn_diffake.datasets import VideoError, _frames, load_video_folder, load_video_table
from sklearn_diffake.faces import read_image


@pytest.fixture
def folder(tmp_path):
    """Two people: three genuine videos, two deepfakes, a table of them."""
    root = tmp_path / "own"
    names = ["anna/real/1.mp4", "anna/real/2.mp4", "anna/fake/FaceSwap/3.mp4", "ben/real/4.mp4",
             "ben/fake/5.mp4"]  # fmt: skip
    Videos(tmp_path / "models").put(root, *names)
    table = pd.DataFrame({"path": names, "label": [1, 1, -1, 1, -1]})
    table["identity"] = ["anna", "anna", "anna", "ben", "ben"]
    table["split"] = ["train", "train", "train", "test", "test"]
    table.to_csv(root / "videos.csv", index=False)
    return root


@pytest.fixture
def options(tmp_path):
    return {"cache": tmp_path / "cache", "n_frames": 4, "random_state": 0}


def test_table(folder, options):
    dataset = load_video_table(folder / "videos.csv", dataset="own", **options)
    assert set(dataset.frame["dataset"]) == {"own"}
    assert dataset.frame.drop_duplicates("video")["technique"].tolist() == [
        "genuine", "genuine", "deepfake", "genuine", "deepfake",
    ]  # fmt: skip
    assert set(dataset.groups) == {"own:anna", "own:ben"}
    for (earlier, later), row in zip(dataset.data, dataset.frame.itertuples(), strict=True):
        assert earlier.endswith(f"{row.reference_frame:06d}.png")
        assert later.endswith(f"{row.probe_frame:06d}.png")
        assert read_image(earlier).shape == read_image(later).shape
    table = pd.read_csv(folder / "videos.csv")
    table["path"] = [str(folder / path) for path in table["path"]]
    identical = load_video_table(table, dataset="own", **options)
    assert identical.data.tolist() == dataset.data.tolist()
    assert identical.target.tolist() == dataset.target.tolist()


def test_seed_and_processes_change_nothing(folder, options, tmp_path):
    first = load_video_table(folder / "videos.csv", **options)
    cold = options | {"cache": tmp_path / "cold"}
    repeated = load_video_table(folder / "videos.csv", n_jobs=2, **cold)
    pd.testing.assert_frame_equal(first.frame, repeated.frame)
    second = load_video_table(folder / "videos.csv", **(options | {"random_state": 1}))
    assert first.data.tolist() != second.data.tolist()


def test_a_second_run_decodes_nothing(folder, options, monkeypatch):
    first = load_video_table(folder / "videos.csv", **options)
    monkeypatch.setattr(_frames, "read_accounted", None)
    repeated = load_video_table(folder / "videos.csv", **options)
    assert repeated.data.tolist() == first.data.tolist()


def test_forms_of_the_answer(folder, options):
    dataset = load_video_table(folder / "videos.csv", as_frame=True, **options)
    assert list(dataset.data.columns) == ["earlier", "later"]
    assert dataset.target.name == "label"
    X, y = load_video_table(folder / "videos.csv", return_X_y=True, **options)
    np.testing.assert_array_equal(X, dataset.data.to_numpy())
    np.testing.assert_array_equal(y, dataset.target)
    assert load_video_table(folder / "videos.csv", subset="test", **options).frame[
        "identity"
    ].unique().tolist() == ["ben"]


@pytest.mark.parametrize("policy", ["warn", "skip", "raise"])
def test_broken_videos(folder, options, policy):
    (folder / "anna/real/2.mp4").write_bytes(b"\0nothing")
    (folder / "ben/fake/5.mp4").unlink()
    arguments = "2 of 5 videos cannot be used. The first is .*2.mp4: not a video"
    call = {
        "warn": pytest.warns(UserWarning, match=arguments),
        "skip": contextlib.nullcontext(),
        "raise": pytest.raises(VideoError, match=r"video 1 \(.*2.mp4\): not a video"),
    }
    with call[policy]:
        dataset = load_video_table(folder / "videos.csv", on_broken=policy, **options)
    if policy != "raise":
        assert dataset.n_broken == 2
        removed = [str(folder / "anna/real/2.mp4"), str(folder / "ben/fake/5.mp4")]
        assert dataset.broken["path"].tolist() == removed
        assert dataset.frame["video"].nunique() == 3


@pytest.mark.parametrize("policy", ["warn", "skip", "raise"])
def test_nothing_but_broken_videos_is_an_error(tmp_path, policy):
    table = pd.DataFrame({"path": [str(tmp_path / "a.mp4")], "label": [1]})
    with pytest.raises(VideoError, match="no such file"):
        load_video_table(table, on_broken=policy, cache=tmp_path)


def test_a_video_without_a_face_is_a_broken_one(folder, options):
    def detect(image):  # the videos of 64 x 48 pixels show somebody
        return [[8, 8, 30, 30]] if image.shape[:2] == (48, 64) else []

    with pytest.warns(UserWarning, match="3 of 5 videos .* no face was found in any of 4 frames"):
        dataset = load_video_table(folder / "videos.csv", crop=detect, **options)
    assert {read_image(path).shape for path in dataset.data.ravel()} == {(44, 44, 3)}


@pytest.mark.parametrize(("change", "message"), [
    ({"label": 0}, r"Row 0 \(.*1.mp4\): the label must be \+1 .*, got '?0'?"),
    ({"label": ""}, r"the label must be .* got ''"),
    ({"path": ""}, "Row 0 has no path"),
    ({"fake_frames": "3-5"}, "fake_frames must be ranges .* got '3-5'"),
])  # fmt: skip
def test_wrong_tables(folder, options, change, message):
    table = pd.read_csv(folder / "videos.csv", dtype=str)
    for name, value in change.items():
        table[name] = value
    table.to_csv(folder / "wrong.csv", index=False)
    with pytest.raises(ValueError, match=message):
        load_video_table(folder / "wrong.csv", **options)


def test_what_is_no_table(folder, options):
    with pytest.raises(FileNotFoundError, match="no table"):
        load_video_table(folder / "absent.csv", **options)
    with pytest.raises(TypeError, match="a DataFrame or the path"):
        load_video_table([("a.mp4", 1)], **options)
    with pytest.raises(ValueError, match="no column 'label'"):
        load_video_table(pd.DataFrame({"path": ["a.mp4"]}), **options)
    with pytest.raises(ValueError, match="there are no videos"):
        load_video_table(pd.DataFrame({"path": [], "label": []}), **options)


@pytest.mark.parametrize(("content", "message"), [
    (b"", "is empty"),
    (b"path,label\n\xff.mp4,1\n", "not a text file in UTF-8"),
    (b'path,label\n"a.mp4', "a quotation mark is opened here and not closed"),
    (b"path,label\n", "no rows"),
    (b"path\na.mp4\n", "no column 'label'"),
    (b"a" * 140_000 + b",label\n", "field larger"),
    (",".join(map(str, range(5001))).encode(), "at most 1000 columns, got 5001"),
    (b"path,label\na.png,1\n", "Nothing to pair"),
])  # fmt: skip
def test_corrupt_tables_are_named(tmp_path, options, content, message):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "spoilt.csv").write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        load_video_table(tmp_path / "spoilt.csv", **options)
    assert str(tmp_path / "spoilt.csv") in str(caught.value)


@pytest.mark.parametrize("wrong", [{"mode": "both"}, {"k": 0}, {"n_frames": 0}, {"crop": "eyes"},
                                   {"on_broken": "ignore"}, {"references": "none"}])  # fmt: skip
def test_wrong_options(folder, options, wrong):
    with pytest.raises(ValueError, match=f"'{next(iter(wrong))}' parameter"):
        load_video_table(folder / "videos.csv", **(options | wrong))


def test_unknown_option(folder):
    with pytest.raises(TypeError, match="frames"):
        load_video_table(folder / "videos.csv", frames=3)


def test_folder(folder, options):
    dataset = load_video_folder(folder, **options)
    rows = dataset.images.drop_duplicates("video").set_index("video")
    assert rows["label"].tolist() == [-1, 1, 1, -1, 1]
    assert rows.loc["anna/fake/FaceSwap/3.mp4", ["identity", "technique"]].tolist() == [
        "anna", "FaceSwap",
    ]  # fmt: skip
    assert rows.loc["ben/fake/5.mp4", "technique"] == "deepfake"
    assert set(dataset.frame["dataset"]) == {"own"}


def test_folder_of_pictures(tmp_path, options):
    for name in ("anna/real/1.jpg", "anna/real/2.PNG", "anna/fake/3.jpg", "test/real/4.jpg"):
        path = tmp_path / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30, 20)).save(path)
    root = tmp_path / "own"
    with pytest.warns(UserWarning, match="2 of 4 rows are skipped"):  # alone in their folders
        identical = load_video_folder(root, k="all", **options)
    assert identical.data.tolist() == [
        [str(root / "anna/real/1.jpg"), str(root / "anna/real/2.PNG")]
    ]
    assert identical.frame[["reference_frame", "probe_frame"]].values.tolist() == [[0, 1]]
    assert not (tmp_path / "cache").exists()
    (root / "test/real/4.jpg").unlink()
    pairs = load_video_folder(root, mode="reference", k="all", **options)
    assert len(pairs.data) == 4
    assert pairs.target.tolist() == [-1, -1, 1, 1]


@pytest.mark.parametrize("name", ["a.mp4", "real/fake/a.mp4", "anna/a.jpg"])
def test_folders_that_do_not_tell(tmp_path, name):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(tmp_path / name, format="PNG")
    with pytest.raises(ValueError, match=r"exactly one folder above it must be named"):
        load_video_folder(tmp_path)


@pytest.mark.parametrize("k", [2, "all"])
def test_templates_of_references(folder, options, k):
    settings = options | {"mode": "reference", "k": k, "on_broken": "skip", "as_frame": True}
    settings["references"] = "all_videos"
    flat = load_video_table(folder / "videos.csv", **settings)
    dataset = load_video_table(folder / "videos.csv", templates=True, **settings)
    n_references = [len(cell) for cell in dataset.data["reference"]]
    assert sum(n_references) == len(flat.data)
    assert n_references == [2] * len(n_references) if k == 2 else min(n_references) > 2
    probes = dataset.data["probe"]
    assert probes.is_unique
    for (probe, rows), cell in zip(
        flat.data.groupby("probe", sort=False), dataset.data["reference"], strict=True
    ):
        assert cell == tuple(rows["reference"])
        assert probe not in cell
    first = flat.data.drop_duplicates("probe").index
    np.testing.assert_array_equal(dataset.target, flat.target[first])
    np.testing.assert_array_equal(dataset.groups, flat.groups[first])
    identical = ["dataset", "technique", "identity", "video", "original", "probe_frame", "label"]
    pd.testing.assert_frame_equal(
        dataset.frame[identical], flat.frame.loc[first, identical].reset_index(drop=True)
    )
    for name in ("reference_video", "reference_frame"):
        assert sum(dataset.frame[name], ()) == tuple(flat.frame[name])
    n_genuine = int((dataset.target == 1).sum())
    assert f"of {n_genuine} genuine pairs have references from the probe's own" in dataset.DESCR
    assert "genuine pairs are two frames" in flat.DESCR


def test_templates_of_references_of_other_videos(folder, options):
    settings = options | {"mode": "reference", "k": 3, "on_broken": "skip", "templates": True}
    with pytest.warns(UserWarning, match="rows are skipped"):  # Ben has one genuine video
        dataset = load_video_table(folder / "videos.csv", **settings)
    assert dataset.data.shape[1] == 2
    for references, video in zip(
        dataset.frame["reference_video"], dataset.frame["video"], strict=True
    ):
        assert len(references) == 3
        assert video not in references
    assert dataset.n_skipped > 0


def test_templates_need_references(folder, options):
    with pytest.raises(ValueError, match="got 'same-video', which has no references"):
        load_video_table(folder / "videos.csv", templates=True, **options)


def test_empty_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="any video or picture"):
        load_video_folder(tmp_path)


def test_describe(folder, options, capsys):
    (folder / "ben/fake/5.mp4").unlink()
    dataset = load_video_table(folder / "videos.csv", on_broken="skip", dataset="own", **options)
    counts = datasets.describe(dataset, as_dict=True)
    assert counts == {
        "dataset": "own", "videos": 4, "genuine videos": 3, "deepfake videos": 1,
        "broken videos": 1, "identities": 2, "frames": 16, "pairs": len(dataset.data),
        "genuine pairs": int((dataset.target == 1).sum()),
        "deepfake pairs": int((dataset.target == -1).sum()),
        "techniques": {"deepfake": 1, "genuine": 3}, "compressions": {},
        "splits": {"test": 1, "train": 3}, "absent": {},
    }  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert datasets.describe(dataset) is None
    assert "identities  2" in printed.getvalue()
    assert "techniques  deepfake 1, genuine 3" in printed.getvalue()
    with pytest.raises(TypeError, match="got dict"):
        datasets.describe({})


def test_default_cache_is_in_scikit_learns_data_home(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "home"))
    X, _ = load_video_table(folder / "videos.csv", n_frames=2, return_X_y=True)
    assert X[0, 0].startswith(str(tmp_path / "home" / "sklearn_diffake_frames"))


@pytest.mark.parametrize("mode", ["same-video", "reference"])
def test_names_that_look_the_same_are_one(tmp_path, mode):
    names = ["Zo\u00eb", "Zoe\u0308", "Zo\u00eb ", "ben", "ben"]
    table = pd.DataFrame({"path": [f"{row}.png" for row in range(5)], "identity": names})
    for path in table["path"]:
        Image.new("RGB", (64, 64)).save(tmp_path / path)
    table["path"] = [str(tmp_path / path) for path in table["path"]]
    table["label"] = 1
    table["split"] = ["train", "train ", "train", "train", "train"]
    if mode == "same-video":
        table["video"] = names
    with pytest.warns(UserWarning, match="spelled in several ways") as caught:
        dataset = load_video_table(table, mode=mode, k="all", dataset="own")
    columns = ["split", "identity", *(["video"] if mode == "same-video" else [])]
    assert sorted(str(warning.message).split(":")[0] for warning in caught) == sorted(
        f"column {name!r}" for name in columns
    )
    assert set(dataset.groups) == {"own:Zo\u00eb", "own:ben"}
    assert set(dataset.frame["identity"]) == {"Zo\u00eb", "ben"}
    n_pairs = {"same-video": 3 + 1, "reference": 6 + 2}[mode]
    assert len(dataset.data) == n_pairs


def test_what_a_file_is_its_content_decides(tmp_path):
    for position, kind in (("anna/real", "1.wmv"), ("anna/fake", "1"), ("ben/real", "1.3gp")):
        write_video(tmp_path / "own" / position / "a.mp4", 8).rename(
            tmp_path / "own" / position / kind
        )
    (tmp_path / "own" / "anna" / "real" / "notes.txt").write_text("not a video")
    dataset = load_video_folder(tmp_path / "own", n_frames=4, cache=tmp_path / "cache")
    assert len(dataset.images) == 12
    assert dataset.n_broken == 0


@pytest.mark.parametrize("on_damage", ["raise", "skip"])
def test_lost_frames_of_a_video(tmp_path, on_damage):
    path = write_video(tmp_path / "own" / "real" / "a.mp4", 50, faststart=True)
    write_video(tmp_path / "own" / "fake" / "b.mp4", 50)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 8 // 10])
    options = {"n_frames": 4, "cache": tmp_path / "cache", "on_damage": on_damage}
    arguments = {
        "raise": "1 of 2 videos cannot be used. .*cut off",
        "skip": r"own: \d+ frames of 1 videos cannot be decoded and are left out. The first is .*a",
    }
    with pytest.warns(UserWarning, match=arguments[on_damage]):
        dataset = load_video_folder(tmp_path / "own", **options)
    assert dataset.n_broken == (on_damage == "raise")
    assert set(dataset.images["label"]) == ({-1} if on_damage == "raise" else {-1, 1})
