"""Pairs come in from loaders and tables, with what must be kept apart."""

import re

import numpy as np
import pytest
from benchmark_cases import write_dataset, write_rows
from PIL import Image

from sklearn_diffake.benchmark._datasets import load_pairs
from sklearn_diffake.benchmark._settings import DatasetSpec

IMAGES = {"mode": "reference", "k": 1, "exclude": None}


def load(source, value, arguments=None, *, seed=0, **extra):
    return load_pairs(DatasetSpec("faces", source, str(value), arguments or {}, **extra), seed=seed)


@pytest.fixture
def images(tmp_path):
    return write_dataset(tmp_path, n_people=5)


def test_images_are_paired_by_person(images):
    table = load("images", images, IMAGES)
    assert len(table) == 5 * 7
    assert np.bincount(table.target + 1).tolist() == [15, 0, 20]
    for (reference, probe), label, technique, owner in zip(
        table.data,
        table.target,
        table.columns["technique"],
        table.columns["identity"],
        strict=True,
    ):
        assert reference != probe
        assert re.search(rf"/{owner[5:]}-\d-{technique}.png$", probe)
        assert re.search(rf"/{owner[5:]}-\d-genuine.png$", reference)
        assert (technique == "genuine") == (label == 1)
    assert set(table.groups.ravel()) == {f"person:faces{i}" for i in range(5)}


def test_images_of_one_video_are_paired(tmp_path):
    rows = [(f"v{v}-{i}.png", f"v{v}", 9 - i) for v in range(3) for i in range(4)]
    table = load(
        "images",
        write_rows(tmp_path / "t.csv", ("path", "video", "frame"), rows),
        {**IMAGES, "mode": "same_video", "k": "all"},
    )
    assert len(table) == 18
    assert (table.target == 1).all()
    for first, second in table.data:
        assert first[:-5] == second[:-5]  # of one video,
        assert first > second  # sorted by frame, which counts down
    assert table.groups[0].tolist() == ["video:v0"]


def test_the_original_may_be_kept_from_being_the_reference(tmp_path):
    rows = [("a1.png", "a", 1, ""), ("a2.png", "a", 1, ""), ("f.png", "a", -1, "a2.mp4")]
    file = write_rows(tmp_path / "t.csv", ("path", "identity", "label", "original"), rows)
    for seed in range(8):
        table = load("images", file, {**IMAGES, "exclude": "original"}, seed=seed)
        assert table.data[2].tolist() == [str(tmp_path / "a1.png"), str(tmp_path / "f.png")]
    assert table.groups[2].tolist() == ["person:a", "video:a2.mp4"]


def test_pairs_are_read_as_they_are(tmp_path):
    rows = [("r.png", "p.png", 1, "", "c23"), ("r.png", "/q.png", -1, "", "c40")]
    header = ("reference", "probe", "label", "technique", "compression")
    table = load("pairs", write_rows(tmp_path / "t.csv", header, rows))
    folder = str(tmp_path)
    assert table.data.tolist() == [[f"{folder}/r.png", f"{folder}/p.png"],
                                   [f"{folder}/r.png", "/q.png"]]  # fmt: skip
    assert table.target.tolist() == [1, -1]
    assert table.columns["technique"].tolist() == ["genuine", "deepfake"]
    assert table.columns["compression"].tolist() == ["c23", "c40"]
    # nothing but the files tells who is seen
    assert table.groups.tolist() == [[f"file:{folder}/r.png", f"file:{folder}/p.png"],
                                     [f"file:{folder}/r.png", "file:/q.png"]]  # fmt: skip


def test_loaders_are_called_with_their_arguments(images):
    pytest.importorskip("pandas")
    arguments = {"table": str(images), "mode": "reference", "k": "all"}
    table = load("loader", "load_video_table", arguments)
    assert len(table) == 5 * (4 * 1 + 3 * 2)  # within their compression
    assert set(table.columns["technique"]) == {"genuine", "patch", "swap", "tint"}
    assert set(table.columns["compression"]) == {"c23", "c40"}
    arguments["k"] = 1
    sample = [load("loader", "load_video_table", arguments, seed=s).data for s in (0, 0, 1, 2)]
    assert (sample[0] == sample[1]).all()
    assert any((sample[0] != another_one).any() for another_one in sample[2:])


def test_a_loader_that_draws_nothing_is_given_no_seed(tmp_path):
    pytest.importorskip("pandas")
    home = tmp_path / "lfw_home"
    for person in ("Ada", "Bo"):
        folder = home / "lfw_funneled" / person
        folder.mkdir(parents=True)
        for number in (1, 2):
            image = np.full((250, 250, 3), 90 * number, dtype=np.uint8)
            Image.fromarray(image).save(folder / f"{person}_{number:04d}.jpg")
    pairs = "2\nAda\t1\t2\nBo\t1\t2\nAda\t1\tBo\t2\nBo\t1\tAda\t2"
    for name in ("pairsDevTrain.txt", "pairsDevTest.txt", "pairs.txt"):
        (home / name).write_text(pairs)
    arguments = {"data_home": str(tmp_path), "download_if_missing": False}
    table = load("loader", "fetch_lfw_pairs", arguments)
    assert table.target.tolist() == [1, 1, -1, -1]
    assert set(table.columns["technique"]) == {"genuine", "impostor"}


