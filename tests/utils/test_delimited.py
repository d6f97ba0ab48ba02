"""Delimited text files: their forms, and the places of what is wrong."""

import io
import os
import pickle
import sys
import tracemalloc
from types import SimpleNamespace

import pytest

from sklearn_diffake.utils._delimited import TableError, open_table, read_columns, resolve

ROWS = [["a", "ä b"], ["1", "x,y;z"], ["2", 'say "no"']]
PLAIN = 'a,"ä b"\r\n1,"x,y;z"\r\n2,"say ""no"""\r\n'


def read(path):
    with open_table(path) as table:
        return [table.header.cells, *(row.cells for row in table.rows)]


def write(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    return tmp_path / "t.csv"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("byte_order_mark", [",", ";", "\t"])
@pytest.mark.parametrize("declared", ["", "sep={}\r\n", '"SEP={}"\n', "\r\n\r\n"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_dialects(tmp_path, encoding, byte_order_mark, declared, end):
    text = (
        PLAIN.replace(",", byte_order_mark)
        .replace(f"x{byte_order_mark}y", "x,y")
        .replace("\r\n", end)
    )
    path = write(tmp_path, (declared.format(byte_order_mark) + text).encode(encoding))
    assert read(path) == ROWS


def test_utf_16_of_both_byte_orders(tmp_path):
    for encoding, byte_order_mark in (("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")):
        assert read(write(tmp_path, byte_order_mark + PLAIN.encode(encoding))) == ROWS


def test_a_declared_separator_wins(tmp_path):
    assert read(write(tmp_path, b"sep=|\na|b,c;d\n1|2\n")) == [["a", "b,c;d"], ["1", "2"]]


def test_empty_columns_at_the_end_do_not_count(tmp_path):
    assert read(write(tmp_path, b"a;b;;\n1;2;;\n\n3;4\n5;6;;;;\n;;;\n")) == [
        ["a", "b"], ["1", "2"], ["3", "4"], ["5", "6"],
    ]  # fmt: skip


def test_lines_are_those_of_the_file(tmp_path):
    path = write(tmp_path, b'\n\nsep=;\n\na;b\n\n"1\n1";2\n3;4\n')
    with open_table(path) as table:
        assert table.header.line == 5
        assert [row.line for row in table.rows] == [8, 9]


def test_standard_input(monkeypatch):
    for stream in (io.BytesIO(PLAIN.encode()), io.BufferedReader(io.BytesIO(PLAIN.encode()))):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream))
        assert read("-") == ROWS
    assert resolve("-", "b/c.png") == "b/c.png"
    assert resolve("x/t.csv", "b/c.png") == os.path.join(os.getcwd(), "x", "b/c.png")


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (b"", None, "is empty"),
        (b"sep=;\n", None, "is empty"),
        (b"\n;;\n", None, "is empty"),
        (b"a,b\n1,2\n\n3\n", 4, "1 cells, where the header has 2"),
        (b"a,b\n1,2,3\n", 2, "3 cells, where the header has 2"),
        (b"a,A\n1,2\n", 1, "2 columns are named 'a'"),
        (b"a,b\n1,2\n3,\xe9\n", 3, "byte 0xe9 is not UTF-8"),
        (b'a,b\n1,2\n"3,4\n' + b"5,6\n" * 9, 3, "opened here and not closed up to the end"),
        (
            b'sep=,\na,b\n1,2\n"3,4\n' + b"5,6\n" * 50_000,
            4,
            "the row that begins here goes on to line",
        ),
        (b'a,b\n1,2\n"3,4\n5,"6"\n', 3, "the row that begins here goes on to line 4"),
        (b"a,b\n1,2\n3,\0\n", 3, "zero byte"),
        ("a,b\n1,2\n".encode("utf-16-le"), 1, "zero byte"),
        (b"\xff\xfea\0,\0b\0\n\0\0\xd8\n\0", 2, "not a text file"),
        (b'a,b\n"1"x,2\n', 2, "expected after"),
        (b'a,b\n"1,2\n', 2, "a quotation mark is opened here"),
        (b"a,b\n1," + b"x" * 140_000, 2, "field larger"),
    ],
)
def test_what_is_wrong_has_a_place(tmp_path, content, line, message):
    path = write(tmp_path, content)
    with pytest.raises(TableError, match=message) as caught:
        read(path)
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.path, error.line) == (str(path), line)
    assert str(error) == str(caught.value)
    location = f"{path}, line {line}: " if line else f"{path}: "
    assert str(error) == location + error.message


def test_whole_tables(tmp_path):
    path = write(tmp_path, b" Path ;Label\na.png;1\nb.png;\n")
    assert read_columns(path, ["path"]) == {"path": ["a.png", "b.png"], "label": ["1", ""]}
    for required, message in ((["x"], "no column 'x'"), (["label"], "line 3: label is empty")):
        with pytest.raises(TableError, match=message):
            read_columns(path, required)
    with pytest.raises(TableError, match="at most 1 columns, got 2"):
        read_columns(path, max_columns=1)
    with pytest.raises(TableError, match="a header and no rows"):
        read_columns(write(tmp_path, b"path\n"))


def test_memory_does_not_grow_with_the_rows(tmp_path):
    path = write(tmp_path, b"reference,probe\n" + b"some/photo.png,other/photo.png\n" * 50_000)
    tracemalloc.start()
    with open_table(path) as table:
        assert sum(1 for _ in table.rows) == 50_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000  # the file has 1.6 MB
