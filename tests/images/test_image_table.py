"""Telling pairs from single images."""

from collections import deque

import numpy as np
import pandas as pd
import pytest
from image_helpers import PAIR_FORMS, SINGLE_FORMS, as_pairs, as_singles, noise, objects, save_all
from PIL import Image

from sklearn_diffake.faces import ImageError
from sklearn_diffake.images.table import image_table


@pytest.mark.parametrize("form", PAIR_FORMS)
def test_pairs(form, tmp_path):
    images = noise(6)
    table = image_table(as_pairs(form, images, save_all(images, tmp_path)))
    assert table.is_pairs
    assert len(table.sources) == 6
    np.testing.assert_array_equal(table.index, [[0, 1], [2, 3], [4, 5]])


@pytest.mark.parametrize("form", SINGLE_FORMS)
def test_singles(form, tmp_path):
    images = noise(3)
    table = image_table(as_singles(form, images, save_all(images, tmp_path)))
    assert not table.is_pairs
    assert len(table.sources) == 3
    np.testing.assert_array_equal(table.index, [0, 1, 2])


def test_nothing_is_read():
    assert image_table([("no-such-file.png", None)]).sources == ["no-such-file.png", None]


def test_paths_and_objects_that_recur_are_listed_once():
    a, b = noise(2)
    table = image_table([("x.png", a), ("x.png", b), (b, a)])
    assert len(table.sources) == 3
    np.testing.assert_array_equal(table.index, [[0, 1], [0, 2], [2, 1]])


@pytest.mark.parametrize(
    "X",
    [
        [np.zeros((2, 5, 5, 3), np.uint8), np.ones((2, 7, 5, 3), np.uint8)],
        [["a.png", "b.png"], ["c.png", "d.png"]],
        ([("a.png", "b.png"), ["c.png", "d.png"]]),
        deque([("a.png", "b.png"), ("c.png", "d.png")]),
        np.array([["a.png", "b.png"], ["c.png", "d.png"]], dtype=object),
        pd.DataFrame({"a": ["a.png", "c.png"], "b": ["b.png", "d.png"]}, index=[5, 5], dtype="str"),
        [("a.png", Image.new("L", (3, 3))), (np.zeros((4, 4), np.uint8), "d.png")],
    ],
    ids=["arrays", "lists", "rows of both kinds", "deque", "objects", "frame", "mixed"],
)
def test_other_pairs(X):
    assert image_table(X).index.tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    "X", [pd.Index(["a.png", "b.png"]), ["a.png", "b.png"], noise(2), [Image.new("L", (3, 3))] * 2]
)
def test_other_singles(X):
    assert image_table(X).index.ndim == 1


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([], "X must be pairs, .* got 0 rows"),
        (np.empty((0, 2, 8, 8, 3), np.uint8), "got 0 rows"),
        (pd.DataFrame({"reference": [], "probe": []}), "got 0 rows"),
        ("photo.png", "X must be pairs, .* got a single str"),
        (b"photo.png", "X must be pairs, .* got a single bytes"),
        (None, "got a single NoneType"),
        (3, "got a single int"),
        (np.float64(3), "got a single float64"),
        (np.array("photo.png"), "got a single ndarray"),
        ({"reference": ["a.png"]}, "got a single dict"),
        ({"a.png", "b.png"}, "got a single set"),
        (Image.new("RGB", (3, 3)), "got a single Image"),
        ((path for path in ["a.png"]), "got a single generator"),
        (noise(1)[0], r"X must be pairs, .* got an array of shape \(20, 20, 3\)"),
        (np.zeros((4, 3, 20, 20), np.uint8), r"got an array of shape \(4, 3, 20, 20\)"),
        (np.zeros((4, 3, 20, 20, 3), np.uint8), "got an array of shape"),
        (np.zeros((4, 2)), "got an array of shape"),
        ([("a.png", "b.png"), ("c.png",)], r"^row 1: it has 1 picture\(s\), a pair has two"),
        ([("a.png", "b.png"), "c.png"], r"^row 1: it has 1 picture\(s\), row 0 has 2"),
        (["c.png", ("a.png", "b.png")], r"^row 1: it has 2 picture\(s\), row 0 has 1"),
        ([("a.png", "b.png", "c.png")], r"^row 0: it has 3 picture\(s\), a pair has two"),
        (
            pd.DataFrame(np.full((2, 3), "a.png")),
            r"columns must be named reference and probe, .* got \[0, 1, 2\]",
        ),
        (pd.DataFrame({"probe": ["a.png"]}), "a column 'probe' but none named 'reference'"),
        (np.full((2, 3), "a.png"), r"^row 0: it has 3 picture\(s\)"),
        ([()], r"^row 0: it has 0 picture\(s\)"),
    ],
)
def test_no_tables(X, message):
    with pytest.raises(ImageError, match=message):
        image_table(X)


def test_places_are_named_by_their_first_row():
    image = noise(1)[0]
    pairs = image_table([("a.png", "b.png"), ("c.png", image), ("c.png", image)])
    assert pairs.describe_source(1) == "row 0, column 1, file 'b.png'"
    assert pairs.describe_source(2) == "row 1, column 0, file 'c.png'"
    assert pairs.describe_source(3) == "row 1, column 1"
    assert image_table(["a.png", "b.png"]).describe_source(1) == "row 1, file 'b.png'"


def test_objects_of_one_shape_are_not_taken_for_a_dense_array():
    table = image_table(objects(list(zip(noise(2), noise(2, seed=1), strict=True))))
    assert table.index.tolist() == [[0, 1], [2, 3]]
