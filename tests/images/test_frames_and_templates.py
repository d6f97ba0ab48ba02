"""DataFrames by the names of their columns, templates, and that every form slices."""

import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from image_helpers import noise, objects
from PIL import Image
from sklearn import __version__ as sklearn_version
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.fixes import parse_version

from sklearn_diffake.faces import ImageError
from sklearn_diffake.images.table import find_pair_columns, image_table
from sklearn_diffake.novelty import MahalanobisDetector

ARROW_SLICES = parse_version(sklearn_version) >= parse_version("1.8")


def polars_frame(columns):
    return pytest.importorskip("polars").DataFrame(columns, strict=False)


def arrow_table(columns):
    return pytest.importorskip("pyarrow").table(columns)


def pandas_frame(columns):
    return pd.DataFrame(columns, index=range(5, 5 + len(next(iter(columns.values())))))


FRAMES = [pandas_frame, polars_frame, arrow_table]


def cells_of(table):
    """Return the pictures of every cell, by what they are."""
    return [
        [[table.sources[i] for i in table.template(cell)] for cell in row]
        for row in table.index.tolist()
    ]


# --- columns ------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", FRAMES)
def test_columns_go_by_name_where_both_are_there(make):
    frame = make({"id": [7, 8], "Probe": ["p", "q"], "label": [1, 1], " reference": ["r", "s"]})
    table = image_table(frame)
    assert table.sources == ["r", "p", "s", "q"]
    assert table.index.tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize("make", FRAMES)
def test_two_other_columns_go_by_position(make):
    assert image_table(make({"later": ["b"], "earlier": ["a"]})).sources == ["b", "a"]


@pytest.mark.parametrize("make", FRAMES)
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["id", "old", "new"], r"must be named reference and probe, .* got \['id', 'old', 'new'\]"),
        (["probe"], "a column 'probe' but none named 'reference'"),
        (["probe", "other"], "a column 'probe' but none named 'reference'"),
        (["reference", "other"], "a column 'reference' but none named 'probe'"),
        (["reference", "probe", "Probe"], "2 columns are named 'probe'"),
    ],
)
def test_other_columns_are_refused_by_name(make, names, message):
    with pytest.raises(ImageError, match=message):
        image_table(make({name: ["x.png"] for name in names}))


def test_names_that_are_no_texts_are_not_looked_at():
    assert find_pair_columns([0, 1]) == (0, 1)
    assert find_pair_columns([3, "probe", None, "reference"]) == (3, 1)
    with pytest.raises(ImageError, match="columns share a name"):
        image_table(pd.DataFrame([["a", "b"]], columns=["x", "x"]))


@pytest.mark.parametrize("make", FRAMES)
def test_a_column_is_a_list_of_single_pictures(make):
    assert image_table(make({"path": ["a", "b"]})["path"]).index.tolist() == [0, 1]


def test_a_frame_that_is_not_computed_yet_is_refused():
    polars = pytest.importorskip("polars")
    with pytest.raises(ImageError, match="got a single LazyFrame"):
        image_table(polars.LazyFrame({"reference": ["a"], "probe": ["b"]}))


def test_objects_in_polars():
    polars = pytest.importorskip("polars")
    images = [Image.new("L", (3, 3)) for _ in range(2)]
    frame = polars.DataFrame({"reference": polars.Series(images, dtype=polars.Object)})
    frame = frame.with_columns(probe=polars.Series(["a", "b"]))
    assert image_table(frame).sources == [images[0], "a", images[1], "b"]


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="numpy has no StringDType")
def test_variable_width_strings_of_numpy():
    pairs = np.array([["a", "b"], ["c", "a"]], dtype=np.dtypes.StringDType())
    assert image_table(pairs).index.tolist() == [[0, 1], [2, 0]]
    assert image_table(pairs[:, 0]).sources == ["a", "c"]
    nested = np.array([[["a", "b"], ["c", "d"]]], dtype=np.dtypes.StringDType())
    assert cells_of(image_table(nested, templates=True)) == [[["a", "b"], ["c", "d"]]]


# --- templates ----------------------------------------------------------------------------------

