"""Tables of pairs in files."""

import os
import pickle

import numpy as np
import pytest
from sklearn.model_selection import KFold

from sklearn_diffake.pairs import TableError, load_pairs


def load(tmp_path, text):
    (tmp_path / "p.csv").write_text(text, encoding="utf-8")
    return load_pairs(tmp_path / "p.csv")


def test_everything_in_a_table(tmp_path):
    pairs = load(
        tmp_path,
        " Case No ;Probe;LABEL;Reference;Person;\n"
        "7;b.png;1.0;a.png;Ada\n"
        "\n"
        '8;"x;y.png";fake;/r/c.png | d.png;;\n',
    )
    folder = str(tmp_path)
    assert pairs.data.shape == (2, 2)
    assert pairs.data.tolist() == [
        [f"{folder}/a.png", f"{folder}/b.png"],
        [("/r/c.png", f"{folder}/d.png"), f"{folder}/x;y.png"],
    ]
    assert pairs.target.tolist() == [1, -1]
    assert pairs.target.dtype == np.int64
    assert pairs.groups.tolist() == ["Ada", None]
    assert {name: values.tolist() for name, values in pairs.extra.items()} == {
        "Case No": ["7", "8"]
    }
    assert pairs.lines.tolist() == [2, 4]


def test_what_is_not_there_is_none(tmp_path):
    pairs = load(tmp_path, "old,new\na,b\n")
    assert (pairs.target, pairs.groups, pairs.extra) == (None, None, {})
    assert pairs.data.tolist() == [[str(tmp_path / "a"), str(tmp_path / "b")]]
    assert load(tmp_path, "reference,probe,label\na,b,\n").target is None


def test_unknown_labels_among_known_ones_are_nan(tmp_path):
    pairs = load(tmp_path, "reference,probe,label\na,b,1\nc,d,\ne,f,-1\n")
    np.testing.assert_array_equal(pairs.target, [1, np.nan, -1])


@pytest.mark.parametrize("name", ["person", "identity", "Identity "])
def test_people_become_groups(tmp_path, name):
    assert load(tmp_path, f"reference,probe,{name}\na,b,Ada\n").groups.tolist() == ["Ada"]


def test_pairs_are_sliced_with_their_templates(tmp_path):
    rows = "".join(f"a{i}|b{i}|c{i},p{i}\n" for i in range(6))
    pairs = load(tmp_path, "reference,probe\n" + rows)
    _, test = next(KFold(3).split(pairs.data))
    name = os.path.basename
    assert [tuple(map(name, cell)) for cell in pairs.data[test, 0]] == [
        ("a0", "b0", "c0"),
        ("a1", "b1", "c1"),
    ]


def test_relative_paths_begin_at_the_table(tmp_path, monkeypatch):
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "p.csv").write_text("reference,probe\n../a.png|b.png,/c.png\n")
    monkeypatch.chdir(tmp_path)
    (first, second), probe = load_pairs("tables/p.csv").data[0]
    assert os.path.realpath(first) == os.path.realpath(tmp_path / "a.png")
    assert second == str(tmp_path / "tables" / "b.png")
    assert probe == "/c.png"


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("reference,probe\n", None, None, "a header and no pairs"),
        ("reference,photo\na,b\n", 1, None, "'reference' but none named 'probe'"),
        (
            "id,old,new\n1,a,b\n",
            1,
            None,
            r"must be named reference and probe, .* got \['id', 'old', 'new'\]",
        ),
        ("reference,probe,probe \na,b,c\n", 1, "probe", "2 columns are named 'probe'"),
        ("reference,Probe\na,b\nc,\n", 3, "Probe", "Probe is empty"),
        ("reference,probe\na||b,c\n", 2, "reference", "empty path between the marks"),
        ("reference,probe,Label\na,b,1\nc,d,0\n", 3, "Label", "label must be 1 .*got '0'"),
        ("reference,probe,label\na,b,True\n", 2, "label", "label must be .*got 'True'"),
    ],
)
def test_errors_have_a_place(tmp_path, text, line, column, message):
    with pytest.raises(TableError, match=message) as caught:
        load(tmp_path, text)
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.path, error.line, error.column) == (str(tmp_path / "p.csv"), line, column)


def test_a_file_without_a_header_is_seen(tmp_path):
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    with pytest.raises(TableError, match="line 1: this is a pair of files"):
        load(tmp_path, "a.png,b.png\nc.png,d.png\n")
