"""The lists that come with a published dataset name files of its folder, and no others."""

import json
import os

import pytest

pytest.importorskip("av")

import tree_files
from tree_files import PUBLISHED

#: Of each loader that reads a list, the list, and what it holds when it names a video.
LISTS = {
    "faceforensics": ("train.json", lambda name: json.dumps([[name, "054"]])),
    "celeb_df": ("List_of_testing_videos.txt", lambda name: f"1 YouTube-real/{name}.mp4"),
    "dfdc": ("validation/labels.csv", lambda name: f"filename,label\n{name}.mp4,0\n"),
    "dfdc, the original": (
        "dfdc_train_part_0/metadata.json",
        lambda name: json.dumps({"x.mp4": {"label": "FAKE", "original": f"{name}.mp4"}}),
    ),
    "dfdc_preview": ("dataset.json", lambda name: json.dumps({f"{name}.mp4": {"label": "real"}})),
    "forgerynet": ("Training/video_list.txt", lambda name: f"1 {name}.mp4 0 8 0 0 0 0"),
}


@pytest.fixture
def outside(tmp_path):
    tree_files.Videos(tmp_path / "models").put(tmp_path, "outside.mp4")
    return tmp_path / "outside.mp4"


@pytest.mark.parametrize("loader", LISTS)
@pytest.mark.parametrize("kind", ["above", "absolute", "around"])
def test_names_that_lead_outside_are_refused(loader, kind, outside, tmp_path):
    name, (file, text) = loader.partition(",")[0], LISTS[loader]
    root = getattr(tree_files, name)(tmp_path / "tree", tree_files.Videos(tmp_path / "models"))
    absolute = str(outside.with_suffix(""))
    leads = {"absolute": absolute, "above": "../" * 9 + absolute[1:], "around": "x/../y"}[kind]
    if kind == "absolute" and loader == "celeb_df":
        leads = "/" + absolute  # what follows the folder
    (root / file).write_text(text(leads))
    with pytest.raises(ValueError, match="lies outside of the folder") as caught:
        PUBLISHED[name](root, cache=tmp_path / "cache", n_frames=2)
    assert str(root) in str(caught.value)
    assert not (tmp_path / "cache").exists()  # no video was read


@pytest.mark.parametrize("name", ["", ".", "/"])
def test_names_of_no_file(name, tmp_path):
    (tmp_path / "dataset.json").write_text(json.dumps({name: {"label": "real"}}))
    with pytest.raises(ValueError, match="lies outside of the folder"):
        PUBLISHED["dfdc_preview"](tmp_path)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("celeb_df", "List_of_testing_videos.txt"),
        ("dfdc", "validation/labels.csv"),
        ("dfdc", "validation/metadata.json"),
        ("deeperforensics", "lists/splits/train.txt"),
        ("forgerynet", "Training/video_list.txt"),
        ("faceforensics", "test.json"),
    ],
)
@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"[" * 200_000], ids=["bytes", "deep"])
def test_lists_that_are_no_text_or_nested_too_deep_are_named(name, file, content, tmp_path):
    root = getattr(tree_files, name)(tmp_path / "tree", tree_files.Videos(tmp_path / "models"))
    (root / file).write_bytes(content)
    with pytest.raises(ValueError, match=os.path.basename(file)) as caught:
        PUBLISHED[name](root, cache=tmp_path / "cache", n_frames=2)
    assert str(root / file) in str(caught.value)


def test_links_in_the_folder_are_followed(outside, tmp_path):
    (tmp_path / "tree").mkdir()
    os.symlink(outside, tmp_path / "tree" / "linked.mp4")
    (tmp_path / "tree" / "dataset.json").write_text('{"linked.mp4": {"label": "real"}}')
    dataset = PUBLISHED["dfdc_preview"](tmp_path / "tree", cache=tmp_path / "cache", n_frames=2)
    assert len(dataset.images) == 2