A, B, C = noise(3)
TEMPLATES = {
    "lists in tuples": [(["a", "b"], "c"), ("c", ["d"]), (["a", "b"], ("b", "a"))],
    "lists in lists": [[["a", "b"], "c"], ["c", ["d"]], [["a", "b"], ["b", "a"]]],
    "object array": objects([(["a", "b"], "c"), ("c", ["d"]), (("a", "b"), ["b", "a"])]),
    "pandas": pd.DataFrame(
        {"probe": ["c", ["d"], ["b", "a"]], "reference": [["a", "b"], "c", ["a", "b"]]}
    ),
    "arrays of texts": [
        (np.array(["a", "b"]), "c"),
        ("c", "d"),
        (["a", "b"], np.array(["b", "a"])),
    ],
}


@pytest.mark.parametrize("form", TEMPLATES)
def test_templates(form):
    table = image_table(TEMPLATES[form], templates=True)
    assert table.is_pairs
    assert sorted(table.sources) == ["a", "b", "c", "d"]
    assert cells_of(table) == [
        [["a", "b"], ["c"]],
        [["c"], ["d"]],
        [["a", "b"], ["b", "a"]],
    ]
    assert table.index[0, 0] == table.index[2, 0]  # listed once
    assert table.index[0, 1] == table.index[1, 0]
    assert table.n_templates == 6
    assert table.offsets.tolist() == [0, 1, 2, 3, 4, 6, 8]
    assert len(table.members) == table.offsets[-1]


@pytest.mark.parametrize("make", [polars_frame, arrow_table])
def test_templates_in_columns_of_lists(make):
    frame = make({"reference": [["a", "b"], ["c"]], "probe": ["p", "q"]})
    assert cells_of(image_table(frame, templates=True)) == [[["a", "b"], ["p"]], [["c"], ["q"]]]


def test_templates_of_pixels():
    nested = np.stack([A, B])
    table = image_table([([A, Image.fromarray(B)], C), (nested, "x.mp4")], templates=True)
    assert len(table.sources) == 6
    assert [len(table.template(cell)) for cell in table.index.ravel()] == [2, 1, 2, 1]
    np.testing.assert_array_equal(table.sources[table.template(table.index[1, 0])[1]], B)
    assert table.sources[table.index[1, 1]] == "x.mp4"


def test_without_templates_there_is_nothing_to_look_up():
    table = image_table([("a", ["b"]), ("b", "c")], templates=True)
    assert (table.offsets, table.members, table.n_templates) == (None, None, 3)
    assert table.template(2).tolist() == [2]
    assert table.index.tolist() == [[0, 1], [1, 2]]


def test_places_within_templates():
    table = image_table([("c", "c"), (["a", "b"], ["c", A]), ("b", "c")], templates=True)
    location = [table.location(i) for i in range(4)]
    assert location[0] == {"row": 0, "column": 0, "path": "c"}
    assert location[1] == {"row": 1, "column": 0, "path": "a"}
    assert location[2] == {"row": 1, "column": 0, "path": "b"}
    assert location[3] == {"row": 1, "column": 1, "path": None}
    assert table.describe_source(2) == "row 1, column 0, file 'b', picture 1 of the template"
    assert table.describe_source(3) == "row 1, column 1, picture 1 of the template"
    assert image_table([Path("a")]).location(0) == {"row": 0, "column": None, "path": "a"}


@pytest.mark.parametrize(
    ("X", "row", "column", "message"),
    [
        ([("a", "b"), ("a", [])], 1, 1, "a template must hold at least one picture"),
        ([(["a", ["b"]], "c")], 0, 0, "a template must be a list of pictures"),
        ([(["a", "b"], "c", "d")], 0, None, "it has 3 picture.*list within a pair"),
        ([["a", "b", "c"], "d"], 0, None, r"written \[\(reference, probe\)\]"),
        ([["a", "b"], "d"], 1, None, r"row 0 has 2.*written \[\(reference, probe\)\]"),
        (["a", ["b", "c"]], 1, None, "row 0 has 1"),
        ((["a", "b"], "c"), None, None, r"got a tuple of 2.*written \[\(reference, probe\)\]"),
        ((["a", "b"], ["c", "d"]), None, None, "got a tuple of 2"),
        (("a", "b"), None, None, "got a tuple of 2"),
        ((A, B), None, None, "got a tuple of 2"),
    ],
)
def test_what_could_be_misread_is_refused(X, row, column, message):
    with pytest.raises(ImageError, match=message) as caught:
        image_table(X, templates=True)
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.row, error.column) == (row, column)


