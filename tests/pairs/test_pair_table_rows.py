"""Rows of tables of pairs, one by one: modes, empty cells, labels."""

import numpy as np
import pytest
from PIL import Image

from sklearn_diffake.pairs import TableError, load_pairs
from sklearn_diffake.pairs._pair_table import iter_pairs
from sklearn_diffake.utils._delimited import open_table


@pytest.fixture
def folder(tmp_path):
    """Two animations, which are clips, and a picture."""
    frames = [Image.fromarray(np.full((8, 8, 3), value, np.uint8)) for value in (0, 90, 200)]
    for name in ("clip.gif", "other.gif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "photo.png")
    return tmp_path


def rows_of(folder, text, **options):
    (folder / "table.csv").write_text(text, encoding="utf-8")
    with open_table(folder / "table.csv") as table:
        return list(iter_pairs(table, **options))


@pytest.mark.parametrize(
    ("reference", "probe", "mode"),
    [
        ("clip.gif", "clip.gif", "same-video"),
        ("clip.gif", "other.gif", None),
        ("photo.png", "clip.gif", None),
        ("clip.gif", "photo.png", None),
        ("photo.png", "photo.png", None),
        ("clip.gif|other.gif", "clip.gif|other.gif", None),
    ],
)
def test_a_row_is_of_one_clip_if_both_cells_name_it(folder, reference, probe, mode):
    (row,) = rows_of(folder, f"reference,probe\n{reference},{probe}\n")
    assert row.mode == mode


@pytest.mark.parametrize("mode", ["reference", "same-video"])
def test_a_column_decides_on_the_mode(folder, mode):
    text = f"reference,probe,mode\nclip.gif,clip.gif,{mode}\nphoto.png,clip.gif,{mode}\n"
    assert [row.mode for row in rows_of(folder, text)] == [mode, mode]


def test_a_wrong_mode_names_its_column_and_line(folder):
    with pytest.raises(TableError, match="mode") as caught:
        rows_of(folder, "reference,probe,id, Mode\na,b,1,reference\na,b,2,video\n")
    assert (caught.value.line, caught.value.column) == (3, "Mode")


def test_empty_cells_are_kept_on_request_only(folder):
    text = "reference,probe\n,photo.png\nphoto.png,photo.png\n"
    empty, full = rows_of(folder, text, keep_empty=True)
    photo = str(folder / "photo.png")
    assert (empty.paths, full.paths) == (("", photo), (photo, photo))
    with pytest.raises(TableError, match="reference is empty"):
        rows_of(folder, text)


@pytest.mark.parametrize(
    ("labels", "expected", "kind"),
    [(["1", "-1"], [1, -1], "i"), (["1", ""], [1, np.nan], "f"), (["", "-1"], [np.nan, -1], "f")],
)
def test_labels_are_integers_unless_one_is_missing(folder, labels, expected, kind):
    text = "reference,probe,label\n" + "".join(f"a,b,{label}\n" for label in labels)
    (folder / "table.csv").write_text(text, encoding="utf-8")
    target = load_pairs(folder / "table.csv").target
    assert target.dtype.kind == kind
    np.testing.assert_array_equal(target, expected)