def test_columns_to_keep_apart_can_be_chosen(tmp_path):
    rows = [("a1.png", "a", "g1", "b"), ("a2.png", "a", "g1", ""), ("b1.png", "b", "g2", ""),
            ("b2.png", "b", "g2", "")]  # fmt: skip
    file = write_rows(tmp_path / "t.csv", ("path", "identity", "group", "donor"), rows)
    assert load("images", file, IMAGES, groups=("group",)).groups[0].tolist() == ["group:g1"]
    table = load("images", file, IMAGES, groups=("identity", "donor"))
    assert table.groups[0].tolist() == ["person:a", "person:b"]
    own_values = load("images", file, IMAGES, distinct_people=True)
    assert own_values.groups[0].tolist() == ["person:faces:a"]
    with pytest.raises(ValueError, match=r"\[datasets.faces\] images: groups: .*column 'people'"):
        load("images", file, IMAGES, groups=("people",))
    blank = write_rows(tmp_path / "blank.csv", ("path", "identity", "group"),
                       [("a1.png", "a", ""), ("a2.png", "a", "")])  # fmt: skip
    with pytest.raises(ValueError, match=r"groups: no column of .*'group'.* what to keep apart"):
        load("images", blank, IMAGES, groups=("group",))


def test_a_limit_keeps_whole_people(images):
    table = load("images", images, IMAGES, limit=17)
    people, sizes = np.unique(table.columns["identity"], return_counts=True)
    assert sizes.tolist() == [7, 7]
    remaining = [
        load("images", images, IMAGES, limit=17, seed=s).columns["identity"] for s in (1, 2)
    ]
    assert any(set(another_one) != set(people) for another_one in remaining)
    with pytest.raises(ValueError, match="limit = 3 is fewer than the 7 pairs of any one group"):
        load("images", images, IMAGES, limit=3)


BAD = {
    "no column": (("file",), [("a.png",)], "has no column 'path'; it has .*'file'"),
    "no rows": (("path",), [], "has a header and no rows"),
    "ragged": (("path", "label"), [("a.png",)], "t.csv, line 2: 1 cells, where the header has 2"),
    "empty": (("path", "label"), [("", 1)], "t.csv, line 2: path is empty"),
    "label": (("path", "label"), [("a.png", 1), ("b.png", 0)], "row 1: label must be 1 .*got '0'"),
    "no label": (
        ("path", "label"),
        [("a.png", 1), ("b.png", "")],
        r"row 1: the label must be 1 \(genuine\) or -1 \(deepfake\), got an empty cell",
    ),
    "huge": (("path",), [("a.png",), ("x" * 200_000,)], "t.csv, line 3: field larger than"),
    "nobody": (("path", "label"), [("a.png", 1)], "identity"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_tables_are_named(tmp_path, name):
    header, rows, message = BAD[name]
    file = write_rows(tmp_path / "t.csv", header, rows)
    with pytest.raises(ValueError, match=rf"^\[datasets.faces\] images: .*{message}"):
        load("images", file, IMAGES)


@pytest.mark.parametrize(
    ("rows", "line", "column", "message"),
    [
        ([("r.png", "p.png", 1), ("r.png", "q.png", "")], 3, "label", "the label is empty"),
        ([("r.png|s.png", "p.png", 1)], 2, None, "templates of several pictures are not compared"),
    ],
)
def test_bad_tables_of_pairs_are_named(tmp_path, rows, line, column, message):
    file = write_rows(tmp_path / "t.csv", ("reference", "probe", "label"), rows)
    with pytest.raises(ValueError, match=message) as caught:
        load("pairs", file)
    assert f"line {line}" in str(caught.value)
    cause = caught.value.__cause__ or caught.value
    assert (cause.line, cause.column) == (line, column)


def test_what_a_loader_refuses_is_named(images, tmp_path):
    pytest.importorskip("pandas")
    with pytest.raises(ValueError, match=r"^\[datasets.faces\] arguments: .*'mode'"):
        load("loader", "load_video_table", {"table": str(images), "mode": "x"})
    with pytest.raises(OSError, match=r"^\[datasets.faces\] arguments: .*no table"):
        load("loader", "load_video_table", {"table": str(tmp_path / "none.csv")})


def test_names_that_look_the_same_are_one(tmp_path):
    rows = [
        ("1.png", "2.png", 1, "Zo\u00eb", "genuine", "test"),
        ("3.png", "4.png", -1, "Zoe\u0308 ", "sw\u00e4p", "te\u200bst"),
        ("5.png", "6.png", -1, "ben", "swa\u0308p", "train"),
        ("7.png", "8.png", 1, "\u200b", "genuine", "train"),
    ]
    header = ("reference", "probe", "label", "identity", "technique", "split")
    file = write_rows(tmp_path / "pairs.csv", header, rows)
    with pytest.warns(UserWarning, match="spelled in several ways") as caught:
        table = load("pairs", file)
    names = {str(warning.message).split(":")[0] for warning in caught}
    assert names == {"column 'technique'", "column 'split'", "column 'identity'"}
    assert table.groups[:, 0].tolist() == ["person:Zo\u00eb", "person:Zo\u00eb", "person:ben", ""]
    assert table.columns["technique"].tolist() == ["genuine", "sw\u00e4p", "sw\u00e4p", "genuine"]
    assert table.columns["split"].tolist() == ["test", "test", "train", "train"]