def test_callers_that_do_not_know_templates_refuse_them():
    with pytest.raises(
        ImageError, match=r"row 1, column 0: this must be one picture, got a template of 2"
    ):
        image_table([("a", ["b"]), (["a", "b"], "c")])


# --- slices -------------------------------------------------------------------------------------


def rows_of(n):
    return [([f"a{i}", f"b{i}"], f"p{i}") if i % 2 else (f"a{i}", f"p{i}") for i in range(n)]


def dense_templates(n):
    return [(np.full((2, 4, 4, 3), i, np.uint8), np.full((4, 4, 3), i, np.uint8)) for i in range(n)]


def frame_columns(n, lists):
    reference = [[f"a{i}", f"b{i}"] if lists else f"a{i}" for i in range(n)]
    return {"label": list(range(n)), "probe": [f"p{i}" for i in range(n)], "reference": reference}


SLICED = {
    "list of tuples": rows_of,
    "list of lists": lambda n: [list(row) for row in rows_of(n)],
    "object array": lambda n: objects(rows_of(n)),
    "list of arrays": dense_templates,
    "5-D array": lambda n: (
        np.arange(n, dtype=np.uint8)[:, None, None, None, None]
        + np.zeros((n, 2, 4, 4, 3), np.uint8)
    ),
    "4-D array": lambda n: (
        np.arange(n, dtype=np.uint8)[:, None, None, None] + np.zeros((n, 4, 4, 3), np.uint8)
    ),
    "StringDType": lambda n: np.array(
        [[f"a{i}", f"p{i}"] for i in range(n)], dtype=np.dtypes.StringDType()
    ),
    **{
        f"{make.__name__}, {'templates' if lists else 'paths'}": (
            lambda n, make=make, lists=lists: make(frame_columns(n, lists))
        )
        for make in FRAMES
        for lists in (False, True)
    },
}


class Numbers(TransformerMixin, BaseEstimator):
    """Read a table, and return the number in each name, which is the row it was in."""

    def __init__(self, power=1):
        self.power = power

    def fit(self, X, y=None):
        image_table(X, templates=True)
        return self

    def transform(self, X):
        table = image_table(X, templates=True)
        first = [table.template(row)[0] for row in table.index.reshape(len(table.index), -1)[:, 0]]
        pictures = [table.sources[i] for i in first]
        numbers = [int(p[1:]) if isinstance(p, str) else int(np.mean(p)) for p in pictures]
        if table.is_pairs:
            probes = [table.sources[i] for i in table.index[:, 1]]
            assert numbers == [
                int(p[1:]) if isinstance(p, str) else int(p[0, 0, 0]) for p in probes
            ]
        return np.array(numbers, dtype=float)[:, None] ** self.power


def skip_unsliced(form):
    if form.startswith("arrow") and not ARROW_SLICES:
        pytest.skip("this scikit-learn does not slice arrow tables")
    if form == "StringDType" and not hasattr(np.dtypes, "StringDType"):
        pytest.skip("numpy has no StringDType")


@pytest.mark.parametrize("form", SLICED)
@pytest.mark.parametrize("rows", [[5, 0, 3], np.array([2, 1]), np.arange(6) % 2 == 0])
def test_every_form_is_sliced_by_scikit_learn(form, rows):
    skip_unsliced(form)
    X = SLICED[form](6)
    (X,) = indexable(X)
    numbers = Numbers().fit_transform(_safe_indexing(X, rows))[:, 0]
    assert numbers.tolist() == np.arange(6)[rows].tolist()


@pytest.mark.parametrize("form", SLICED)
def test_every_form_goes_through_cross_validation(form):
    skip_unsliced(form)
    X, y = SLICED[form](24), np.tile([1, 1, -1], 8)
    model = make_pipeline(Numbers(), MahalanobisDetector())
    scores = cross_val_score(model, X, y, cv=2, scoring="roc_auc", error_score="raise")
    expected = cross_val_score(model[1:], np.arange(24.0)[:, None], y, cv=2, scoring="roc_auc")
    np.testing.assert_array_equal(scores, expected)
    search = GridSearchCV(
        model, {"numbers__power": [1, 2]}, cv=2, scoring="roc_auc", error_score="raise"
    ).fit(X, y)
    assert search.predict(X).shape == (24,)


def test_a_path_is_what_the_system_takes_for_one():
    assert image_table([(Path("a"), "a")]).sources == [Path("a")]
    assert os.fspath(image_table([Path("a")]).sources[0]) == "a"
