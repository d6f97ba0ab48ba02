"""``--json`` is JSON, whatever the scores, the names and the libraries; ties are genuine."""

import json
import os
import re

import numpy as np
import pytest
from cli_helpers import TINY, write_table

import sklearn_diffake
from sklearn_diffake import persistence
from sklearn_diffake.cli import main
from sklearn_diffake.cli._rows import make_row
from sklearn_diffake.cli._table import Pair
from sklearn_diffake.utils._json import json_text


def strict(text):
    """Parse JSON as most parsers do: no NaN, no infinity, no lone surrogates."""

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    text.encode("ascii")
    values = json.loads(text, parse_constant=refuse)
    json.dumps(values, ensure_ascii=False).encode("utf-8")
    return values


class Fixed:
    """A model that gives known scores and frame errors."""

    def __init__(self, score, offset=0.0):
        self.score, self.offset_ = score, offset

    def score_samples(self, pairs):
        print("a library says something")
        return np.full(len(pairs), self.score)


def rows_of(monkeypatch, capsys, model, *words):
    monkeypatch.setattr(sklearn_diffake, "load_default", lambda: model, raising=False)
    code = main(["compare", "--json", "-q", *words])
    return code, [strict(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("score", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_no_number_is_no_verdict(monkeypatch, capsys, score):
    code, (row,) = rows_of(monkeypatch, capsys, Fixed(score), "a", "b")
    assert code == 2
    assert (row["verdict"], row["score"], row["decision"]) == ("error", None, None)
    assert row["error"] == f"the model's score is {score}, no finite number"


@pytest.mark.parametrize("offset", [np.nan, np.inf, -np.inf])
def test_a_threshold_that_is_no_number_is_no_verdict(monkeypatch, capsys, offset):
    code, rows = rows_of(monkeypatch, capsys, Fixed(1.0, offset), "a", "b")
    assert (code, rows) == (2, [])


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\udcff\udc80.jpg", r"\xff\x80.jpg"),
        ("\ud800.jpg", r"\ud800.jpg"),
        ("\x1b[2J\n.jpg", "\x1b[2J\n.jpg"),
        ("Zoë \N{GRINNING FACE}.jpg", "Zoë \N{GRINNING FACE}.jpg"),
        ("\u2028</script>.jpg", "\u2028</script>.jpg"),
    ],
)
def test_names(monkeypatch, capsys, name, shown):
    code, (row,) = rows_of(monkeypatch, capsys, Fixed(1.0), name, name)
    assert code == 0
    assert row["reference"] == row["probe"] == shown


def test_a_file_whose_name_is_not_utf8(folder, tmp_path, capsys):
    try:
        os.link(folder / "broken.png", os.fsencode(tmp_path) + b"/\xff.png")
    except OSError:
        pytest.skip("names are Unicode here")
    name = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    words = ["score", str(folder / "model"), str(folder / "000.png"), name, "--json"]
    assert main([*words, "--trust", TINY, "--device", "cpu"]) == 2
    row = strict(capsys.readouterr().out)
    assert row["probe"] == str(tmp_path / r"\xff.png")
    assert "this is a text file" in row["error"]


def test_errors_after_some_rows_leave_whole_lines(monkeypatch, capsys, tmp_path):
    pytest.importorskip("matplotlib")
    code, (row,) = rows_of(
        monkeypatch, capsys, Fixed(1.0), "a", "b", "--report", str(tmp_path / "why.html")
    )
    assert code == 2  # this model cannot be explained
    assert row["verdict"] == "genuine"


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


def test_a_tie_at_the_threshold_is_genuine_everywhere(folder, tmp_path, capsys):
    """In `predict`, in the table, as JSON, as exit code and in the report."""
    pytest.importorskip("matplotlib")
    model = persistence.load(folder / "model", trusted=[TINY]).set_params(embed__device="cpu")
    pair = [str(folder / "000.png"), str(folder / "001.png")]
    (score,) = model.score_samples([pair])
    for offset, sign in ((score, 1), (np.nextafter(score, np.inf), -1)):
        model["detect"].offset_ = float(offset)
        assert model.predict([pair]).tolist() == [sign]
        persistence.save(model, tmp_path / "m")
        words = ["score", str(tmp_path / "m"), *pair, "--trust", TINY, "--device", "cpu"]
        name = "genuine" if sign == 1 else "deepfake"
        assert main([*words, "--json", "--report", str(tmp_path / "why.html")]) == (sign == -1)
        row = strict(capsys.readouterr().out)
        assert row["verdict"] == name
        assert row["score"] == score
        assert (row["decision"] == 0) == (sign == 1)
        called = "genuine" if sign == 1 else "a deepfake"
        assert f"calls the probe {called}" in (tmp_path / "why.html").read_text(encoding="utf-8")
        assert main(words) == (sign == -1)
        assert capsys.readouterr().out.splitlines()[1].endswith(name)


def test_a_row_of_a_tie():
    row = make_row(Pair("a", "b", ("a", "b")), {"score": 0.1 + 0.2}, 0.1 + 0.2)
    assert (row["decision"], row["verdict"]) == (0.0, "genuine")


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
    words = ["score", str(folder / "model"), "--csv", str(table), "--json", "--trust", TINY]
    assert main([*words, "--device", "cpu", "-q"]) == 2
    bad, good = [strict(line) for line in capsys.readouterr().out.splitlines()]
    assert bad["probe"] == str(tmp_path / name)
    assert bad["error"].startswith(f"probe, file {str(tmp_path / name)!r}: this is a text file")
    assert good["verdict"] == "genuine"


@pytest.mark.parametrize("name", TRICKS)
def test_names_that_look_like_messages_change_nothing_in_fit(folder, tmp_path, capsys, name):
    (tmp_path / name).write_bytes(b"no image")
    rows = [(folder / "000.png", folder / "001.png"), (folder / "000.png", f'"{tmp_path / name}"')]
    table = write_table(tmp_path / "p.csv", rows)
    words = ["fit", table, "-o", str(tmp_path / "m"), "--no-align", "--backbone", TINY]
    assert main([*words, "--components", "1", "--device", "cpu"]) == 2
    said = capsys.readouterr().err
    line = 3 + name.count("\n")
    shown = re.escape(repr(str(tmp_path / name)))
    assert re.search(rf"p\.csv, line {line}: probe, file {shown}: this is a text file", said)
