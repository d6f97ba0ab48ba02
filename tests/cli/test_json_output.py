"""``--json`` is JSON, whatever the scores, the names and the libraries."""

import json
import os
import re

import numpy as np
import pytest
from cli_helpers import TINY, write_table
from named_verdicts import verdict_of

from sklearn_diffake.cli import main
from sklearn_diffake.utils._json import json_text
from sklearn_diffake.verdict import Verdict


def strict(text):
    """Parse JSON as most parsers do: no NaN, no infinity, no lone surrogates."""

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    text.encode("ascii")
    values = json.loads(text, parse_constant=refuse)
    json.dumps(values, ensure_ascii=False).encode("utf-8")
    return values


def rows_of(capsys, *arguments):
    code = main(["compare", "--json", "-q", *arguments])
    return code, [strict(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite(recorder, monkeypatch, capsys, score):
    verdict = Verdict("error", "it is no number", score=score, threshold=np.float32(score))
    monkeypatch.setattr(recorder, "judge", lambda reference, probe: verdict)
    code, (row,) = rows_of(capsys, "a", "b")
    assert code == 2
    assert (row["outcome"], row["score"], row["threshold"]) == ("error", None, None)


@pytest.mark.parametrize(
    ("name", "displayed"),
    [
        ("\udcff\udc80.jpg", r"\xff\x80.jpg"),
        ("\ud800.jpg", r"\ud800.jpg"),
        ("\x1b[2J\n.jpg", "\x1b[2J\n.jpg"),
        ("Zoë \N{GRINNING FACE}.jpg", "Zoë \N{GRINNING FACE}.jpg"),
        ("\u2028</script>.jpg", "\u2028</script>.jpg"),
    ],
)
def test_names(recorder, capsys, name, displayed):
    code, (row,) = rows_of(capsys, name, name)
    assert code == 1
    assert row["reference"] == row["probe"] == displayed


def test_a_file_whose_name_is_not_utf8(folder, tmp_path, capsys):
    try:
        os.link(folder / "broken.png", os.fsencode(tmp_path) + b"/\xff.png")
    except OSError:
        pytest.skip("names are Unicode here")
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    arguments = ["score", str(folder / "model"), str(folder / "000.png"), name, "--json"]
    assert main([*arguments, "--trust", TINY, "--device", "cpu"]) == 2
    row = strict(capsys.readouterr().out)
    assert row["probe"] == str(tmp_path / r"\xff.png")
    assert "this is a text file" in row["reason"]


def test_errors_after_some_rows_leave_whole_lines(recorder, monkeypatch, capsys):
    def fail(reference, probe):
        if probe == "stop":
            raise ValueError("it stops")
        return verdict_of(probe)

    monkeypatch.setattr(recorder, "judge", fail)
    code, (row,) = rows_of(capsys, "a", "good", "stop")
    assert code == 2
    assert row["outcome"] == "genuine"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"a": np.float32(np.nan), "b": np.float32(0.5)}, '{"a": null, "b": 0.5}'),
        ([np.int64(3), (True, None), {"k": [float("inf")]}], '[3, [true, null], {"k": [null]}]'),
        ({"\udcff": "\udcff"}, r'{"\\xff": "\\xff"}'),
        ({1: "x"}, '{"1": "x"}'),
        ({"path": os.PathLike}, f'{{"path": "{os.PathLike}"}}'),
    ],
)
def test_json_text(values, text):
    assert json_text(values) == text


TRICKS = [
    "row 99, column 0.jpg",
    "row 0, column 1.jpg",
    "line 7 (probe): x.jpg",
    "probe: 'a'\n.jpg",
    "reference, file 'x.jpg': no such file.jpg",
]


@pytest.mark.parametrize("name", TRICKS)
def test_names_that_look_like_messages_change_nothing_in_score(folder, tmp_path, capsys, name):
    reference = str(folder / "000.png")
    (tmp_path / name).write_bytes(b"no image")
    table = tmp_path / "p.csv"
    write_table(table, [(reference, f'"{tmp_path / name}"'), (reference, folder / "001.png")])
    arguments = ["score", str(folder / "model"), "--csv", str(table), "--json", "--trust", TINY]
    assert main([*arguments, "--device", "cpu", "-q"]) == 2
    bad, good = [strict(line) for line in capsys.readouterr().out.splitlines()]
    assert bad["probe"] == str(tmp_path / name)
    assert bad["reason"].startswith(f"probe, file {str(tmp_path / name)!r}: this is a text file")
    assert good["outcome"] == "genuine"


@pytest.mark.parametrize("name", TRICKS)
def test_names_that_look_like_messages_change_nothing_in_fit(folder, tmp_path, capsys, name):
    (tmp_path / name).write_bytes(b"no image")
    rows = [(folder / "000.png", folder / "001.png"), (folder / "000.png", f'"{tmp_path / name}"')]
    table = write_table(tmp_path / "p.csv", rows)
    arguments = ["fit", table, "-o", str(tmp_path / "m"), "--no-align", "--backbone", TINY]
    assert main([*arguments, "--device", "cpu"]) == 2
    message = capsys.readouterr().err
    line = 3 + name.count("\n")
    displayed = re.escape(repr(str(tmp_path / name)))
    assert re.search(rf"p\.csv, line {line}: probe, file {displayed}: this is a text file", message)
