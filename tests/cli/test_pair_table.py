"""CSV files of pairs: the forms that are read, and how the others are refused."""

import os

import pytest
from cli_helpers import error_of, write_table

from sklearn_diffake.cli import main
from sklearn_diffake.cli._pairs import read_pairs


@pytest.mark.parametrize(
    "text",
    [
        "reference,probe\na.png,b.png\n",
        "reference;probe\na.png;b.png\n",
        "reference\tprobe\r\na.png\tb.png\r\n",
        "\ufeffreference,probe\na.png,b.png",
        "Probe , REFERENCE\nb.png, a.png\n",
        "\n\nreference,probe\n\na.png,b.png\n,\n",
        '"reference","probe"\n"a.png","b.png"\n',
        "passport,selfie\na.png,b.png\n",
        "label,passport,selfie\n1,a.png,b.png\n",
        "id,probe,x,reference\n7,b.png,y,a.png\n",
    ],
)
def test_tables_in_many_forms(tmp_path, text):
    (tmp_path / "p.csv").write_bytes(text.encode())
    (pair,) = read_pairs(str(tmp_path / "p.csv"))
    assert (pair.reference, pair.probe) == ("a.png", "b.png")
    assert pair.paths == (str(tmp_path / "a.png"), str(tmp_path / "b.png"))


def test_relative_paths_start_at_the_table_and_absolute_ones_stay(tmp_path, monkeypatch):
    (tmp_path / "tables").mkdir()
    write_table(tmp_path / "tables" / "p.csv", [("../a.png", "/photos/b.png")])
    monkeypatch.chdir(tmp_path)
    (pair,) = read_pairs("tables/p.csv")
    assert os.path.samefile(os.path.dirname(pair.paths[0]), tmp_path)
    assert pair.paths[1] == "/photos/b.png"


def test_quoted_cells_keep_separators_and_lines_are_counted(tmp_path):
    text = 'reference,probe,label\n"a,b.png","c ""d"".png",1\n"new\nline.png",e.png,-1.0\nf,g,+1\n'
    (tmp_path / "p.csv").write_text(text)
    first, second, third = read_pairs(str(tmp_path / "p.csv"))
    assert (first.reference, first.probe) == ("a,b.png", 'c "d".png')
    assert (second.reference, second.label, second.line) == ("new\nline.png", -1, 4)
    assert (third.label, third.line) == (1, 5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"reference,probe\n", "has a header and no pairs"),
        (b"photo\na.png\n", "must be named reference and probe"),
        (b"label,photo\n1,a.png\n", "must be named reference and probe"),
        (b"reference,photo\na,b\n", "none named 'probe'"),
        (b"probe,photo\na,b\n", "none named 'reference'"),
        (b"reference,probe\na,b\nc\n", "line 3: 1 cells, where the header has 2"),
        (b"reference,probe\na,b,c\n", "line 2: 3 cells"),
        (b"reference,probe\na,b\nc|,d\n", "line 3: reference has an empty path"),
        (
            b"reference,probe,label\na,b,maybe\n",
            "line 2: label must be 1 (genuine) or -1 (deepfake), got 'maybe'",
        ),
        (
            b"reference,probe,label\na,b,1\nc,d,0\n",
            "line 3: label must be 1 (genuine) or -1 (deepfake), got '0'",
        ),
        (
            b"reference,probe,label\na,b,nan\n",
            "line 2: label must be 1 (genuine) or -1 (deepfake), got 'nan'",
        ),
        (b'reference,probe\n"a"b,c\n', "line 2: "),
        (b"reference,probe\n\xff\xfe,b\n", "not a text file in UTF-8"),
        (b"a" * 140_000 + b",probe\na,b\n", "field larger than field limit"),
        (b"a.png,b.png\nc.png,d.png\n", "line 1: this is a pair of files"),
    ],
)
def test_bad_tables_are_refused_by_line(tmp_path, capsys, content, message):
    for name in ("a.png", "b.png"):
        (tmp_path / name).touch()
    (tmp_path / "p.csv").write_bytes(content)
    assert main(["compare", "--csv", str(tmp_path / "p.csv")]) == 2
    assert message in error_of(capsys)


@pytest.mark.parametrize(
    "arguments", [["compare", "--csv"], ["fit", "-o", "model"], ["calibrate", "default", "-o", "m"]]
)
def test_a_missing_table_is_named_without_an_error_number(tmp_path, capsys, arguments):
    name = str(tmp_path / "nope.csv")
    assert main([*arguments, name]) == 2
    assert capsys.readouterr().err == (
        f"sklearn-diffake: error: {name!r}: no such file or directory\n"
    )
