"""The mode of a pair: its names, and what the columns of a table tell."""

import pytest

from sklearn_diffake.pairs import load_pairs, make_reference_pairs, make_same_video_pairs
from sklearn_diffake.utils._modes import MIXED, common_mode, mode_name, mode_of_columns


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("reference", "reference"),
        ("same_video", "same-video"),
        (" Same-Video", "same-video"),
        ("REFERENCE", "reference"),
    ],
)
def test_spellings(text, name):
    assert mode_name(text) == name


@pytest.mark.parametrize("text", ["", "video", "same video", "reference, same-video"])
def test_what_is_no_mode(text):
    with pytest.raises(ValueError, match="must be one of reference, same-video"):
        mode_name(text)


@pytest.mark.parametrize(
    ("columns", "mode"),
    [
        ({}, None),
        ({"mode": ""}, None),
        ({"mode": "same_video"}, "same-video"),
        ({"mode": "reference", "video": "a", "reference_video": "a"}, "reference"),
        ({"video": "a", "reference_video": "a"}, "same-video"),
        ({"video": "a ", "reference_video": "a"}, "same-video"),
        ({"video": "a", "reference_video": "b"}, "reference"),
        ({"video": "a", "reference_video": ""}, None),
        ({"video": "a"}, None),
    ],
)
def test_columns(columns, mode):
    assert mode_of_columns(columns) == mode


def test_modes_of_several():
    assert common_mode([]) is None
    assert common_mode([None, "reference", "reference"]) == "reference"
    assert common_mode(["same-video", None, "reference"]) == MIXED


def test_pairs_that_are_formed_have_a_mode():
    table = {"path": ["1", "2", "3"], "identity": ["a"] * 3, "video": ["a"] * 3, "label": [1, 1, 1]}
    assert make_reference_pairs(table, random_state=0).mode == "reference"
    assert make_reference_pairs(table, k=2, templates=True).mode == "reference"
    assert make_same_video_pairs(table, random_state=0).mode == "same-video"


@pytest.mark.parametrize(
    ("header", "cells", "mode"),
    [
        ("", [""] * 2, None),
        (",mode", [",same_video"] * 2, "same-video"),
        (",Mode", [",reference", ","], "reference"),
        (",mode", [",reference", ",same-video"], "mixed"),
        (",video,reference_video", [",x,x"] * 2, "same-video"),
    ],
)
def test_a_table_has_a_mode(tmp_path, header, cells, mode):
    lines = [f"reference,probe{header}", *(f"a{i}.png,b.png{cell}" for i, cell in enumerate(cells))]
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    assert load_pairs(tmp_path / "pairs.csv").mode == mode


def test_two_frames_of_one_file_are_of_one_video(tmp_path):
    from image_helpers import noise
    from PIL import Image

    first, *remaining = (Image.fromarray(picture) for picture in noise(3))
    first.save(tmp_path / "clip.gif", save_all=True, append_images=remaining)
    first.save(tmp_path / "photo.png")
    for name, mode in {"clip.gif": "same-video", "photo.png": None, "gone.mp4": None}.items():
        (tmp_path / "pairs.csv").write_text(f"reference,probe\n{name},{name}\n")
        assert load_pairs(tmp_path / "pairs.csv").mode == mode
